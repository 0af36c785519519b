# SPDX-License-Identifier: BSD-2-Clause
"""Configuration files over each other: which daemon reads which, all that is wrong at once, and what is in force."""
import json
import os
import subprocess

import raw
from lib import BUILD, DEADLINE_S, Daemon
from settings import ENV, KEYS, effective, faults, run, write


def test_layers():
    """The camera's file, drop-ins in the order of their bytes, the command line; each wins over those before."""
    write("etc/left.json", '{"source": "synthetic", "size": "64x48", "framerate": 10, "slots": 5,'
                           ' "streams": [{"name": "one"}, {"name": "two"}]}')
    write("etc/left.json.d/9.json", '{"framerate": 50, "streams": [{"name": "three"}]}')
    write("etc/left.json.d/10.json", '{"framerate": 40, "size": "32x24"}')
    for name in (".9a.json", "9.json~", "9.JSON", "9.json.bak", "README"):
        write(f"etc/left.json.d/{name}", "no JSON")
    values = effective("--config-dir", "etc", "--camera", "left", "--slots", 6)
    assert (values["size"], values["framerate"], values["slots"]) == ("32x24", "50", 6)
    assert values["streams"] == [{"name": "three", "slots": 6}]
    assert effective("--config-dir", "etc", "--camera", "right")["source"] == "libcamera"
    assert effective("--camera", "left", env=dict(ENV, LUMARING_CONFIG_DIR="etc"))["size"] == "32x24"
    assert effective("--config-dir", "etc", "--camera", "left", "--config", write("one.json", "{}"))["size"] is None
    camera = f"left{os.getpid()}"
    os.rename("etc/left.json", f"etc/{camera}.json")
    os.rename("etc/left.json.d", f"etc/{camera}.json.d")
    with Daemon("--config-dir", "etc", "--slots", 6, camera=camera) as daemon:
        with raw.Client(daemon.wait_ready()) as client:
            assert client.attach("three").ring.header.slot_count == 6
            assert (client.welcome.image_width, client.welcome.frame_duration_us) == (32, 20000)


def test_every_fault():
    """Of all files and of the command line, each with its place and range; at a start too."""
    write("etc/cam0.json", '{"slots": 3,\n\t"io": "kqueue", "slot": 1,\n "streams": [{"name": "a", "bin": 3}, {}]}')
    write("etc/cam0.json.d/a.json", '{"clients_max": 01}')
    write("etc/cam0.json.d/b.json", '{"clients_max": 2, "wait_clients": 3,\n"framerate": 30, "loop": true, "loop": true}')
    options = ("--config-dir", "etc", "--source", "synthetic", "--unpaced", "--control-depth", "65", "--bogus")
    expected = [
        "--bogus is not an option of lumaringd, or has a value it does not take: see lumaringd --help",
        'etc/cam0.json:1:11: slots: "3" is not a whole number, 4 to 65535',
        'etc/cam0.json:2:8: io: "kqueue" is not auto, uring or epoll',
        "etc/cam0.json:2:26: slot: this key is not known (keys are the long options of lumaringd --help with _ for -, "
        'and "streams")',
        'etc/cam0.json:3:35: streams[0].bin: "3" is not a whole number, 1 to 2',
        "etc/cam0.json:3:39: streams[1]: a stream needs a name, 1 to 32 of a-z, 0-9, _ and -, then nothing, =X,Y,W,H or "
        ",KEY=VALUE",
        "etc/cam0.json.d/a.json:1:17: clients_max: a number does not begin with 0 and other digits",
        "etc/cam0.json.d/b.json:2:40: loop: this key stands there twice",
        '--control-depth: "65" is not a whole number, 8 to 64',
        "etc/cam0.json.d/b.json:2:14: framerate: framerate and unpaced exclude each other: give one of them",
        "etc/cam0.json.d/b.json:1:36: wait_clients: wait-clients 3 is more than clients-max 2: nothing would ever start"]
    assert faults(*options) == expected
    start = subprocess.run([BUILD / "lumaringd", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENV,
                           timeout=DEADLINE_S, check=False)
    assert start.returncode == 2 and start.stdout == b""
    assert start.stderr.decode().splitlines() == ["lumaringd: " + line for line in expected]


def test_many_faults():
    write("config.json", "{%s}" % ",".join('"no%d": 1' % n for n in range(250)))
    said = faults("--config", "config.json")
    assert len(said) == 201 and said[-1] == "lumaringd: and 50 faults more"


def test_shown_again():
    """What is shown is a configuration that says the same, and a daemon works by it."""
    write("etc/cam0.json", """{
        "source": "synthetic", "size": "64x48", "framerate": "25-50", "auto_exposure": false, "exposure_us": 777,
        "slots": 6, "private_bytes": "9007199254740993", "copy_affinity": "0-1023", "control_rate": 7, // and so on
        "streams": [{"name": "part", "region": "8,4,32,24", "bin": 2, "format": "R16", "always": true}] }""")
    values = effective("--config-dir", "etc", "--runtime-dir", "run")
    code, text, _ = run("--config-dir", "etc", "--runtime-dir", "run")
    assert code == 0 and run("--config", write("shown.json", text)) == (0, text, "")
    assert values["streams"] == [{"name": "part", "region": "8,4,32,24", "slots": 6, "format": "R16", "bin": 2,
                                  "always": True}]
    assert values["private_bytes"] == "9007199254740993" and values["clients_per_uid"] == 256
    assert (values["auto_exposure"], values["exposure_us"], values["brightness_milli"]) == (False, 777, None)
    # Its runtime directory and its camera's name are given by the test.
    with Daemon("--config", "shown.json") as daemon, raw.Client(daemon.wait_ready()) as client:
        assert client.attach("part").ring.header.slot_count == 6
        _, d, _ = next(client.newest())
        assert (d.region_x, d.region_y, d.width, d.height) == (8, 4, 16, 12)


def test_null_takes_back():
    write("etc/cam0.json", json.dumps({"source": "synthetic", "size": "64x48", "loop": True, "streams": [{"name": "a"}]}))
    write("etc/cam0.json.d/a.json", json.dumps({key: None for key in KEYS if key != "camera"}))
    write("empty.json", "{}")
    assert effective("--config-dir", "etc") == effective("--config", "empty.json")
