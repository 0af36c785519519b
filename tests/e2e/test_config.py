# SPDX-License-Identifier: BSD-2-Clause
"""The configuration file: every key, comments, what the command line overrides, and a sentence for everything wrong."""
import errno
import grp
import json
import os
import re
import subprocess

import raw
from lib import BUILD, DEADLINE_S, ROOT, Daemon, shm_names, skip_unless, wait_until
from settings import KEYS, effective, faults, write


def accepts(text, *options):
    return effective("--config", write("config.json", text), *options)


def refuses(text, sentence, *options):
    """With one line, which begins with the place, or with the option, and has the sentence."""
    said = faults("--config", write("config.json", text), *options)
    assert len(said) == 1 and (re.match(r"config\.json:\d+:\d+: |--[a-z-]+: ", said[0])), (text, said)
    assert sentence in re.sub(r"^config\.json:\d+:\d+: ", "config.json: ", said[0]), (text, said)


def attach_if_room(where, stream):
    client = raw.Client(where)
    try:
        return client.attach(stream)
    except raw.Refused:
        client.close()
        return None


def test_every_key():
    """One file with all of them, and a daemon that does what it says."""
    with open("clip.y4m", "wb") as file:
        file.write(b"YUV4MPEG2 W64 H48 F25:1 Cmono\n" + b"".join(b"FRAME\n" + bytes([n]) * 64 * 48 for n in range(4)))
    here = os.getcwd()
    ours = {os.getgid(), *os.getgroups()}
    groups = [g for g in grp.getgrall() if os.getuid() == 0 or g.gr_gid in ours]
    config = {
        "camera": f"file{os.getpid()}", "source": f"replay:{here}/clip.y4m", "size": "64x48", "framerate": 50,
        "loop": True, "slots": 6, "ring_bytes": "1M", "private_bytes": 300000, "runtime_dir": f"{here}/run",
        "io": "epoll", "wait_clients": 1, "clients_max": 2, "clients_per_uid": 2, "attach_rate": 1000,
        "private_streams": 3, "copy_threads": 2, "copy_budget": 50, "copy_affinity": "0-1023",
        "copy_scheduling": "other", "unpaced": False,
        "streams": [{"name": "main", "max_size": "80x60"},
                    {"name": "part", "region": "8,4,32,24", "slots": 5, "always": True}],
    }
    if groups:
        config["group"] = groups[-1].gr_name
    with open("daemon.json", "w", encoding="ascii") as file:
        json.dump(config, file)
    with open("log", "wb") as log:
        process = subprocess.Popen([BUILD / "lumaringd", "--config", "daemon.json"], stderr=log,
                                   stdin=subprocess.DEVNULL)
    try:
        where = f"run/{config['camera']}/frames"
        wait_until(lambda: process.poll() is not None or os.path.exists(where), "the socket is there")
        wait_until(lambda: process.poll() is not None or len(shm_names(config["camera"])) == 2, "two rings")
        for path in (where, *(f"/dev/shm/{name}" for name in shm_names(config["camera"]))):
            assert os.stat(path).st_gid == (groups[-1].gr_gid if groups else os.getgid()), path
        with raw.Client(where) as client, raw.Client(where) as private:
            frames = client.attach().newest()
            header = client.ring.header
            assert (header.width_max, header.height_max, header.slot_count) == (80, 60, 6), header
            assert client.welcome.frame_duration_us == 20000 and header.object_bytes <= 1 << 20
            while True:
                _, d, pixels = next(frames)
                assert pixels == bytes([(d.camera_sequence - 1) % 4]) * 64 * 48
                if d.camera_sequence > 8:
                    break
            more = [raw.Client(where) for _ in range(8 if os.getuid() == 0 else 0)]  # root has some beyond clients_max
            with raw.Client(where) as last:
                assert last.receive()[0].code == errno.EUSERS
            for other in more:
                other.close()
            try:
                private.attach_private(region=(0, 0, 64, 48), width_max=300, height_max=300)
                raise AssertionError("beyond private_bytes")
            except raw.Refused as refused:
                assert "private-bytes 300000" in refused.text
        with wait_until(lambda: attach_if_room(where, "part"), "room for another client") as client:
            assert client.ring.header.slot_count == 5
            assert client.welcome.published >= 8, "always: copied although nobody read"
            _, d, _ = next(client.newest())
            assert (d.region_x, d.region_y, d.width, d.height) == (8, 4, 32, 24)
    finally:
        process.terminate()
        assert process.wait(DEADLINE_S) == 0
    with open("log", encoding="utf-8") as log:
        assert "loop epoll" in log.read()


def test_accepted():
    accepts("{}")
    accepts(" \n{ }\n\n")
    accepts('{"slots": 4}')
    accepts('{"slots": "65535"}')
    accepts('{"framerate": 29.97}')
    accepts('{"framerate": "30000/1001", "size": "1x65535"}')
    accepts('{"unpaced": false, "loop": false}')
    accepts('{"ring_bytes": "16M", "private_bytes": 0}')
    accepts('{"streams": []}')
    accepts('{"streams": [{"name": "a"}, {"name": "b", "region": "0,0,1,1", "max_size": "2x2", "slots": 4}]}')
    accepts('{"source": "replay:/nowhere/at all, \\"quoted\\" //and/*more*/.y4m"}')
    accepts('// first\n{ // all of it\n"slots": /* as\nmany */ 8 // no comma\n/**/}//last')
    accepts('{"streams": [' + ", ".join('{"name": "s%d"}' % n for n in range(16)) + "]}")


def test_example():
    """What is shipped has every key but the camera's name, and says what holds without it."""
    path = ROOT / "config" / "lumaringd.json"
    text = re.sub("//.*", "", path.read_text("utf-8"))
    assert ["camera", *json.loads(text)] == [k for k in KEYS if k != "streams"] + ["streams"]
    write("empty.json", "{}")
    assert effective("--config", path) == effective("--config", "empty.json")


def test_not_json():
    for text, line, column, sentence in (
            ("", 1, 1, "the text ends where a value is wanted"),
            ("\n\n   ", 3, 4, "the text ends where a value is wanted"),
            ("{", 1, 2, "the text ends inside an object: } is missing"),
            ('{\n\t"slots": 8,\n}', 3, 1, "a key in quotes is wanted"),
            ('{"slots" 8}', 1, 10, "a colon is wanted behind a key"),
            ('{"slots": 8 "io": "auto"}', 1, 13, "a comma or } is wanted"),
            ("{slots: 8}", 1, 2, "a key in quotes is wanted"),
            ("{'slots': 8}", 1, 2, "a key in quotes is wanted"),
            ('{"slots": 08}', 1, 11, "slots: a number does not begin with 0 and other digits"),
            ('{"slots": 8}\n\n  }', 3, 3, "nothing may stand behind the value, which ends before this"),
            ('// comment\n{"slots": 8,\n/* two\nlines */ oops}', 4, 10, "a key in quotes is wanted"),
            ('{"slots": 8} /* unended', 1, 14, "this comment has no end"),
            ('{"camera": "unended}', 1, 21, "camera: the text ends inside a string: a quote is missing"),
            (b'{"slots": 8\0}', 1, 12, "a comma or } is wanted"),
            (b'{"runtime_dir": "/\xff"}', 1, 19, "runtime_dir: a byte that is not UTF-8 (0xff) in a string"),
            (b'\xef\xbb\xbf{}', 1, 1, "the text begins with a byte order mark: leave it out"),
            ("[]", 1, 1, "a configuration is one JSON object, { ... }"),
            (" 8", 1, 2, "a configuration is one JSON object, { ... }"),
            ("null", 1, 1, "a configuration is one JSON object, { ... }")):
        said = faults("--config", write("config.json", text))
        assert said == [f"config.json:{line}:{column}: {sentence}"], (text, said)


def test_wrong_keys():
    refuses('{"slot": 8}', "config.json: slot: this key is not known")
    refuses('{"": 8}', "config.json: : this key is not known")
    refuses('{"Slots": 8}', "config.json: Slots: this key is not known")
    refuses('{"stream": "main"}', "config.json: stream: this key is not known")
    refuses('{"config": "other.json"}', "config.json: config: this key is not known")
    refuses('{"help": true}', "config.json: help: this key is not known")
    refuses('{"slots": 8, "io": "auto", "slots": 8}', "config.json: slots: this key stands there twice")
    refuses('{"streams": [], "streams": []}', "config.json: streams: this key stands there twice")
    refuses('{"streams": [{"name": "a", "name": "a"}]}', "config.json: streams[0].name: this key stands there twice")
    refuses('{"streams": [{"name": "a", "size": "1x1"}]}', "config.json: streams[0].size: this key is not known (a "
            "stream has name, region, max_size, slots, format, bin, always)")


def test_wrong_types():
    flags, three_way = ("unpaced", "loop"), ("auto_exposure",)
    for key in KEYS:
        if key in flags + three_way:
            for value in ("1", '"true"', "[]"):
                refuses('{"%s": %s}' % (key, value), f"config.json: {key}: true or false is wanted")
        elif key != "streams":
            for value in ("true", "[]", "{}"):
                refuses('{"%s": %s}' % (key, value), f"config.json: {key}: a string or a number is wanted")
            refuses('{"%s": 1e400}' % key, f"config.json: {key}: numbers reach from -9007199254740992 to 900719925474099")
    refuses('{"streams": {}}', "config.json: streams: an array of objects is wanted")
    refuses('{"streams": ["main"]}', "config.json: streams[0]: an object with a name is wanted")
    refuses('{"streams": [{"name": "a", "always": 1}]}', "config.json: streams[0].always: true or false is wanted")
    refuses('{"streams": [{"name": "a"}, {"name": []}]}', "streams[1]: a stream needs a name")


def test_wrong_values():
    for key, value, sentence in (
            ("camera", '"Cam"', '"Cam" is not a name: 1 to 32 of a-z, 0-9, _ and -'),
            ("camera", '"%s"' % ("c" * 33), "is not a name"),
            ("source", '"replay"', '"replay" is not libcamera, libcamera:CAMERA, synthetic, replay:FILE or raw:FILE'),
            ("size", '"0x48"', '"0x48" is not WIDTHxHEIGHT, each 1 to 65535'),
            ("size", "64", '"64" is not WIDTHxHEIGHT'),
            ("size", '"65536x1"', "is not WIDTHxHEIGHT"),
            ("pixel_format", '"R9"', '"R9" is none of R8, R10, R12, R16, R10_CSI2P, R12_CSI2P, YUYV,'),
            ("row_bytes", "0", "is not a number of bytes, such as 4096, 64k, 16M or 1G, 1 to 1048576"),
            ("row_bytes", "1048577", "is not a number of bytes"),
            ("frame_bytes", "4294967297", "is not a number of bytes, such as 4096, 64k, 16M or 1G, 1 to 4294967296"),
            ("luma_range", '"wide"', '"wide" is not full or limited'),
            ("framerate", "0", '"0" is not frames per second'),
            ("framerate", "-1", '"-1" is not frames per second'),
            ("framerate", "10001", "above 0 and up to 10000"),
            ("slots", "3", '"3" is not a whole number, 4 to 65535'),
            ("slots", "65536", "is not a whole number, 4 to 65535"),
            ("slots", "4.5", '"4.5" is not a whole number'),
            ("slots", "-8", '"-8" is not a whole number'),
            ("slots", "1e30", "numbers reach from"),
            ("ring_bytes", "0", "is not a number of bytes"),
            ("ring_bytes", '"16MB"', "is not a number of bytes"),
            ("private_bytes", '"9223372036854775808"', "is not a number of bytes"),
            ("runtime_dir", '""', "a directory is wanted"),
            ("runtime_dir", '"%s"' % ("d" * 4096), "a string of at most 4095 bytes is wanted (DIR)"),
            ("group", '"no such group"', 'there is no group "no such group" on this machine'),
            ("io", '"iouring"', '"iouring" is not auto, uring or epoll'),
            ("wait_clients", "16385", "is not a whole number, 0 to 16384"),
            ("clients_max", "0", "is not a whole number, 1 to 16384"),
            ("clients_max", "16385", "is not a whole number, 1 to 16384"),
            ("clients_per_uid", "0", "is not a whole number, 1 to 16384"),
            ("clients_per_uid", "16385", "is not a whole number, 1 to 16384"),
            ("attach_rate", "0", "is not a whole number, 1 to 1000000"),
            ("attach_rate", "1000001", "is not a whole number, 1 to 1000000"),
            ("private_streams", "-1", "is not a whole number, 0 to 16384"),
            ("private_streams", "16385", "is not a whole number, 0 to 16384"),
            ("source", '"libcamera:"', '"libcamera:" is not libcamera, libcamera:CAMERA, synthetic,'),
            ("framerate", '"56-15"', '"56-15" is not frames per second, such as 30, 29.97, 30000/1001 or, slowest and'),
            ("framerate", '"15-10000.1"', "above 0 and up to 10000"),
            ("control_group", '"no such group"', 'there is no group "no such group" on this machine')):
        refuses('{"%s": %s}' % (key, value), f"config.json: {key}: ")
        refuses('{"%s": %s}' % (key, value), sentence)
    for fields, sentence in (
            ('"region": "0,0,1,1"', "streams[0]: a stream needs a name"),
            ('"name": "A"', "streams[0]: a stream needs a name"),
            ('"name": "%s"' % ("n" * 33), "streams[0]: a stream needs a name"),
            ('"name": "private-1"', 'streams[0]: names that begin with "private-" are for clients\' private streams'),
            ('"name": "a", "region": "0,0,0,1"', 'streams[0].region: "0,0,0,1" is not X,Y,WIDTH,HEIGHT'),
            ('"name": "a", "region": "0,0,1"', "streams[0].region: "),
            ('"name": "a", "max_size": "0x1"', 'streams[0].max_size: "0x1" is not WIDTHxHEIGHT'),
            ('"name": "a", "format": "R10"', 'streams[0].format: "R10" is not R8 or R16'),
            ('"name": "a", "format": 16', 'streams[0].format: "16" is not R8 or R16'),
            ('"name": "a", "bin": 0', 'streams[0].bin: "0" is not a whole number, 1 to 2'),
            ('"name": "a", "bin": 3', 'streams[0].bin: "3" is not a whole number, 1 to 2'),
            ('"name": "a", "bin": true', 'streams[0].bin: a string or a number is wanted'),
            ('"name": "a", "slots": 3', 'streams[0].slots: "3" is not a whole number, 4 to 65535')):
        refuses('{"streams": [{%s}]}' % fields, "config.json: " + sentence)
    refuses('{"streams": [{"name": "a"}, {"name": "a"}]}', 'config.json: streams[1]: there are two streams "a"')
    refuses('{"streams": [' + ", ".join('{"name": "s%d"}' % n for n in range(17)) + "]}",
            "config.json: streams[16]: more than 16 streams")


def test_ranges():
    """What the control socket and the sensor bring: each end is taken, and the number beyond it is not."""
    for key, low, high in (
            ("exposure_us", 1, 1000000000), ("analogue_gain_milli", 1, 1000000), ("exposure_value_milli", -8000, 8000),
            ("brightness_milli", -1000, 1000), ("contrast_milli", 0, 32000), ("sharpness_milli", 0, 32000),
            ("scaler_crop_x", 0, 65535), ("scaler_crop_y", 0, 65535), ("scaler_crop_width", 1, 65535),
            ("scaler_crop_height", 1, 65535), ("buffer_count", 0, 64),
            ("control_connections", 1, 4096), ("control_message_bytes", 4096, 1 << 20), ("control_depth", 8, 64),
            ("control_values", 32, 4096), ("control_rate", 1, 1000000), ("control_message_ms", 100, 3600000),
            ("size_change_rate", 1, 1000)):
        text = '{"runtime_dir": ".", "%s": %d}'
        for value in low, high:
            assert accepts(text % (key, value))[key] == value
            assert effective("--config", "config.json", f"--{key.replace('_', '-')}", value)[key] == value
        for value in low - 1, high + 1:
            refuses(text % (key, value), f'config.json: {key}: "{value}" is not a ')
            refuses(text % (key, value), f", {low} to {high}")
    assert accepts('{"control_message_bytes": "5k", "auto_exposure": false}')["control_message_bytes"] == 5120
    assert effective("--auto-exposure", "true")["auto_exposure"] is True
    assert faults("--auto-exposure", "yes") == ['--auto-exposure: "yes" is not true or false']
    assert accepts('{"framerate": "15-56"}')["framerate"] == "15-56"
    assert accepts('{"framerate": 29.97}')["framerate"] == "29.97"
    assert accepts('{"buffers": "uncached"}')["buffers"] == "uncached"
    assert faults("--buffers", "fast") == ['--buffers: "fast" is not auto, cached or uncached']
    for mode in "2304x1296:10", "1x65535:1", "65535x1:32", "640x480":
        assert effective("--sensor-mode", mode)["sensor_mode"] == mode
    for mode in ("2304x1296:0", "2304x1296:33", "2304x1296:", "2304", "0x1:8", "2304x1296:10:10", "2304x1296:ten",
                 "00000000000000000001x1234567"):
        assert faults("--sensor-mode", mode) == [
            f'--sensor-mode: "{mode}" is not WIDTHxHEIGHT or WIDTHxHEIGHT:BITS, BITS 1 to 32']


def test_rules_between_keys():
    refuses('{"source": "synthetic", "unpaced": true, "framerate": 30}', "framerate and unpaced exclude each other")
    refuses('{"source": "synthetic", "unpaced": true}', "framerate and unpaced exclude each other", "--framerate", "30")
    accepts('{"clients_max": 3, "wait_clients": 3}')
    refuses('{"clients_max": 3, "wait_clients": 4}', "wait-clients 4 is more than clients-max 3")
    accepts('{"clients_max": 3, "clients_per_uid": 3}')
    refuses('{"clients_max": 3, "clients_per_uid": 4}', "clients-per-uid 4 is more than clients-max 3: no uid would ever "
            "reach it")
    refuses('{"clients_max": 3}', "wait-clients 4 is more than clients-max 3", "--wait-clients", "4")
    accepts('{"source": "raw:-", "size": "64x48", "pixel_format": "UYVY"}')
    refuses('{"source": "raw:-", "size": "64x48"}', "source raw: the frames do not say what they are: give size and "
            "pixel-format")
    refuses('{"source": "raw:-", "pixel_format": "R8"}', "give size and pixel-format")
    accepts('{"source": "replay:-", "pixel_format": "R8"}')  # as with its size, the footage must have it
    for key, value in (("row_bytes", "64"), ("frame_bytes", "64"), ("luma_range", '"full"')):
        refuses('{"source": "synthetic", "%s": %s}' % (key, value), 
                f"{key}: this is for the source raw alone, not for synthetic")
    for key, value in (("buffers", '"cached"'), ("buffer_count", "1"), ("sensor_mode", '"640x480:10"')):
        accepts('{"source": "libcamera", "%s": %s}' % (key, value))
        refuses('{"source": "synthetic", "%s": %s}' % (key, value),
                f"{key}: this is for the source libcamera alone, not for synthetic")
    accepts('{"source": "synthetic", "buffers": "auto", "buffer_count": 0}')
    refuses('{"source": "libcamera", "unpaced": true}', "config.json: unpaced: this is for the sources replay, raw "
            "and synthetic, not for libcamera")
    refuses('{"source": "replay:-", "loop": true}', "config.json: loop: this is for the sources replay and raw, not "
            "for libcamera", "--source", "libcamera")
    packed = '{"source": "raw:-", "size": "7x3", "pixel_format": "R10_CSI2P", "%s": %d}'
    accepts(packed % ("row_bytes", 10))
    refuses(packed % ("row_bytes", 9), "row-bytes 9 is too small: a row of 7 pixels of R10_CSI2P takes 10 bytes")
    accepts(packed % ("frame_bytes", 30))
    refuses(packed % ("frame_bytes", 29), "frame-bytes 29 is too small: 3 rows of 10 bytes take 30")
    refuses(packed % ("frame_bytes", 32), "frame-bytes 32 is too small: 3 rows of 11 bytes take 33", "--row-bytes", "11")
    for source in "synthetic", "replay:-", "raw:-":
        file = '{"source": "%s", "size": "64x48"%s}' % (source, ', "pixel_format": "R8"' if source == "raw:-" else "")
        for region, sentence in (("62,46,2,2,bin=2", None), ("63,47,1,1", None),
                                 ("63,0,2,1", "stream a: region 63,0,2,1 does not lie inside the image of 64x48"),
                                 ("0,0,2,1,bin=2", "stream a: bin 2 needs at least 2x2 pixels, region 0,0,2,1 of the "
                                                   "image of 64x48 has fewer")):
            if sentence:
                refuses(file, sentence, "--stream", "a=" + region)
            else:
                accepts(file, "--stream", "a=" + region)


def test_limits():
    """Size, depth and number of values, each at its limit and one beyond."""
    accepts('{"slots": 8' + " " * (65536 - 12) + "}")
    refuses('{"slots": 8' + " " * (65537 - 12) + "}", "config.json: this has more than 65536 bytes")
    refuses("{" * 100000, "config.json: this has more than 65536 bytes")
    refuses('{"x": [[[1]]]}', "x: this key is not known")
    refuses('{"x": [[[[1]]]]}', "config.json: x[0][0][0]: arrays and objects stand more than 4 deep inside each other")
    numbers = ",".join("1" for _ in range(510))    # and the array and the object
    refuses('{"x": [%s]}' % numbers, "x: this key is not known")
    refuses('{"x": [%s,1]}' % numbers, "config.json: x: there are more than 512 values")
    refuses('{"x": "[[[[[[,,,,"}', "x: this key is not known")


def test_files():
    os.mkfifo("fifo")
    for path, sentence in (("nowhere.json", "cannot read nowhere.json: No such file or directory"),
                           (".", ".: it is a directory, and not read: give a regular file"),
                           ("fifo", "fifo: it is a pipe or device, and not read: give a regular file")):
        assert faults("--config", path) == [sentence]
    write("config.json", "{}")
    os.chmod("config.json", 0o646)
    assert faults("--config", "config.json") == [
        "config.json: everybody may write to it (mode 0646), and it is not read: change that with chmod o-w"]
    os.chmod("config.json", 0o664)
    accepts("{}")


def test_owner():
    skip_unless(os.getuid() == 0, "only root can give a file to somebody else")
    write("config.json", "{}")
    os.chown("config.json", 12345, 0)
    assert faults("--config", "config.json") == [
        "config.json: it belongs to uid 12345, not to uid 0 or root, and is not read: change that with chown"]


def test_command_line_wins():
    config = {"source": "synthetic", "size": "64x48", "slots": 9, "framerate": 50, "streams": [
        {"name": "one"}, {"name": "two", "region": "0,0,1,1"}]}
    with open("config.json", "w", encoding="ascii") as file:
        json.dump(config, file)
    with Daemon("--config", "config.json") as daemon, raw.Client(daemon.wait_ready()) as client:
        assert client.attach("two").ring.header.slot_count == 9
        assert (client.welcome.image_width, client.welcome.frame_duration_us) == (64, 20000)
    with Daemon("--size", "32x24", "--stream", "three", "--config", "config.json", "--slots", 5, "--framerate",
                100) as daemon:
        with raw.Client(daemon.wait_ready()) as client:
            assert client.attach("three").ring.header.slot_count == 5
            assert (client.welcome.image_width, client.welcome.frame_duration_us) == (32, 10000)
        with raw.Client(daemon) as client:
            try:
                client.attach("one")
                raise AssertionError("a stream of the file in spite of --stream")
            except raw.Refused as refused:
                assert refused.text.endswith("are: three"), refused.text


def test_keys_are_the_options():
    """Every long option of --help that a file can have is a key, under the same rules."""
    help_text = subprocess.run([BUILD / "lumaringd", "--help"], stdout=subprocess.PIPE, timeout=DEADLINE_S,
                               check=True).stdout.decode()
    options = {line.split()[0][2:] for line in help_text.splitlines() if line.startswith("  --")}
    options -= {"config", "config-dir", "check-config", "list-cameras", "bench-camera[=DEVICE]",
                "version,"}
    assert {option.replace("-", "_") for option in options} == set(KEYS) - {"streams"} | {"stream"}, options
