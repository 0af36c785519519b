# SPDX-License-Identifier: BSD-2-Clause
"""The example that records what the ring held before an event."""
import os
import re
import signal
import subprocess

import clips
from lib import BUILD, DEADLINE_S, Daemon, wait_until
from test_status import status

WIDTH, HEIGHT, FRAMES, SLOTS = 60, 48, 100, 32


def footage(name="clip.y4m", frames=FRAMES):
    with open(name, "wb") as file:
        file.write(clips.y4m(WIDTH, HEIGHT, frames, rate="100:1"))


def start(daemon, *options, **keywords):
    environment = dict(os.environ, LUMARING_RUNTIME_DIR=daemon.runtime_dir)
    return subprocess.Popen([str(BUILD / "examples" / "before"), "-c", daemon.camera, "-s", "history", *options, "out.y4m"],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **keywords)


def numbers(frames):
    """Which frames of the footage were recorded; each must be that to the byte."""
    with open("out.y4m", "rb") as file:
        assert file.readline() == b"YUV4MPEG2 W%d H%d F1000000:10000 Ip A1:1 Cmono\n" % (WIDTH, HEIGHT)
        data = file.read()
    size = len("FRAME\n") + WIDTH * HEIGHT
    assert len(data) % size == 0
    expected = {b"FRAME\n" + clips.picture(n, WIDTH, HEIGHT): n for n in range(1, frames + 1)}
    return [expected[data[at:at + size]] for at in range(0, len(data), size)]


def published(daemon):
    return next(s for s in status(daemon)["streams"] if s["name"] == "history")["published"]


def test_what_was_before():
    """It is started after all has happened, and nobody had read the stream."""
    footage()
    with Daemon("--source", "replay:clip.y4m", "--stream", "main", "--stream",
                f"history,always=true,slots={SLOTS}") as daemon:
        daemon.wait_ready()
        wait_until(lambda: published(daemon) == FRAMES, "all frames are in the ring, or were")
        before = start(daemon, stdin=subprocess.PIPE)
        out, talk = before.communicate("\n", timeout=DEADLINE_S)
        assert before.returncode == 0 and f"a ring of {SLOTS} frames" in talk and "the last 0.31 s" in talk, talk
        assert numbers(FRAMES) == list(range(FRAMES - SLOTS + 1, FRAMES + 1)), numbers(FRAMES)
        assert out.startswith(f"{SLOTS} frames") and "; 0 between them are missing" in out, out


def test_before_and_after():
    """Of a stream that goes on: some from before the signal, all until some time after it, none twice or left out."""
    footage(frames=250)
    with Daemon("--source", "replay:clip.y4m", "--loop", "--stream", "main", "--stream",
                f"history,always=true,slots={SLOTS}") as daemon:
        daemon.wait_ready()
        before = start(daemon, "-a", "0.3", stdin=subprocess.DEVNULL)
        wait_until(lambda: published(daemon) > 2 * SLOTS, "the ring is full")
        os.kill(before.pid, signal.SIGUSR1)
        out, talk = before.communicate(timeout=DEADLINE_S)
        assert before.returncode == 0, talk
        count, earlier, later, missing = re.fullmatch(r"(\d+) frames, from (\S+) s before the event to (\S+) s after it; "
                                                      r"(\d+) between them are missing\n", out).groups()
        seen = numbers(250)
        gaps = sum((b - a - 1) % 250 for a, b in zip(seen, seen[1:]))
        assert int(count) == len(seen) and int(missing) == gaps, (out, seen)
        assert float(earlier) > 0 and 0 <= float(later) <= 0.3, out


def test_movement():
    """A part of the image that changes is an event; one that does not is none."""
    still = clips.picture(1, WIDTH, HEIGHT)
    moved = bytes(255 - value for value in still)
    with open("clip.y4m", "wb") as file:
        file.write(clips.y4m(WIDTH, HEIGHT, 0, rate="100:1"))
        file.write(b"".join(b"FRAME\n" + picture for picture in [still] * 60 + [moved]))
    with Daemon("--source", "replay:clip.y4m", "--wait-clients", 2, "--stream", "main", "--stream",
                f"history,always=true,slots={SLOTS}") as daemon:
        before = start(daemon.wait_ready(), "-m", "8,8,16,16", stdin=subprocess.DEVNULL)
        out, talk = before.communicate(timeout=DEADLINE_S)
        assert before.returncode == 0, talk
        with open("out.y4m", "rb") as file:
            pictures = file.read().split(b"FRAME\n")[1:]
        assert pictures[-1] == moved and set(pictures[:-1]) == {still} and len(pictures) <= SLOTS, out
        assert len(pictures) > 1, out
