# SPDX-License-Identifier: BSD-2-Clause
"""Replayed footage against ffmpeg: what comes out of the ring is the luma of the clip, byte for byte, frame for frame.

The ring holds the whole clip and the source waits for its readers, so no machine is too slow for these tests.
"""
import os
import re
import subprocess
import threading

import clips
import raw
from lib import DEADLINE_S, Daemon, wait_until


class Comparer(threading.Thread):
    """Reads a tool's standard output frame by frame and compares it with what is expected."""

    def __init__(self, process, expected, frame_bytes):
        super().__init__()
        self.process, self.expected, self.frame_bytes = process, expected, frame_bytes
        self.fault, self.frames = None, 0
        self.start()

    def run(self):
        view = memoryview(self.expected)
        while True:
            frame = self.process.stdout.read(self.frame_bytes)
            if not frame:
                return
            at = self.frames * self.frame_bytes
            if self.fault is None and frame != view[at:at + self.frame_bytes]:
                self.fault = f"frame {self.frames + 1} differs"
            self.frames += 1

    def check(self):
        """The tool's talk, once it has ended well."""
        self.join(DEADLINE_S)
        code = self.process.wait(DEADLINE_S)
        talk = self.process.stderr.read().decode()
        assert code == 0, f"exit code {code}: {talk}"
        assert self.fault is None, self.fault
        assert self.frames * self.frame_bytes == len(self.expected), f"{self.frames} frames: {talk}"
        return talk


def replay(path, frames, clients, *options, **keywords):
    return Daemon("--source", f"replay:{path}", "--slots", max(frames + 4, 4), "--wait-clients", clients, *options,
                  **keywords)


def test_four_clients():
    for name, path, width, height, frames in clips.real():
        expected = clips.reference(path)
        with replay(path, frames, 4, "--unpaced") as daemon:
            daemon.wait_ready()
            readers = [Comparer(daemon.tool("cat", "--raw"), expected, width * height) for _ in range(4)]
            for reader in readers:
                talk = reader.check()
                assert f"{frames} frames, 0 missed" in talk, talk
            daemon.wait_log("ended")
            assert daemon.stop() == 0
            # None lost; a notice may be dropped, since who reads looks at the ring.
            assert re.search(rf"stream main: {frames} published(, \d+ notices dropped)?\n", daemon.log())
        os.unlink(path)
        print(f"figure: {name}: {frames} frames of {width}x{height} to 4 clients equal ffmpeg's")


def test_shapes():
    """Odd sizes, sizes that are a whole stride, and the smallest, in every layout of chroma."""
    shapes = [(333, 217, colourspace) for colourspace in clips.FORMATS]
    shapes += [(1, 1, "420"), (1, 3, "422"), (2, 3, "444"), (64, 48, "mono")]
    for width, height, colourspace in shapes:
        clips.noise("clip.y4m", width, height, 9, colourspace)
        expected = clips.reference("clip.y4m")
        assert len(expected) == width * height * 9
        with replay("clip.y4m", 9, 1, "--unpaced") as daemon:
            Comparer(daemon.wait_ready().tool("cat", "--raw"), expected, width * height).check()
        os.unlink("clip.y4m")


def test_fifo():
    clips.noise("clip.y4m", 333, 217, 20, "422")
    os.mkfifo("pipe")
    with replay("pipe", 20, 2, "--unpaced") as daemon:
        daemon.wait_ready()
        readers = [Comparer(daemon.tool("cat", "--raw", "--wait", DEADLINE_S), clips.reference("clip.y4m"), 333 * 217)
                   for _ in range(2)]
        clips.ffmpeg("-y", "-i", "clip.y4m", "-f", "yuv4mpegpipe", "pipe")
        for reader in readers:
            reader.check()


def test_standard_input():
    """A pipe from ffmpeg, and a file of which something was read already."""
    clips.noise("clip.y4m", 161, 91, 20, "444")
    expected = clips.reference("clip.y4m")
    writer = subprocess.Popen(["ffmpeg", "-v", "error", "-i", "clip.y4m", "-f", "yuv4mpegpipe", "-"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    with replay("-", 20, 1, "--unpaced", stdin=writer.stdout) as daemon:
        writer.stdout.close()
        Comparer(daemon.wait_ready().tool("cat", "--raw", "--wait", DEADLINE_S), expected, 161 * 91).check()
    assert writer.wait(DEADLINE_S) == 0
    with open("clip.y4m", "rb") as clip, open("longer.y4m", "wb") as longer:
        longer.write(b"not of the clip" + clip.read())
    with open("longer.y4m", "rb", buffering=0) as file:
        file.seek(len("not of the clip"))
        with replay("-", 20, 1, "--unpaced", stdin=file) as daemon:
            Comparer(daemon.wait_ready().tool("cat", "--raw"), expected, 161 * 91).check()


def test_region_stream():
    """Two streams of one camera: the whole image, and a region at odd places of it."""
    region = (101, 37, 151, 99)
    clips.noise("clip.y4m", 333, 217, 20, "420")
    with replay("clip.y4m", 20, 3, "--unpaced", "--stream", "main", "--stream",
                "part={},{},{},{}".format(*region), "--stream", "corner=332,216,1,1") as daemon:
        daemon.wait_ready()
        readers = [
            Comparer(daemon.tool("cat", "--raw"), clips.reference("clip.y4m"), 333 * 217),
            Comparer(daemon.tool("cat", "--raw", "--stream", "part"), clips.reference("clip.y4m", region), 151 * 99),
            Comparer(daemon.tool("cat", "--raw", "--stream", "corner"),
                     clips.reference("clip.y4m", (332, 216, 1, 1)), 1),
        ]
        for reader in readers:
            reader.check()


def test_private_region():
    region = (7, 3, 100, 51)
    clips.noise("clip.y4m", 333, 217, 20, "420")
    with replay("clip.y4m", 20, 2, "--unpaced") as daemon:
        daemon.wait_ready()
        readers = [
            Comparer(daemon.tool("cat", "--raw", "--region", "7,3,100,51"), clips.reference("clip.y4m", region),
                     100 * 51),
            Comparer(daemon.tool("cat", "--raw", "--region", "300,200,0,0"),
                     clips.reference("clip.y4m", (300, 200, 33, 17)), 33 * 17),
        ]
        for reader in readers:
            reader.check()


def crop(frame, width, region):
    x, y, region_width, region_height = region
    return b"".join(frame[(y + row) * width + x:(y + row) * width + x + region_width] for row in range(region_height))


def test_moving_region():
    """One store moves the region of a private stream; what a frame shows is told by the frame."""
    width, height, frames = 160, 120, 8
    clips.noise("clip.y4m", width, height, frames, "mono")
    expected = clips.reference("clip.y4m")
    # Asked for, and what the daemon makes of it with a capacity of 64x48.
    steps = [
        ((10, 20, 64, 48), (10, 20, 64, 48)),
        ((11, 21, 1, 1), (11, 21, 1, 1)),
        ((150, 110, 64, 48), (96, 72, 64, 48)),
        ((0, 0, 160, 120), (0, 0, 64, 48)),
        ((65535, 65535, 65535, 65535), (96, 72, 64, 48)),
        ((159, 119, 0, 0), (159, 119, 1, 1)),
        ((0, 0, 0, 0), (0, 0, 64, 48)),
    ]
    with Daemon("--source", "replay:clip.y4m", "--loop", "--framerate", 100) as daemon:
        with raw.Client(daemon.wait_ready()) as client:
            client.attach_private(region=steps[0][0], width_max=64, height_max=48)
            todo = list(steps)
            for ring, d, pixels in client.newest():
                raw.check_account(d, ring.header.sequence_first)
                region = d.region_x, d.region_y, d.region_width, d.region_height
                number = (d.camera_sequence - 1) % frames
                frame = expected[number * width * height:(number + 1) * width * height]
                assert (d.width, d.height) == region[2:] and pixels == crop(frame, width, region), d
                assert region == todo[0][1] or (len(todo) < len(steps) and region == previous), (region, todo[0])
                if region == todo[0][1]:
                    previous = todo.pop(0)[1]
                    if not todo:
                        break
                    client.page.set_region(*todo[0][0])
            assert daemon.stop() == 0


def test_y4m():
    """ffmpeg reads back what `cat --y4m` writes."""
    clips.noise("clip.y4m", 333, 217, 20, "420")
    expected = clips.reference("clip.y4m")
    for option in ("--y4m", "--y4m-420"):
        with replay("clip.y4m", 20, 1, "--unpaced") as daemon:
            with open("out.y4m", "wb") as out:
                tool = daemon.wait_ready().tool("cat", option, stdout=out)
                assert tool.wait(DEADLINE_S) == 0, tool.stderr.read()
        assert clips.reference("out.y4m") == expected, option


def test_the_end():
    """At the end of the footage every reader has every frame, then "closed"; later ones find what the ring has."""
    width, height, frames = 33, 17, 12
    with open("clip.y4m", "wb") as file:
        file.write(clips.y4m(width, height, frames))
    expected = clips.reference("clip.y4m")
    size = width * height
    with replay("clip.y4m", frames, 2, "--unpaced") as daemon:
        reader = Comparer(daemon.wait_ready().tool("cat", "--raw"), expected, size)
        with raw.Client(daemon) as client:
            seen = list(client.attach().frames())
            assert [pixels for _, _, pixels in seen] == [expected[i:i + size] for i in range(0, len(expected), size)]
            assert client.ring.state == raw.CLOSED and not client.ended
        reader.check()
        with raw.Client(daemon) as late:
            late.attach()
            assert late.welcome.published == late.ring.published == frames
            assert late.wait_for(raw.STATE).state == raw.CLOSED
            assert late.ring.oldest() == 1
        # A reader that begins with the next new frame finds none, one that begins with the oldest finds them all.
        tool = daemon.tool("cat", "--raw")
        out, talk = tool.communicate(timeout=DEADLINE_S)
        assert (tool.returncode, out) == (5, b"") and b"closed before a frame came" in talk, (tool.returncode, talk)
        Comparer(daemon.tool("cat", "--raw", "--oldest"), expected, size).check()
        assert daemon.process.poll() is None
        assert daemon.stop() == 0


def test_loop():
    """A file again and again; the numbers go on."""
    width, height, frames = 33, 17, 5
    with open("clip.y4m", "wb") as file:
        file.write(clips.y4m(width, height, frames))
    with Daemon("--source", "replay:clip.y4m", "--loop", "--framerate", 100, "--wait-clients", 1) as daemon:
        with raw.Client(daemon.wait_ready()) as client:
            for ring, d, pixels in client.attach().newest():
                assert d.word >> 2 == d.publication == d.camera_sequence and d.generation == 1, d
                assert pixels == clips.picture((d.camera_sequence - 1) % frames + 1, width, height), d
                raw.check_account(d, ring.header.sequence_first)
                if d.camera_sequence > 4 * frames:
                    break
        assert daemon.stop() == 0


def test_fifo_loop():
    """Writers come and go, one leaves within a frame; each whole frame is published, the lost one is counted."""
    os.mkfifo("pipe")
    width, height = 33, 17
    footage = (clips.y4m(width, height, 4), clips.y4m(width, height, 3, first=5)[:-1],
               clips.y4m(width, height, 2, first=8))
    with Daemon("--source", "replay:pipe", "--loop", "--unpaced", "--slots", 64, "--wait-clients", 1) as daemon:
        with raw.Client(daemon.wait_ready()) as client:
            seen = []
            for data, whole in zip(footage, (4, 2, 2)):
                with open("pipe", "wb") as pipe:
                    pipe.write(data)
                    pipe.flush()
                    frames = frames if seen else client.attach().frames()
                    seen += [next(frames) for _ in range(whole)]
                # The next one must not come before the daemon knows that this one has gone.
                wait_until(lambda: client.ring.state == raw.PAUSED, "paused")
            for (ring, d, pixels), number in zip(seen, (1, 2, 3, 4, 5, 6, 8, 9)):
                assert d.camera_sequence == number and pixels == clips.picture(number, width, height), d
                assert d.lost[raw.LOST["sensor"]] == (number > 7), d
                raw.check_account(d, ring.header.sequence_first)
        assert daemon.stop() == 0


def test_rates():
    """The clip's own rate, another one, none: told to the clients, and never exceeded."""
    with open("clip.y4m", "wb") as file:
        file.write(clips.y4m(33, 17, 21, rate="100:1"))
    for options, duration_us in (((), 10000), (("--framerate", "200"), 5000), (("--unpaced",), 0)):
        with replay("clip.y4m", 21, 1, *options) as daemon:
            with raw.Client(daemon.wait_ready()) as client:
                seen = [d for _, d, _ in client.attach().frames()]
                assert client.welcome.frame_duration_us == duration_us
            assert len(seen) == 21 and all(d.frame_duration_us == duration_us for d in seen)
            gaps = [b.sensor_ns - a.sensor_ns for a, b in zip(seen, seen[1:])]
            assert min(gaps) >= duration_us * 1000 and min(gaps) > 0, gaps
            assert all(d.sensor_ns <= d.ready_ns <= d.publish_ns for d in seen)
            mean_us = (seen[-1].publish_ns - seen[0].publish_ns) / 20e3
            print(f"figure: {'a frame every %d us' % duration_us if duration_us else 'unpaced'}: "
                  f"published every {mean_us:.0f} us")


def test_range():
    """What a luma sample means is taken from the clip."""
    for extra, expected in (("", 0), (" XCOLORRANGE=FULL", 1), (" XCOLORRANGE=LIMITED", 2)):
        with open("clip.y4m", "wb") as file:
            file.write(clips.y4m(33, 17, 2, extra=extra))
        with replay("clip.y4m", 2, 1) as daemon, raw.Client(daemon.wait_ready()) as client:
            assert client.attach().ring.luma_range == expected
            assert client.ring.sensor_clock == 1
