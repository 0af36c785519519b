# SPDX-License-Identifier: BSD-2-Clause
"""Footage whose writer is stopped: clients, log and service manager learn, and go on with the next frame."""
import os
import re
import signal
import subprocess
import sys
import time

import clips
import raw
from lib import Daemon, wait_until
from test_notify import Manager

RATE = 50
WRITER = f"""
import sys, time
sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})
import clips
out = open(sys.argv[1], "wb", buffering=0) if sys.argv[1] != "-" else sys.stdout.buffer
out.write(clips.y4m(64, 48, 0, rate="{RATE}:1"))
number = 0
while True:
    number += 1
    out.write(b"FRAME\\n" + clips.picture(number, 64, 48))
    out.flush()
    time.sleep(1 / {RATE})
"""


def write_to(path, **keywords):
    return subprocess.Popen([sys.executable, "-c", WRITER, path], stderr=subprocess.DEVNULL, **keywords)


def wait_state(client, state):
    """When the client was told so, by the daemon's message; frames that come meanwhile count for nothing."""
    while True:
        message = client.wait_for(raw.STATE)
        if message.state == state:
            return time.monotonic()


def test_stopped_writer():
    """Told after a second, once; live again with the next frame, with the time that it stood still."""
    os.mkfifo("pipe")
    manager = Manager()
    with manager.daemon("--source", "replay:pipe") as daemon:
        writer = write_to("pipe")
        try:
            manager.wait_status("64x48 at .*")
            with raw.Client(daemon) as client:
                next(client.attach().newest())
                for stop in range(1, 3):
                    writer.send_signal(signal.SIGSTOP)
                    stopped = time.monotonic()
                    learnt = wait_state(client, raw.PAUSED) - stopped
                    assert client.ring.state == raw.PAUSED
                    assert learnt >= 0.9, "a writer may be late"  # a frame or two were in the pipe
                    print(f"figure: footage whose writer is stopped: its clients learn after {learnt:.2f} s")
                    daemon.wait_log("source replay: no frame came for 1.")
                    seen = manager.wait_status(r"source replay paused: no frame came for (1\.\d) s; 1 client waiting")
                    assert float(seen[1]) >= 1
                    assert daemon.log().count("no frame came for") == stop, daemon.log()
                    writer.send_signal(signal.SIGCONT)
                    wait_state(client, raw.RUNNING)
                    next(client.newest())
                    wait_until(lambda: daemon.log().count("live, after it had stood still for ") == stop, "it is logged")
                    manager.wait_status("64x48 at .*, 1 client, .*")
            still = re.findall(r"source replay: live, after it had stood still for (\d+\.\d) s", daemon.log())
            assert len(still) == 2 and all(float(s) >= 1 for s in still), daemon.log()
        finally:
            writer.kill()
            writer.wait()
        manager.wait_status("source replay ended: .*")


def test_slow_writer():
    """One that is late with each frame, as by a header that promises more, does not fill the log."""
    os.mkfifo("pipe")
    with Daemon("--source", "replay:pipe") as daemon, open("pipe", "wb", buffering=0) as out, raw.Client(daemon) as client:
        out.write(clips.y4m(64, 48, 0, rate=f"{RATE}:1"))
        client.attach()     # before the first frame: one that nobody reads is not published, and the next is not written
        out.write(b"FRAME\n" + clips.picture(0, 64, 48))
        wait_state(client, raw.RUNNING)
        for number in range(1, 8):
            wait_state(client, raw.PAUSED)
            out.write(b"FRAME\n" + clips.picture(number, 64, 48))
            wait_state(client, raw.RUNNING)
        log = daemon.log()
        assert log.count("no frame came for") == 5, log
        assert log.count(", as often before: not told again within 600 s") == 1, log
        wait_until(lambda: daemon.log().count("live, after it had stood still for ") == 5, "the fifth end is logged")


def test_stopped_daemon():
    """It is not the writer that is late when the daemon itself was held up, and frames lie in the pipe."""
    writer = write_to("-", stdout=subprocess.PIPE)
    with Daemon("--source", "replay:-", stdin=writer.stdout) as daemon:
        try:
            daemon.wait_log("source replay: live")
            daemon.process.send_signal(signal.SIGSTOP)
            time.sleep(2.5)     # what is not to be noticed, at least
            daemon.process.send_signal(signal.SIGCONT)
            with raw.Client(daemon) as client:
                frames = client.attach().newest()
                for _ in range(10):
                    next(frames)
            assert "no frame came for" not in daemon.log(), daemon.log()
        finally:
            writer.kill()
            writer.wait()
            writer.stdout.close()
