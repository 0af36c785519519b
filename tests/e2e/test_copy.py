# SPDX-License-Identifier: BSD-2-Clause
"""How many threads copy: as few as suffice, one more when capture buffers become slow, and back.

The slow buffers are those of tests/lumaringd-throttled, which takes as long for each KiB as a file says. What it is told
to take is many times what this machine needs by itself, so that a busy machine changes nothing.
"""
import os
import struct
import subprocess

import raw
from lib import BUILD, Daemon, skip_unless, wait_until
from test_status import status

SIZE, KIB = "1280x720", 1280 * 720 / 1024
PERIOD_MS = 125
CPUS = len(os.sched_getaffinity(0))


def copying(daemon):
    return status(daemon)["copy"]


class Throttle:
    """How long copies take in all, as a file that the daemon looks at."""

    def __init__(self):
        self.path = os.path.abspath("throttle")
        self.set(0)

    def set(self, frame_ms):
        value = struct.pack("=I", round(frame_ms * 1e6 / KIB))
        if not os.path.exists(self.path):
            with open(self.path, "wb") as file:
                file.write(value)
            return
        with open(self.path, "r+b", buffering=0) as file:
            file.write(value)

    def daemon(self, *options):
        environment = dict(os.environ, LUMARING_THROTTLE=self.path)
        return Daemon("--source", "synthetic", "--size", SIZE, "--framerate", 1000 / PERIOD_MS, *options,
                      env=environment, program=BUILD / "tests" / "lumaringd-throttled").wait_ready()


def settled(daemon, workers, reason):
    """Wait until so many threads copy, and it says why."""
    def is_so():
        now = copying(daemon)
        return now["workers"] == workers and now["reason"] == reason
    wait_until(is_so, f"{workers} threads copy ({reason}); now: {copying(daemon)}")


def test_second_thread_and_back():
    """In time with one; too slow for one and in time with two; then in time with one again."""
    skip_unless(CPUS >= 2, "one CPU: a second thread cannot help")
    throttle = Throttle()
    with throttle.daemon("--copy-budget", 50) as daemon, raw.Client(daemon) as client:
        client.attach(cursors=1)
        settled(daemon, 1, "enough")
        assert copying(daemon)["changes"] == 0
        throttle.set(PERIOD_MS * 0.7)
        settled(daemon, 2, "enough")
        now = copying(daemon)
        assert now["changes"] == 1 and now["threads"] == min(CPUS, 16), now
        assert min(now["megabytes_per_second"][:2]) > 0, now  # moving averages: not to be compared
        throttle.set(0)
        settled(daemon, 1, "enough")
        assert copying(daemon)["changes"] == 2


def test_fixed():
    """Who says how many gets so many, in time or not."""
    throttle = Throttle()
    throttle.set(PERIOD_MS * 0.7)
    with throttle.daemon("--copy-threads", 1) as daemon, raw.Client(daemon) as client:
        client.attach(cursors=1)
        wait_until(lambda: status(daemon)["streams"][0]["published"] >= 20, "20 frames")
        now = copying(daemon)
        assert (now["workers"], now["threads"], now["reason"], now["changes"]) == (1, 1, "fixed", 0), now
        assert now["frame_us"] >= PERIOD_MS * 700


def test_late_with_all():
    """When all there are do not suffice, it says so, and what comes too late is counted as that."""
    throttle = Throttle()
    throttle.set(PERIOD_MS * 1.7)
    with throttle.daemon("--copy-threads", "auto", "--copy-affinity", min(os.sched_getaffinity(0))) as daemon, \
            raw.Client(daemon) as client:
        client.attach(cursors=1)
        settled(daemon, 1, "late with all threads")
        wait_until(lambda: status(daemon)["streams"][0]["lost"]["copy_late"] > 5, "frames come too late")


def test_kernels_by_level():
    """LUMARING_CPU cuts the kernels down, and what it cannot mean is refused."""
    for cpu, kernel in ("c", "bytes-c"), ("", None):
        with Daemon("--source", "synthetic", "--size", "64x48", env=dict(os.environ, LUMARING_CPU=cpu)) as daemon:
            daemon.wait_ready()
            wait_until(lambda: status(daemon)["streams"][0]["kernels"], "the stream has kernels")
            answer = status(daemon)
            if kernel:
                assert answer["copy"]["cpu"] == cpu and answer["streams"][0]["kernels"] == kernel, answer
    done = subprocess.run([str(BUILD / "lumaringd"), "--source", "synthetic", "--check-config"], stderr=subprocess.PIPE,
                          text=True, check=False, env=dict(os.environ, LUMARING_CPU="mmx"))
    assert done.returncode == 2 and "LUMARING_CPU" in done.stderr and done.stderr.count("\n") == 1, done.stderr
