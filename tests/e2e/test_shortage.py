# SPDX-License-Identifier: BSD-2-Clause
"""Too little memory or too few descriptors, and footage that is too short or is none: one sentence with what is wanted
and what there is, an exit code of its own, and everything read that could be had.
"""
import errno
import os
import re
import subprocess
import time

import clips
import raw
from lib import Daemon, Skip, wait_until
from test_daemon import SYNTHETIC, reads, refused


# --- too little of something -----------------------------------------------------------------------------------------

def small_shm(size):
    """Words in front of a command that give it a /dev/shm of its own of this size."""
    script = f"mount -t tmpfs -o size={size} tmpfs /dev/shm && exec \"$@\""
    words = ["unshare", "-m" if os.getuid() == 0 else "-rm", "sh", "-c", script, "sh"]
    probe = subprocess.run([*words, "true"], stderr=subprocess.PIPE, check=False)
    if probe.returncode:
        raise Skip(f"a /dev/shm of one's own is refused here: {probe.stderr.decode().strip()}")
    return words


def test_no_room():
    """/dev/shm too small for the ring: bytes needed and available in one sentence, and no SIGBUS."""
    with Daemon("--source", "synthetic", "--size", "640x480", wrapper=small_shm("1m")) as daemon:
        said = refused(daemon, 5, "available: use fewer --slots, a smaller size, or enlarge it")
        needed = 4096 + 8 * 640 * 480
        # Libraries of libcamera's may have some pages there.
        available = re.search(rf"needs {needed} bytes for 8 slots but /dev/shm has (\d+) available", said)
        assert available and 1048576 - 65536 <= int(available[1]) <= 1048576, said
    with Daemon(*SYNTHETIC, "--ring-bytes", 20000) as daemon:
        refused(daemon, 2, "the ring of stream main needs 36864 bytes for 8 slots, more than the allowed 20000")
    with Daemon(*SYNTHETIC, "--ring-bytes", 36863) as daemon:
        refused(daemon, 2, "the ring of stream main needs 36864 bytes for 8 slots, more than the allowed 36863")
    with Daemon(*SYNTHETIC, "--ring-bytes", 36864) as daemon:
        reads(daemon.wait_ready())


def test_no_room_for_a_private_ring():
    with Daemon(*SYNTHETIC, wrapper=small_shm("1m")) as daemon:
        before = raw.descriptors_at_rest(daemon.wait_ready())
        with raw.Client(daemon) as reader:
            frames = reader.attach().newest()
            for _ in range(3):
                with raw.Client(daemon) as client:
                    try:
                        client.attach_private(width_max=640, height_max=480)
                        raise AssertionError("more than there is")
                    except raw.Refused as why:
                        assert why.code == errno.ENOSPC, why
                        assert "bytes for 8 slots but /dev/shm has " in why.text, why
                        assert why.text.endswith(" /dev/shm)"), f"cut off: {why.text}"
                next(frames)
            with raw.Client(daemon) as client:
                next(client.attach_private(width_max=64, height_max=48).newest())
        wait_until(lambda: daemon.fd_count() == before, "descriptors as before")
        assert daemon.stop() == 0


def test_no_room_for_a_replacement():
    """A size that /dev/shm cannot bear: what was captured before is read to the end."""
    with open("clip.y4m", "wb") as file:
        file.write(clips.y4m(64, 48, 3) + clips.y4m(640, 480, 1))
    with Daemon("--source", "replay:clip.y4m", "--unpaced", "--wait-clients", 1, wrapper=small_shm("1m")) as daemon:
        with raw.Client(daemon.wait_ready()) as client:
            seen = [pixels for _, _, pixels in client.attach().frames()]
            assert seen == [clips.picture(n, 64, 48) for n in (1, 2, 3)] and client.ring.state == raw.CLOSED
        refused(daemon, 5, "available: use fewer --slots, a smaller size, or enlarge it")


def cpu_s(daemon):
    """CPU time of all its threads, to the nanosecond: the clock of clock_getcpuclockid(3)."""
    return time.clock_gettime(~daemon.pid << 3 | 2)


def test_no_descriptors():
    """More clients than descriptors: those that are there do not notice, those that knock are told, and those that go
    on asking come in when there are some again."""
    with Daemon(*SYNTHETIC, "--framerate", 10, wrapper=["prlimit", "--nofile=40:40"]) as daemon:
        before = raw.descriptors_at_rest(daemon.wait_ready())
        reader = raw.Client(daemon).attach()
        frames = reader.newest()
        crowd = [raw.Client(daemon) for _ in range(60)]
        daemon.wait_log("cannot take new clients: Too many open files, retrying every 100 ms")
        message, _ = crowd[-1].receive()
        assert (message.type, message.code) == (raw.REFUSAL, errno.EMFILE), message
        assert raw.text(message.text) == ("the daemon has no free descriptor for another client (limit of open files: 40): "
                                          "try again later, or raise it (LimitNOFILE= of the unit)"), message
        patient = [daemon.tool("--wait", 60, "watch", "--json") for _ in range(4)]
        for _ in range(5):
            next(frames)
        began, used = time.monotonic(), cpu_s(daemon)
        for _ in range(20):
            next(frames)
        used, passed = cpu_s(daemon) - used, time.monotonic() - began
        print(f"figure: no descriptors, {len(patient)} that ask again and again: {100 * used / passed:.3f} % of a CPU, "
              f"with 10 frames a second for a reader, in {passed:.1f} s")
        assert all(tool.poll() is None for tool in patient)
        for client in crowd:
            client.socket.close()
        for tool in patient:
            assert b"sequence" in tool.stdout.readline() + tool.stdout.readline()
            tool.terminate()
            tool.communicate()
        reader.close()
        wait_until(lambda: daemon.fd_count() == before, "descriptors as before")
        daemon.wait_log("taking new clients again")
        assert daemon.log().count("cannot take new clients") == daemon.log().count("taking new clients again") == 1
        assert daemon.log().count("the daemon has no free descriptor") < 60, "a line for each would fill the log"
        assert daemon.stop() == 0


def test_last_descriptor():
    """One is left: the connection takes it, and there is none for the client's page."""
    with Daemon(*SYNTHETIC, wrapper=["prlimit", "--nofile=40:40"]) as daemon:
        before = raw.descriptors_at_rest(daemon.wait_ready())
        crowd = [raw.Client(daemon).attach() for _ in range(39 - before)]
        wait_until(lambda: daemon.fd_count() == 39, "one descriptor is free")
        with raw.Client(daemon) as client:
            try:
                client.attach()
                raise AssertionError("there was no descriptor for the page")
            except raw.Refused as why:
                # A code that the library asks again for, since it passes.
                assert why.code == errno.EMFILE and "no memory or descriptors for another client" in why.text, why
            assert client.take() is None
        next(crowd[0].newest())
        crowd.pop().close()
        wait_until(lambda: daemon.fd_count() == 38, "two descriptors are free")
        with raw.Client(daemon) as client:
            next(client.attach().newest())
        for client in crowd:
            client.close()
        wait_until(lambda: daemon.fd_count() == before, "descriptors as before")


# --- footage that is not right ---------------------------------------------------------------------------------------

GOOD = b"YUV4MPEG2 W8 H4 F25:1 C420jpeg\n"
FRAME = b"FRAME\n" + bytes(range(48))

BAD_FILES = {
    "empty": (b"", "byte 0: the data end 0 bytes into the line of the stream header"),
    "magic": (b"RIFF....AVI LIST\n", 'byte 0: found "RIFF....AVI LIST"... where a Y4M stream has "YUV4MPEG2 "'),
    "other version": (b"YUV4MPEG3 W8 H4\n", "is another version of the format; only YUV4MPEG2 is read"),
    "half a magic": (b"YUV4", "byte 0: the data end 4 bytes into the line of the stream header"),
    "half a header": (b"YUV4MPEG2 W8 H", "byte 0: the data end 14 bytes into the line of the stream header"),
    "no end": (b"YUV4MPEG2 " + b"W8 H4 " * 1700000, "the line of the stream header has no end within 1024 bytes"),
    "no width": (b"YUV4MPEG2 H4\n" + FRAME, "byte 0: the stream header has no width (W)"),
    "no height": (b"YUV4MPEG2 W8 F25:1\n" + FRAME, "byte 0: the stream header has no height (H)"),
    "width 0": (b"YUV4MPEG2 W0 H4\n", 'byte 10: the width "0" is not in 1..65535'),
    "width 65536": (b"YUV4MPEG2 W65536 H4\n", 'byte 10: the width "65536" is not in 1..65535'),
    "huge": (b"YUV4MPEG2 W8 H99999999999999999999\n", "the height \"9999999999999999\"... is not in 1..65535"),
    "negative": (b"YUV4MPEG2 W-8 H4\n", 'the width "-8" is not in 1..65535'),
    "too much": (b"YUV4MPEG2 W65535 H65535\n" + FRAME, "capture buffers for 65535x65535 pixels take "),
    "twice": (b"YUV4MPEG2 W8 W8 H4\n", 'byte 13: the field W "8" is given twice'),
    "unknown field": (b"YUV4MPEG2 W8 H4 Q1\n", 'byte 16: the field "Q1" begins with none of the letters'),
    "colourspace": (b"YUV4MPEG2 W8 H4 C411\n", 'byte 16: the colourspace "411" is none of 420, 422,'),
    "14 bit": (b"YUV4MPEG2 W8 H4 C420p14 XYSCSS=420P14\n", 'the colourspace "420p14" is none of'),
    "rate": (b"YUV4MPEG2 W8 H4 F25\n", 'the frame rate "25" is not NUMERATOR:DENOMINATOR'),
    "endless rate": (b"YUV4MPEG2 W8 H4 F1:0\n", 'the frame rate "1:0" is not NUMERATOR:DENOMINATOR'),
    "fast": (b"YUV4MPEG2 W8 H4 F1000000:1\n" + FRAME, "1000000:1 frames a second; from one an hour to 10000 a second"),
    "only a header": (GOOD, "holds 31 bytes, and its header with one frame of 8x4 pixels takes 85"),
    "half a frame": (GOOD + FRAME[:-1], "holds 84 bytes, and its header with one frame of 8x4 pixels takes 85"),
}

# What follows two whole frames.
BAD_ENDS = {
    "marker": (b"frame\n" + bytes(48), 'frame 3, at byte 139: found "frame\\x0a" where "FRAME" begins a frame'),
    "half a marker": (b"FRA", "frame 3, at byte 139: the data end 3 bytes into the line of the frame header"),
    "endless marker": (b"FRAME " + b"x" * 5000, "frame 3, at byte 139: the line of the frame header has no end within"),
    "no pixels": (b"FRAME\n", "frame 3, at byte 139, is cut off: 0 of its 48 bytes are there"),
    "half the luma": (FRAME[:6 + 17], "frame 3, at byte 139, is cut off: 17 of its 48 bytes are there"),
    "no chroma": (FRAME[:6 + 32], "frame 3, at byte 139, is cut off: 32 of its 48 bytes are there"),
    "half the chroma": (FRAME[:-1], "frame 3, at byte 139, is cut off: 47 of its 48 bytes are there"),
    "another header": (b"YUV4MPEG2 W8\n", "byte 139: the stream header has no height (H)"),
}


def test_bad_footage():
    for name, (data, sentence) in BAD_FILES.items():
        with open("clip.y4m", "wb") as file:
            file.write(data)
        with Daemon("--source", "replay:clip.y4m") as daemon:
            said = refused(daemon, 4, "clip.y4m: ")
            assert sentence in said, (name, said)
            assert len(said) < 300, said
    os.mkdir("directory")
    for path, sentence in (("directory", "directory: is a directory; name a Y4M file"),
                           ("nowhere.y4m", "nowhere.y4m: cannot be opened: No such file or directory"),
                           ("/dev/null", "/dev/null: ")):
        with Daemon("--source", f"replay:{path}") as daemon:
            refused(daemon, 4, sentence)
    with open("clip.y4m", "wb") as file:
        file.write(GOOD + FRAME)
    with Daemon("--source", "replay:clip.y4m", "--size", "8x5") as daemon:
        refused(daemon, 4, "the footage has 8x4 pixels and 8x5 were asked for; replay does not scale")
    print(f"figure: {len(BAD_FILES) + 4} unusable sources, a sentence each")


def test_bad_ends():
    """Whole frames before the fault are read by whoever is there, from a file and from a pipe."""
    for name, (data, sentence) in BAD_ENDS.items():
        with open("clip.y4m", "wb") as file:
            file.write(GOOD + FRAME + FRAME + data)
        for source in ("replay:clip.y4m", "replay:-"):
            with open("clip.y4m", "rb") as file:
                cat = subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE)
                with Daemon("--source", source, "--unpaced", "--wait-clients", 1, stdin=cat.stdout) as daemon:
                    cat.stdout.close()
                    with raw.Client(daemon.wait_ready()) as client:
                        seen = [pixels for _, _, pixels in client.attach().frames()]
                        assert seen == [FRAME[6:38]] * 2 and client.ring.state == raw.CLOSED, name
                    said = refused(daemon, 4, "clip.y4m: " if source != "replay:-" else "standard input: ")
                    assert sentence in said, (name, said)
                cat.wait()


def test_loop_needs_something_to_repeat():
    cat = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with Daemon("--source", "replay:-", "--loop", stdin=cat.stdout) as daemon:
        refused(daemon, 4, "standard input: cannot be read again; --loop is for files and named pipes")
    cat.stdin.close()
    cat.stdout.close()
    cat.wait()
