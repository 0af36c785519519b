# SPDX-License-Identifier: BSD-2-Clause
"""Frames of every pixel format a camera has, through every kind of stream, byte for byte.

What goes in is noise. What is to come out is made here: luma as ffmpeg converts it (of what ffmpeg does not know, CSI-2
packing and JFIF luma, by a few lines of Python), then cut, averaged and scaled by picture(), one pixel at a time.
"""
import collections
import functools
import json
import os
import random
import struct
import subprocess

import clips
import raw
from lib import DEADLINE_S, Daemon, wait_until

WIDTH, HEIGHT, FRAMES = 131, 73, 2      # odd both, no multiple of any group
FULL, LIMITED = 1, 2

Stream = collections.namedtuple("Stream", "region wide bin", defaults=(None, False, 1))
STREAMS = {
    "main": Stream(),
    "wide": Stream(wide=True),
    "part": Stream((5, 3, 58, 31)),             # begins within a group of 2 and of 4
    "part-wide": Stream((6, 2, 61, 33), True),
    "right": Stream((127, 0, 4, 73), True),     # the last, unfinished groups
    "last": Stream((130, 72, 1, 1)),
    "bin": Stream((3, 1, 63, 35), False, 2),
    "bin-wide": Stream(None, True, 2),          # the odd column and row are left out
    "bin-least": Stream((129, 71, 2, 2), True, 2),
}
# Without the whole images, none of the others can be taken from those.
ALONE = {name: s for name, s in STREAMS.items() if s.region or s.bin > 1}


# --- what is to come out ---------------------------------------------------------------------------------------------

Format = collections.namedtuple("Format", "name ffmpeg depth row_bytes frame_bytes make luma")


def noise(seed, frame_bytes):
    return random.Random(seed).randbytes(frame_bytes)


@functools.cache
def ffmpeg_luma(pix_fmt, data, output="gray", filters="extractplanes=y"):
    """What ffmpeg makes of one frame."""
    made = clips.ffmpeg("-f", "rawvideo", "-pix_fmt", pix_fmt, "-s", f"{WIDTH}x{HEIGHT}", "-i", "-", "-vf", filters, "-f",
                        "rawvideo", "-pix_fmt", output, "-sws_dither", "none", "-", input=data)
    assert len(made) == WIDTH * HEIGHT * (2 if output.endswith("16le") else 1), (pix_fmt, len(made))
    return made


def words(data):
    return struct.unpack(f"<{len(data) // 2}H", data)


def samples(depth):
    """Frames of 16 bits a sample, of which the low ones are used."""
    def make(seed, frame_bytes):
        mask = (1 << depth) - 1
        return struct.pack(f"<{frame_bytes // 2}H", *(w & mask for w in words(noise(seed, frame_bytes))))
    return make


def packed10(data):
    """MIPI CSI-2 RAW10: four bytes with bits 9..2, then one with the others, the first pixel's lowest."""
    row_bytes = -(-WIDTH // 4) * 5
    return [data[y * row_bytes + x // 4 * 5 + x % 4] << 2 | data[y * row_bytes + x // 4 * 5 + 4] >> x % 4 * 2 & 3
            for y in range(HEIGHT) for x in range(WIDTH)]


def packed12(data):
    """RAW12: two bytes with bits 11..4, then one with the others."""
    row_bytes = -(-WIDTH // 2) * 3
    return [data[y * row_bytes + x // 2 * 3 + x % 2] << 4 | data[y * row_bytes + x // 2 * 3 + 2] >> x % 2 * 4 & 15
            for y in range(HEIGHT) for x in range(WIDTH)]


def jfif(data, step, red, blue):
    """Luma of ITU-T T.871 in the fixed point that the world's JPEG encoders have."""
    return [(19595 * data[at + red] + 38470 * data[at + 1] + 7471 * data[at + blue] + 32768) >> 16
            for at in range(0, WIDTH * HEIGHT * step, step)]


def rgb(pix_fmt, step, red, blue):
    def luma(data, luma_range):
        filters = "scale=out_range={}:out_color_matrix=bt601:flags=accurate_rnd+bitexact,format=yuv444p,extractplanes=y"
        if luma_range == LIMITED:
            return ffmpeg_luma(pix_fmt, data, filters=filters.format("tv"))
        ours = jfif(data, step, red, blue)
        # ffmpeg goes to full range by way of the limited one, and is one off here and there.
        theirs = ffmpeg_luma(pix_fmt, data, filters=filters.format("pc"))
        assert max(abs(a - b) for a, b in zip(ours, theirs)) <= 1
        return ours
    return luma


def formats():
    pixels = WIDTH * HEIGHT
    pairs, fours = -(-WIDTH // 2), -(-WIDTH // 4)
    half = pairs * -(-HEIGHT // 2)

    def row(name, pix_fmt, depth, row_bytes, luma, make=noise, colour=0):
        return Format(name, pix_fmt, depth, row_bytes, row_bytes * HEIGHT + colour, make, luma)

    def by_ffmpeg(pix_fmt):
        return lambda data, _: ffmpeg_luma(pix_fmt, data)

    def as_it_is(data, _):
        return data[:pixels]

    yield row("R8", "gray", 8, WIDTH, as_it_is)
    for depth in (10, 12, 16):
        yield row(f"R{depth}", f"gray{depth}le", depth, 2 * WIDTH, lambda data, _: words(data), samples(depth))
    yield row("R10_CSI2P", None, 10, 5 * fours, lambda data, _: packed10(data))
    yield row("R12_CSI2P", None, 12, 3 * pairs, lambda data, _: packed12(data))
    for name, pix_fmt in (("YUYV", "yuyv422"), ("YVYU", "yvyu422"), ("UYVY", "uyvy422")):
        yield row(name, pix_fmt, 8, 4 * pairs, by_ffmpeg(pix_fmt))
    # ffmpeg has no name for it; its luma is where that of UYVY is.
    yield row("VYUY", None, 8, 4 * pairs, by_ffmpeg("uyvy422"))
    for name, pix_fmt, step, red, blue in (("RGB24", "rgb24", 3, 0, 2), ("BGR24", "bgr24", 3, 2, 0),
                                           ("XRGB8888", "bgr0", 4, 2, 0), ("XBGR8888", "rgb0", 4, 0, 2)):
        yield row(name, None, 8, step * WIDTH, rgb(pix_fmt, step, red, blue))
    yield row("NV12", "nv12", 8, WIDTH, by_ffmpeg("nv12"), colour=2 * half)
    yield row("YUV420", "yuv420p", 8, WIDTH, by_ffmpeg("yuv420p"), colour=2 * half)
    yield row("YUV422", "yuv422p", 8, WIDTH, by_ffmpeg("yuv422p"), colour=2 * pairs * HEIGHT)
    yield row("YUV444", "yuv444p", 8, WIDTH, by_ffmpeg("yuv444p"), colour=2 * pixels)
    # ffmpeg reads these, and extracts nothing from them.
    yield row("NV16", None, 8, WIDTH, as_it_is, colour=2 * pairs * HEIGHT)
    yield row("NV24", None, 8, WIDTH, as_it_is, colour=2 * pixels)


FORMATS = {f.name: f for f in formats()}


def picture(luma, depth, luma_range, region, wide, bin, image_width=WIDTH):
    """A region of an image of samples of so many bits, as R8 or R16, as lumaringd(8) has it."""
    x0, y0, width, height = region

    def sample(x, y):
        at = (y0 + y * bin) * image_width + x0 + x * bin
        if bin == 1:
            return luma[at]
        return (luma[at] + luma[at + 1] + luma[at + image_width] + luma[at + image_width + 1] + 2) >> 2

    values = [sample(x, y) for y in range(height // bin) for x in range(width // bin)]
    if not wide:
        return bytes(v >> depth - 8 for v in values)
    if luma_range == FULL and depth < 16:   # what nobody told counts as limited, as it does for ffmpeg
        values = [v << 16 - depth | v >> 2 * depth - 16 for v in values]
    else:
        values = [v << 16 - depth for v in values]
    return struct.pack(f"<{len(values)}H", *values)


def check_frame(d, pixels, luma, depth, luma_range, what):
    """A frame of whatever stream, by what its descriptor says of it."""
    region = d.region_x, d.region_y, d.region_width, d.region_height
    expected = picture(luma, depth, luma_range, region, d.fourcc == raw.R16, d.bin, d.image_width)
    if pixels == expected:
        return
    step = 2 if d.fourcc == raw.R16 else 1
    at = next(i for i in range(len(expected)) if pixels[i] != expected[i]) // step
    raise AssertionError(f"{what}, region {region}: pixel {at % d.width},{at // d.width} is "
                         f"{pixels[at * step:][:step].hex()}, not {expected[at * step:][:step].hex()}")


# --- through the daemon ----------------------------------------------------------------------------------------------

def whole(stream):
    """The region as the frames will have it."""
    x, y, width, height = stream.region or (0, 0, WIDTH, HEIGHT)
    return x, y, width - width % stream.bin, height - height % stream.bin


def stream_options(streams):
    for name, s in streams.items():
        text = name + ("={},{},{},{}".format(*s.region) if s.region else "")
        yield from ("--stream", text + (",format=R16" if s.wide else "") + (f",bin={s.bin}" if s.bin > 1 else ""))


def save(form, frames, row_bytes=0, frame_bytes=0):
    """frames as a file, rows and frames padded with what is no picture."""
    rows, padding = form.row_bytes, random.Random(9)
    with open("clip.raw", "wb") as file:
        for data in frames:
            if not row_bytes:
                file.write(data)
                continue
            for y in range(HEIGHT):
                file.write(data[y * rows:(y + 1) * rows] + padding.randbytes(row_bytes - rows))
            file.write(padding.randbytes(frame_bytes - HEIGHT * row_bytes))


def source(form, *options):
    return ("--source", "raw:clip.raw", "--size", f"{WIDTH}x{HEIGHT}", "--pixel-format", form.name, *options)


def through(form, luma_range, streams, frames, *options):
    """Every frame of every stream."""
    lumas = [form.luma(data, luma_range) for data in frames]
    options += ("--luma-range", "full" if luma_range == FULL else "limited", *stream_options(streams))
    with Daemon(*source(form, *options), "--unpaced", "--wait-clients", len(streams)) as daemon:
        daemon.wait_ready()
        clients = {name: raw.Client(daemon).attach(name) for name in streams}
        daemon.wait_log("source raw: ended")
        for name, client in clients.items():
            stream, ring = streams[name], client.ring
            assert ring.luma_range == luma_range
            for publication in range(1, FRAMES + 1):
                d, pixels = ring.copy(publication)
                region = d.region_x, d.region_y, d.region_width, d.region_height
                assert (region, d.fourcc == raw.R16, d.bin) == (whole(stream), stream.wide, stream.bin), (name, d)
                check_frame(d, pixels, lumas[publication - 1], form.depth, luma_range, f"{form.name} to {name}")
            client.close()
        assert daemon.stop() == 0


def every(names):
    for name in names:
        form = FORMATS[name]
        frames = [form.make(seed, form.frame_bytes) for seed in range(1, FRAMES + 1)]
        save(form, frames)
        through(form, FULL, STREAMS, frames)
        through(form, LIMITED, ALONE, frames)


def test_grey():
    every(["R8", "R10", "R12", "R16"])


def test_packed():
    every(["R10_CSI2P", "R12_CSI2P"])


def test_yuv():
    every(["YUYV", "YVYU", "UYVY", "VYUY"])


def test_rgb():
    every(["RGB24", "BGR24", "XRGB8888", "XBGR8888"])


def test_planar():
    every(["NV12", "YUV420", "NV16", "YUV422", "NV24", "YUV444"])


def test_scaling_is_ffmpegs():
    """What picture() says of whole images against ffmpeg's own conversions between depths."""
    whole_image = (0, 0, WIDTH, HEIGHT)
    for name in ("R8", "R10", "R12"):
        form = FORMATS[name]
        data = form.make(3, form.frame_bytes)
        luma = form.luma(data, FULL)
        wide = ffmpeg_luma(form.ffmpeg, data, "gray16le", "setrange=pc")
        assert picture(luma, form.depth, FULL, whole_image, True, 1) == wide, name
        # From 7.1 on grey is full range for ffmpeg whatever it is told, so the plane of luma of a video.
        wide = ffmpeg_luma(form.ffmpeg.replace("gray", "yuv444p"), 3 * data, "gray16le",
                           "setrange=tv,format=yuv444p16le,extractplanes=y")
        assert picture(luma, form.depth, LIMITED, whole_image, True, 1) == wide, name
        narrow = ffmpeg_luma(form.ffmpeg, data, "gray", "setrange=pc")
        assert picture(luma, form.depth, FULL, whole_image, False, 1) == narrow, name


def test_padded():
    """Rows and frames that are longer than their pixels, as buffers of cameras are."""
    for name in ("R8", "R10", "R10_CSI2P", "UYVY", "BGR24"):
        form = FORMATS[name]
        frames = [form.make(seed, form.row_bytes * HEIGHT) for seed in range(1, FRAMES + 1)]
        row_bytes = form.row_bytes + 13
        frame_bytes = row_bytes * HEIGHT + 1001
        save(form, frames, row_bytes, frame_bytes)
        through(form, FULL, ALONE, frames, "--row-bytes", row_bytes, "--frame-bytes", frame_bytes)


def test_y4m():
    """Ten, twelve and sixteen bits by ffmpeg's own Y4M; where it halves the width, it cannot write an odd one."""
    for pix_fmt, depth, planes, width in (
            ("yuv420p10le", 10, "420", 130), ("yuv422p12le", 12, "422", 130), ("yuv444p10le", 10, "444", 131),
            ("yuv420p16le", 16, "420", 130), ("gray10le", 10, "mono", 131), ("gray12le", 12, "mono", 131),
            ("gray16le", 16, "mono", 131)):
        luma_bytes = 2 * width * HEIGHT
        frames = [samples(depth)(seed, luma_bytes + 2 * clips.chroma_bytes(width, HEIGHT, planes))
                  for seed in range(1, FRAMES + 1)]
        clips.ffmpeg("-y", "-f", "rawvideo", "-pix_fmt", pix_fmt, "-s", f"{width}x{HEIGHT}", "-i", "-", "-strict", -1,
                     "-f", "yuv4mpegpipe", "clip.y4m", input=b"".join(frames))
        with Daemon("--source", "replay:clip.y4m", "--unpaced", "--wait-clients", 2, "--stream", "main,format=R16",
                    "--stream", "part=5,3,59,31,bin=2") as daemon:
            daemon.wait_ready()
            clients = [raw.Client(daemon).attach(name) for name in ("main", "part")]
            daemon.wait_log("source replay: ended")
            for client in clients:
                for publication in range(1, FRAMES + 1):
                    d, pixels = client.ring.copy(publication)
                    assert (d.image_width, d.image_height) == (width, HEIGHT)
                    check_frame(d, pixels, words(frames[publication - 1][:luma_bytes]), depth, client.ring.luma_range,
                                pix_fmt)
                client.close()


def test_pipes():
    """A camera tool's standard output, and a FIFO that two of them write to, the first of which dies within a frame."""
    form = FORMATS["YUYV"]
    frames = [form.make(seed, form.frame_bytes) for seed in range(1, 9)]
    save(form, frames)
    expected = b"".join(form.luma(data, FULL) for data in frames)
    options = ("--size", f"{WIDTH}x{HEIGHT}", "--pixel-format", "yuyv", "--slots", 20, "--wait-clients")
    shape = ("-f", "rawvideo", "-pix_fmt", "yuyv422", "-s", f"{WIDTH}x{HEIGHT}")
    writer = subprocess.Popen(["ffmpeg", "-v", "error", *shape, "-i", "clip.raw", *shape[:4], "-"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    with Daemon("--source", "raw:-", *options, 1, stdin=writer.stdout) as daemon:
        writer.stdout.close()
        assert daemon.wait_ready().tool("cat", "--raw").communicate(timeout=DEADLINE_S)[0] == expected
    assert writer.wait(DEADLINE_S) == 0
    os.mkfifo("pipe")
    with Daemon("--source", "raw:pipe", "--loop", *options, 2) as daemon, raw.Client(daemon.wait_ready()) as client:
        ring = client.attach().ring
        reader = daemon.tool("watch", "--json", "-n", 8 + 5)
        for data, count in ((b"".join(frames[:5]) + frames[5][:-1], 5), (b"".join(frames), 5 + 8)):
            with open("pipe", "wb") as pipe:
                pipe.write(data)
            # Raw frames of two writers at once would be one stream.
            wait_until(lambda: ring.published == count and ring.state == raw.PAUSED, "all is read, and the end seen")
        seen = [json.loads(line) for line in reader.communicate(timeout=DEADLINE_S)[0].splitlines()]
        lost = [frame["missed_by"].get("sensor", 0) for frame in seen if "sequence" in frame]
        assert lost == 5 * [0] + [1] + 7 * [0], seen


# --- private streams -------------------------------------------------------------------------------------------------

def move(client, choose, check, times=15):
    """Ask for regions that may begin within a group, lie over the edge or outside, or be too small to be binned."""
    moving = client.newest()
    for _ in range(times):
        client.page.set_region(*(choose.choice((0, 1, choose.randrange(200))) for _ in range(4)))
        _, d, pixels = next(moving)
        assert d.width >= 1 and d.height >= 1
        check(d, pixels)


def test_private_moves():
    """Regions that a client moves while frames come, with nobody else there and with a reader of the whole image."""
    choose = random.Random(5)
    for name in ("R8", "R10_CSI2P", "UYVY"):
        form = FORMATS[name]
        frames = [form.make(seed, form.frame_bytes) for seed in range(1, 4)]
        save(form, frames)
        lumas = [form.luma(data, FULL) for data in frames]
        with Daemon(*source(form, "--loop", "--framerate", 500), "--stream", "main", "--stream",
                    "wide,format=R16") as daemon:
            daemon.wait_ready()
            for fourcc, bin in ((0, 0), (raw.R16, 1), (raw.R8, 2), (raw.R16, 2)):
                with raw.Client(daemon) as client:
                    client.attach_private(fourcc=fourcc, bin=bin)
                    header = client.ring.header
                    bin = bin or 1
                    assert (header.width_max, header.height_max) == (WIDTH // bin, HEIGHT // bin)

                    def check(d, pixels):
                        assert (d.fourcc, d.bin) == (fourcc or raw.R8, bin)
                        check_frame(d, pixels, lumas[(d.camera_sequence - 1) % 3], form.depth, FULL, name)

                    move(client, choose, check)
                    with raw.Client(daemon) as other:
                        other.attach("wide" if fourcc == raw.R16 else "main")
                        move(client, choose, check)
                    seen = status_of(daemon, client)
                    assert (seen["format"], seen["bin"]) == ("R16" if fourcc == raw.R16 else "R8", bin)


def status_of(daemon, client):
    with raw.Client(daemon) as asker:
        name = raw.text(client.welcome.stream)
        return next(s for s in asker.status()["streams"] if s["name"] == name)


def test_private_least():
    """A region of a pixel or two is what can be binned; an image with a side of one cannot."""
    form = FORMATS["R8"]
    save(form, [form.make(1, form.frame_bytes)])
    with Daemon(*source(form, "--loop", "--framerate", 100)) as daemon, raw.Client(daemon.wait_ready()) as client:
        _, d, _ = next(client.attach_private(region=(130, 72, 1, 1), bin=2).newest())
        assert (d.region_x, d.region_y, d.region_width, d.region_height) == (129, 71, 2, 2), d
        assert (d.width, d.height, client.ring.header.width_max) == (1, 1, 1), d
    for size, good in (("2x2", True), ("1x2", False), ("2x1", False)):
        with Daemon("--source", "synthetic", "--size", size, "--framerate", 100) as daemon:
            with raw.Client(daemon.wait_ready()) as client:
                try:
                    _, d, _ = next(client.attach_private(bin=2).newest())
                    assert good and (d.width, d.height) == (1, 1)
                except raw.Refused as refused:
                    assert not good and f"bin 2 needs at least 2x2 pixels, region 0,0,0,0 of the image of {size}" in \
                        refused.text, refused.text


def test_private_room():
    """What a private ring takes depends on its pixels: at the ceiling, and a byte above it."""
    options = "--source", "synthetic", "--size", "256x64", "--framerate", 100
    needed = {}
    with Daemon(*options) as daemon:
        daemon.wait_ready()
        for fields in ((raw.R8, 1), (raw.R16, 1), (raw.R8, 2), (raw.R16, 2)):
            with raw.Client(daemon) as client:
                needed[fields] = client.attach_private(fourcc=fields[0], bin=fields[1]).welcome.ring_bytes
                slot_bytes = 256 * 64 // fields[1] ** 2 * (2 if fields[0] == raw.R16 else 1)
                assert client.ring.header.slot_bytes == slot_bytes, (fields, client.ring.header)
    for (fourcc, bin), ring_bytes in needed.items():
        with Daemon(*options, "--private-bytes", ring_bytes) as daemon, raw.Client(daemon.wait_ready()) as client:
            next(client.attach_private(fourcc=fourcc, bin=bin).newest())
        with Daemon(*options, "--private-bytes", ring_bytes - 1) as daemon, raw.Client(daemon.wait_ready()) as client:
            try:
                client.attach_private(fourcc=fourcc, bin=bin)
                raise AssertionError("above the ceiling")
            except raw.Refused as refused:
                assert f"a private ring of {ring_bytes} bytes is beyond" in refused.text, refused.text


def test_shared_least():
    """A shared stream is refused where a private one is clamped."""
    for text, sentence in (("a=129,71,2,2,bin=2", None),
                           ("a=130,71,1,2,bin=2", "stream a: bin 2 needs at least 2x2 pixels, region 130,71,1,2 of the "
                                                  "image of 131x73 has fewer"),
                           ("a=129,72,2,1,bin=2", "region 129,72,2,1 of the image of 131x73 has fewer"),
                           ("a=130,72,1,1", None),
                           ("a=131,72,1,1", "stream a: region 131,72,1,1 does not lie inside the image of 131x73"),
                           ("a=130,73,1,1", "stream a: region 130,73,1,1 does not lie inside the image of 131x73"),
                           ("a=130,72,2,1", "stream a: region 130,72,2,1 does not lie inside the image of 131x73"),
                           ("a=0,0,131,74", "does not lie inside the image of 131x73"),
                           ("a=65535,65535,65535,65535", "does not lie inside the image of 131x73")):
        with Daemon("--source", "synthetic", "--size", f"{WIDTH}x{HEIGHT}", "--stream", text) as daemon:
            if not sentence:
                with raw.Client(daemon.wait_ready()) as client:
                    client.attach("a")
                continue
            assert daemon.wait_exit() == 2
            assert sentence in daemon.log(), daemon.log()


# --- the tool --------------------------------------------------------------------------------------------------------

def test_tool():
    """Pictures and footage of sixteen bits, as others read them: the whole image, and a binned region."""
    form = FORMATS["R10"]
    data = form.make(7, form.frame_bytes)
    save(form, [data])
    luma = form.luma(data, FULL)
    with Daemon(*source(form, "--loop", "--framerate", 200), "--stream", "main,format=R16") as daemon:
        daemon.wait_ready()

        def run(*arguments):
            process = daemon.tool(*arguments)
            out, said = process.communicate(timeout=DEADLINE_S)
            assert process.returncode == 0, said
            return out

        region = (5, 3, 59, 31)
        binned = ["--region", "5,3,59,31", "--bin", "2", "--pixels", "R16"]
        for options, of, bin in ((["--stream", "main"], (0, 0, WIDTH, HEIGHT), 1), (binned, region, 2)):
            width, height = of[2] // bin, of[3] // bin
            expected = picture(luma, 10, FULL, of, True, bin)
            for more in ([], ["--copy"], ["--futex"]):
                assert run("cat", "--raw", "-n", 1, *options, *more) == expected
            y4m = run("cat", "--y4m", "-n", 2, *options)
            assert y4m.startswith(b"YUV4MPEG2 W%d H%d " % (width, height)) and b" Cmono16 " in y4m.split(b"\n", 1)[0]
            read = clips.ffmpeg("-f", "yuv4mpegpipe", "-i", "-", "-f", "rawvideo", "-pix_fmt", "gray16le", "-", input=y4m)
            assert read == 2 * expected
            run("snap", "picture.png", *options)
            run("snap", "picture.pgm", *options)
            for name in ("picture.png", "picture.pgm"):
                assert clips.ffmpeg("-i", name, "-f", "rawvideo", "-pix_fmt", "gray16le", "-") == expected, name
        watched = run("watch", "-n", 1, "--json", *binned)
        frame = json.loads(watched)
        assert (frame["fourcc"], frame["bin"], frame["width"], frame["height"]) == ("R16 ", 2, 29, 15), frame
        assert frame["region"] == dict(x=5, y=3, width=58, height=30), frame
        assert b"29x15+5+3 R16 bin 2 " in run("watch", "-n", 1, *binned)
        assert "R16" in run("status").decode()
        # As on a camera of today: eight bits of it.
        assert run("cat", "--raw", "-n", 1, "--pixels", "R8") == picture(luma, 10, FULL, (0, 0, WIDTH, HEIGHT), False, 1)
        for wrong in (["--bin", "3"], ["--pixels", "R10"], ["--bin", "2", "--stream", "main"]):
            process = daemon.tool("watch", *wrong, stdout=subprocess.DEVNULL)
            assert process.wait(DEADLINE_S) == 2 and process.stderr.read().count(b"\n") == 1
