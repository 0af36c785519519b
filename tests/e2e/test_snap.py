# SPDX-License-Identifier: BSD-2-Clause
"""`lumaring snap`: pictures against a decoder of our own and against ffmpeg, and what is left when one cannot be
written.
"""
import os
import resource
import shutil
import struct
import subprocess
import zlib

import clips
from lib import BUILD, DEADLINE_S, Daemon, skip_unless

FRAMES = 9


def decode(data):
    """width, height, bytes of a sample, samples (big endian) and texts of a grey PNG, as its specification says."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n", data[:8]
    at, packed, texts, header = 8, b"", {}, None
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8:at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length)[0] == zlib.crc32(kind + body), kind
        at += length + 12
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", body)
        elif kind == b"tEXt":
            key, value = body.decode("latin-1").split("\0")
            texts[key] = value
        elif kind == b"IDAT":
            packed += body
        else:
            assert kind == b"IEND" and at == len(data), kind
    width, height, depth, *rest = header
    assert depth in (8, 16) and rest == [0, 0, 0, 0], header
    return width, height, depth // 8, unfilter(zlib.decompress(packed), height, width * depth // 8, depth // 8), texts


def guess(kind, left, above, corner):
    nearest = min((left, above, corner), key=lambda value: abs(left + above - corner - value))
    return (0, left, above, (left + above) // 2, nearest)[kind]


def unfilter(data, height, row_bytes, step):
    assert len(data) == height * (row_bytes + 1)
    above, rows = bytes(row_bytes), []
    for y in range(height):
        begin = y * (row_bytes + 1)
        row = bytearray(data[begin + 1:begin + 1 + row_bytes])
        for i in range(row_bytes):
            left, corner = (row[i - step], above[i - step]) if i >= step else (0, 0)
            row[i] = (row[i] + guess(data[begin], left, above[i], corner)) & 0xff
        above = bytes(row)
        rows.append(above)
    return b"".join(rows)


def snap(daemon, *arguments, code=0, **keywords):
    """Standard output and talk of one picture."""
    tool = daemon.tool("snap", *arguments, **keywords)
    out, talk = tool.communicate(timeout=DEADLINE_S)
    assert tool.returncode == code, (tool.returncode, talk)
    return out, talk.decode()


def replay():
    """A daemon whose source waits for its reader, which so gets frame 1."""
    return Daemon("--source", "replay:clip.y4m", "--unpaced", "--slots", 64, "--wait-clients", 1).wait_ready()


def footage(width, height):
    with open("clip.y4m", "wb") as file:
        file.write(clips.y4m(width, height, FRAMES))
    return replay()


def noise():
    """What no compression makes smaller, for replay()."""
    clips.noise("clip.y4m", 333, 217, 2, "mono")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def luma(path):
    return clips.ffmpeg("-i", path, "-f", "rawvideo", "-pix_fmt", "gray", "-")


def test_png():
    for width, height in ((1, 1), (3, 5), (64, 2), (333, 217)):
        with footage(width, height) as daemon:
            _, talk = snap(daemon, "now.png")
            assert talk == f"lumaring: now.png: {width}x{height}, frame 1\n", talk
        *shape, samples, texts = decode(read("now.png"))
        assert shape == [width, height, 1] and samples == clips.picture(1, width, height), shape
        assert luma("now.png") == samples
        assert texts["sequence"] == "1" and texts["region"] == f"0,0,{width},{height}", texts
        assert texts["Software"].startswith("lumaring ") and int(texts["epoch"]) > 0 and int(texts["sensor_ns"]) > 0
        assert "exposure_us" not in texts    # footage has none


def test_region():
    region = (7, 3, 101, 51)
    with footage(333, 217) as daemon:
        snap(daemon, "part.png", "--region", "7,3,101,51")
    *shape, samples, texts = decode(read("part.png"))
    whole = clips.picture(int(texts["sequence"]), 333, 217)
    assert shape == [101, 51, 1] and texts["region"] == "7,3,101,51"
    assert samples == b"".join(whole[(3 + y) * 333 + 7:(3 + y) * 333 + 7 + 101] for y in range(region[3]))


def test_standard_output():
    """PGM unless --format says PNG; the same pixels as a file has; a reader that goes away is no failure."""
    expected = clips.picture(1, 33, 17)
    with footage(33, 17) as daemon:
        out, talk = snap(daemon, "-", "--format", "png")
        assert decode(out)[:4] == (33, 17, 1, expected) and talk == ""
    for options in ((), ("--format", "pgm")):
        with footage(33, 17) as daemon:
            assert snap(daemon, "-", *options) == (b"P5\n33 17\n255\n" + expected, "")
    with footage(33, 17) as daemon:
        snap(daemon, "now.pgm")
        assert read("now.pgm") == b"P5\n33 17\n255\n" + expected
    with footage(333, 217) as daemon:
        reading, writing = os.pipe()
        os.close(reading)
        assert snap(daemon, "-", "--format", "png", stdout=writing)[1] == ""
        os.close(writing)


def fails(daemon, path, why, *arguments, **keywords):
    assert snap(daemon, path, *arguments, code=1, **keywords)[1] == f"lumaring: cannot write to {why}\n"


def test_a_file_that_may_not_grow():
    """The old picture stays, and nothing lies beside it."""
    os.mkdir("album")
    noise()
    for name in ("now.png", "now.pgm"):
        for limit in (0, 1, 100, 65536):
            with open(f"album/{name}", "wb") as old:
                old.write(b"old")
            with replay() as daemon:
                fails(daemon, f"album/{name}", f"album/{name}: File too large",
                      preexec_fn=lambda bytes=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (bytes, bytes)))
            assert os.listdir("album") == [name] and read(f"album/{name}") == b"old"
            os.unlink(f"album/{name}")


def test_a_full_output():
    for kind in ("png", "pgm"):
        with footage(333, 217) as daemon, open("/dev/full", "wb") as full:
            fails(daemon, "-", "standard output: No space left on device", "--format", kind, stdout=full)


def test_a_full_disk():
    skip_unless(shutil.which("unshare") and subprocess.run(["unshare", "-rm", "true"], check=False).returncode == 0,
                "no mount of our own to fill")
    os.mkdir("disk")
    noise()
    script = ('mount -t tmpfs -o size=16k none disk && "$@" "disk/$NAME"; code=$?; '
              '[ -z "$(ls -A disk)" ] && exit "$code"; ls -lA disk')
    for name in ("now.png", "now.pgm"):
        with replay() as daemon:
            run = subprocess.run(["unshare", "-rm", "sh", "-c", script, "sh", BUILD / "lumaring", "--camera",
                                  daemon.camera, "--runtime-dir", daemon.runtime_dir, "snap"],
                                 env=dict(os.environ, NAME=name), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 timeout=DEADLINE_S, check=False)
        talk = f"lumaring: cannot write to disk/{name}: No space left on device\n".encode()
        assert (run.returncode, run.stdout, run.stderr) == (1, b"", talk), run


def test_no_such_place():
    with footage(33, 17) as daemon:
        fails(daemon, "nowhere/now.png", "nowhere/now.png: No such file or directory")
    with footage(33, 17) as daemon:
        os.mkdir("taken.png")
        fails(daemon, "taken.png", "taken.png: Is a directory")
        assert not [name for name in os.listdir(".") if name.startswith("taken.png.")]


def test_wrong_usage():
    wrong = {
        ("now.jpg",): "the file 'now.jpg' ends neither in .png nor in .pgm, the formats of 'snap'",
        ("png",): "the file 'png' ends neither in .png nor in .pgm, the formats of 'snap'",
        (".png",): "the file '.png' is an ending without a name: a name must stand before the ending",
        ("./.pgm",): "the file './.pgm' is an ending without a name: a name must stand before the ending",
        ("now.PNG",): "the file 'now.PNG' ends neither in .png nor in .pgm, the formats of 'snap'",
        ("now.pgm", "--format", "png"): "the name of 'now.pgm' and --format contradict each other: leave --format out",
        ("-", "--format", "jpg"): "--format is 'jpg'; it must be png or pgm",
        ("-", "--format", ""): "--format is ''; it must be png or pgm",
        (): "'snap' needs a file: lumaring snap FILE.png, or - for standard output",
    }
    with footage(33, 17) as daemon:
        for arguments, sentence in wrong.items():
            assert snap(daemon, *arguments, code=2) == (b"", f"lumaring: {sentence}\n"), arguments
        snap(daemon, "n.png", "--format", "png")
