# SPDX-License-Identifier: BSD-2-Clause
"""Footage for the end-to-end tests: made by ffmpeg, by hand, or taken from the directory $LUMARING_FOOTAGE, and what
ffmpeg says its luma is.
"""
import os
import pathlib
import random
import shutil
import subprocess

from lib import skip_unless

REAL_FRAMES = 150   # of a real clip: what a ring has to hold
PLANES = {"420": (2, 2), "422": (2, 1), "444": (1, 1), "mono": None}    # chroma subsampling
FORMATS = {"420": "yuv420p", "422": "yuv422p", "444": "yuv444p", "mono": "gray"}


def ffmpeg(*arguments, **keywords):
    """Run ffmpeg; its standard output as bytes."""
    skip_unless(shutil.which("ffmpeg"), "ffmpeg is not installed")
    if "input" not in keywords:
        keywords.setdefault("stdin", subprocess.DEVNULL)
    command = ["ffmpeg", "-v", "error", *[str(a) for a in arguments]]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, **keywords).stdout


def reference(path, crop=None):
    """The luma of every frame, as ffmpeg extracts it; crop is x, y, width, height."""
    filters = "extractplanes=y"
    if crop:
        filters += ",crop={2}:{3}:{0}:{1}:exact=1".format(*crop)
    return ffmpeg("-i", path, "-vf", filters, "-f", "rawvideo", "-pix_fmt", "gray", "-")


def pattern(path, size, frames, rate=25):
    """Moving test pattern as 4:2:0."""
    ffmpeg("-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}", "-frames:v", frames, "-pix_fmt", "yuv420p", "-f",
           "yuv4mpegpipe", path)


def chroma_bytes(width, height, colourspace):
    planes = PLANES[colourspace]
    return 2 * -(-width // planes[0]) * -(-height // planes[1]) if planes else 0


def noise(path, width, height, frames, colourspace="420", seed=1):
    """Y4M by ffmpeg in which every byte is another."""
    data = random.Random(seed).randbytes((width * height + chroma_bytes(width, height, colourspace)) * frames)
    ffmpeg("-f", "rawvideo", "-pix_fmt", FORMATS[colourspace], "-s", f"{width}x{height}", "-i", "-", "-f",
           "yuv4mpegpipe", path, input=data)


def real():
    """(name, path of a Y4M file, width, height, frames) of each real clip there is, or of one generated."""
    directory = os.environ.get("LUMARING_FOOTAGE")
    sources = sorted(pathlib.Path(directory).glob("*.mp4")) if directory else []
    for source in sources:
        path = f"{source.stem}.y4m"
        ffmpeg("-i", source, "-frames:v", REAL_FRAMES, "-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe", path)
        yield source.stem, path, *measure(path)
    if not sources:
        pattern("pattern.y4m", "640x360", 60)
        yield "testsrc2", "pattern.y4m", *measure("pattern.y4m")


def measure(path):
    """Width, height and number of frames of a 4:2:0 file that ffmpeg wrote."""
    with open(path, "rb") as file:
        header = file.readline()
    width, height = (int(next(word[1:] for word in header.split() if word[:1] == letter)) for letter in (b"W", b"H"))
    frames, rest = divmod(os.path.getsize(path) - len(header),
                          len("FRAME\n") + width * height + chroma_bytes(width, height, "420"))
    assert rest == 0
    return width, height, frames


def picture(number, width, height):
    """Luma of a frame made by hand: no two of the first 65536 frames agree in a whole row of 16 pixels or more."""
    row = bytes((number * 7 + x * 5 + (number >> 8)) & 0xff for x in range(width))
    return b"".join(bytes([(number + y) & 0xff]) + row[1:] for y in range(height))


def y4m(width, height, frames, rate="25:1", colourspace="mono", first=1, extra=""):
    """Y4M by hand: picture(first), picture(first + 1), ..."""
    chroma = b"\x80" * chroma_bytes(width, height, colourspace)
    header = f"YUV4MPEG2 W{width} H{height} F{rate} Ip A1:1 C{colourspace}{extra}\n".encode()
    return header + b"".join(b"FRAME\n" + picture(first + i, width, height) + chroma for i in range(frames))
