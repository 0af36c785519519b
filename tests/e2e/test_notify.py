# SPDX-License-Identifier: BSD-2-Clause
"""What a service manager hears: when the daemon is ready and with which line, reloads, the end, signs of life; and what
it does not hear when a thread stands still. The manager is a socket of the test's.
"""
import os
import re
import select
import signal
import socket
import struct
import time

import clips
import raw
from lib import BUILD, DEADLINE_S, Daemon, Skip, wait_until

SYNTHETIC = "--source", "synthetic", "--size", "64x48"
LIVE = re.compile(r"64x48 at (\d+\.\d) frames/s, (\d+) clients?, (\d+) of (\d+) frames lost(?: \(.*\))?")


class Manager:
    """Listens where NOTIFY_SOCKET says. A message is a dict of its lines."""

    def __init__(self, watchdog_s=None):
        self.path = os.path.abspath("notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.env = dict(os.environ, NOTIFY_SOCKET=self.path)
        self.wrapper = ()
        if watchdog_s:
            self.env["WATCHDOG_USEC"] = str(int(watchdog_s * 1e6))
            self.wrapper = "sh", "-c", 'WATCHDOG_PID=$$ exec "$@"', "sh"
        self.messages = []

    def daemon(self, *options, env=None, **keywords):
        return Daemon(*options, env=dict(self.env, **(env or {})), wrapper=self.wrapper, **keywords)

    def hear(self, timeout_s=DEADLINE_S):
        """The next message, None: none came in time."""
        if not select.select([self.socket], [], [], timeout_s)[0]:
            return None
        text = self.socket.recv(4096).decode()
        message = dict(line.split("=", 1) for line in text.split("\n"))
        self.messages.append(message)
        return message

    def wait_for(self, condition, what):
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            message = self.hear(end - time.monotonic())
            if message and condition(message):
                return message
        raise AssertionError(f"not heard: {what}; but {self.messages}")

    def wait_ready(self):
        return self.wait_for(lambda m: "READY" in m, "READY")

    def wait_status(self, pattern):
        message = self.wait_for(lambda m: re.fullmatch(pattern, m.get("STATUS", "")), f"STATUS={pattern}")
        return re.fullmatch(pattern, message["STATUS"])

    def forget(self):
        """All that has come."""
        while self.hear(0):
            pass
        self.messages = []


def is_before(manager, first, second):
    """A message with `first` came before the one with `second`."""
    kinds = [key for message in manager.messages for key in message]
    return first in kinds and kinds.index(first) < kinds.index(second)


# --- ready -----------------------------------------------------------------------------------------------------------

def test_ready_with_the_first_frame():
    """Not before there is one, with a line that follows what happens; and the end is told early."""
    manager = Manager()
    with manager.daemon(*SYNTHETIC, "--framerate", 50) as daemon:
        ready = manager.wait_ready()
        assert ready["READY"] == "1" and LIVE.fullmatch(ready["STATUS"]), ready
        assert not is_before(manager, "EXTEND_TIMEOUT_USEC", "READY"), "that is for cameras"
        assert "source synthetic: live" in daemon.log()
        with raw.Client(daemon) as client:
            client.attach()
            seen = manager.wait_status(LIVE.pattern.replace(r"(\d+) clients?", "1 client"))
            assert 40 < float(seen[1]) < 60, seen
        manager.wait_status(LIVE.pattern.replace(r"(\d+) clients?", "0 clients"))
        manager.forget()
        daemon.stop()
        manager.hear()
        assert manager.messages[0] == {"STOPPING": "1"}, manager.messages
        manager.forget()
        assert not manager.messages


def test_not_ready_before_a_frame():
    """A pipe whose writer has begun and sent no frame yet is neither, until it is late (after 15 s here) or has."""
    manager = Manager()
    os.mkfifo("pipe")
    keeper = os.open("pipe", os.O_RDWR)
    os.write(keeper, clips.y4m(64, 48, 0, rate="1:10"))
    with manager.daemon("--source", "replay:pipe") as daemon:
        daemon.wait_log("stream main")
        assert not any("READY" in m for m in iter(lambda: manager.hear(0), None)), manager.messages
        os.write(keeper, b"FRAME\n" + clips.picture(1, 64, 48))
        assert manager.wait_ready()["STATUS"] == "64x48 at 0.1 frames/s, 0 clients, 0 of 0 frames lost"
    os.close(keeper)


def test_ready_without_a_camera():
    manager = Manager()
    with manager.daemon("--source", "libcamera:/nowhere") as daemon:
        wait_until(lambda: daemon.process.poll() is not None or manager.hear(0.1), "something is heard")
        if "was built without it" in daemon.log():
            raise Skip("the daemon was built without libcamera")
        ready = manager.wait_ready()
        assert re.fullmatch(r"no camera: .*, looking for it every 2 s; 0 clients waiting", ready["STATUS"]), ready
        assert is_before(manager, "EXTEND_TIMEOUT_USEC", "READY"), manager.messages
        with raw.Client(daemon) as client:
            client.send(raw.hello())
            daemon.process.send_signal(signal.SIGHUP)
            assert manager.wait_for(lambda m: "RELOADING" in m, "RELOADING")
            assert manager.wait_ready() == {"READY": "1"}


def test_ready_while_it_waits_for_clients():
    manager = Manager()
    with manager.daemon(*SYNTHETIC, "--framerate", 50, "--wait-clients", 2) as daemon:
        ready = manager.wait_ready()
        line = "waiting for clients before the source synthetic starts: {} of 2 are there"
        assert ready["STATUS"] == line.format(0), ready
        with raw.Client(daemon) as first, raw.Client(daemon) as second:
            first.attach()
            manager.wait_status(line.format(1))
            second.attach()
            manager.wait_status(LIVE.pattern)


def test_ready_with_footage_that_is_over_or_not_there():
    manager = Manager()
    os.mkfifo("pipe")
    with manager.daemon("--source", "replay:pipe", "--loop"):
        ready = manager.wait_ready()
        assert ready["STATUS"] == "source replay paused: nothing comes for now; 0 clients waiting", ready
        with open("pipe", "wb") as pipe:
            pipe.write(clips.y4m(64, 48, 3))
            pipe.flush()
            manager.wait_status(LIVE.pattern)
        manager.wait_status("source replay paused: nothing comes for now; 0 clients waiting")
    with open("clip.y4m", "wb") as clip:
        clip.write(clips.y4m(64, 48, 3))
    with manager.daemon("--source", "replay:clip.y4m"):
        manager.forget()
        manager.wait_status("source replay ended: the footage is over; 0 clients waiting")


def test_not_ready_when_it_cannot_start():
    """The reason stands in the status."""
    manager = Manager()
    with manager.daemon("--source", "replay:/nowhere.y4m") as daemon:
        manager.wait_status(r"/nowhere\.y4m: cannot be opened: .*")
        assert daemon.wait_exit() == 4
        assert not any("READY" in m for m in manager.messages), manager.messages


# --- reloads ---------------------------------------------------------------------------------------------------------

def test_reload():
    """RELOADING with its time, then READY, also when the configuration is refused."""
    manager = Manager()
    os.mkdir("config")
    with manager.daemon(*SYNTHETIC, "--config-dir", os.path.abspath("config")) as daemon:
        manager.wait_ready()
        for text, says in ("{}", "changed nothing"), ("{", "left as it was"):
            before = time.monotonic_ns() // 1000
            with open(f"config/{daemon.camera}.json", "w", encoding="ascii") as file:
                file.write(text)
            daemon.process.send_signal(signal.SIGHUP)
            reloading = manager.wait_for(lambda m: "RELOADING" in m, "RELOADING")
            assert before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000, reloading
            assert manager.wait_ready() == {"READY": "1"}
            daemon.wait_log(says)


# --- signs of life ---------------------------------------------------------------------------------------------------

def is_sign(message):
    return message.get("WATCHDOG") == "1"


def pets(manager, count):
    for _ in range(count):
        manager.wait_for(is_sign, "a sign of life")


def test_signs_of_life():
    """Whatever the source does: frames, none for want of a camera, over."""
    with open("clip.y4m", "wb") as clip:
        clip.write(clips.y4m(64, 48, 3))
    manager = Manager(watchdog_s=0.3)
    for options in (*SYNTHETIC, "--copy-threads", 3), ("--source", "replay:clip.y4m"), ("--source", "libcamera:/nowhere"):
        with manager.daemon(*options) as daemon:
            manager.wait_ready()
            manager.forget()
            began = time.monotonic()
            pets(manager, 6)
            assert time.monotonic() - began >= 0.4, "three times in each interval, and not without end"
            assert "has not moved" not in daemon.log()


def test_none_without_a_watchdog():
    manager = Manager()
    with manager.daemon(*SYNTHETIC, "--framerate", 50) as daemon:
        manager.wait_ready()
        with raw.Client(daemon) as client:
            frames = client.attach().newest()
            for _ in range(50):
                next(frames)
        assert not any(is_sign(m) for m in iter(lambda: manager.hear(0), None))


class Throttle:
    """How long lumaringd-throttled copies at each KiB, as a file that it looks at."""

    def __init__(self):
        self.path = os.path.abspath("throttle")
        with open(self.path, "wb") as file:
            file.write(struct.pack("=I", 0))

    def set(self, seconds_per_kib):
        with open(self.path, "r+b", buffering=0) as file:
            file.write(struct.pack("=I", round(seconds_per_kib * 1e9)))


def stands_still(thread, *options):
    """A copy that takes seconds: no signs of life, said once, and again when it is over."""
    manager, throttle = Manager(watchdog_s=0.6), Throttle()
    with manager.daemon("--source", "synthetic", "--size", "64x64", "--framerate", 20, "--stream", "main,always=true", *options,
                        env={"LUMARING_THROTTLE": throttle.path}, program=BUILD / "tests" / "lumaringd-throttled") as daemon:
        manager.wait_ready()
        pets(manager, 3)
        throttle.set(1)     # 4 KiB in all; a frame that one thread copies takes 4 s
        daemon.wait_log(f"the thread {thread} has not moved for ")
        manager.forget()
        throttle.set(0)
        end = time.monotonic() + DEADLINE_S
        over = False
        while not over and time.monotonic() < end:
            message = manager.hear(0.05)
            over = f"the thread {thread} moves again" in daemon.log()  # which is said first
            assert over or not message or not is_sign(message), "a sign of life"
        pets(manager, 3)
        assert daemon.log().count(f"the thread {thread} has not moved") == 1, daemon.log()
        assert daemon.process.poll() is None


def test_capture_thread_stands_still():
    stands_still("capture", "--copy-threads", 1)


def test_main_thread_stands_still():
    """A stopped process is one none of whose threads moves: nothing comes, and after it all is well."""
    manager = Manager(watchdog_s=0.3)
    with manager.daemon(*SYNTHETIC) as daemon:
        manager.wait_ready()
        pets(manager, 2)
        daemon.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: open(f"/proc/{daemon.pid}/stat", encoding="ascii").read().split(") ")[1][0] == "T", "stopped")
        manager.forget()
        assert manager.hear(1) is None
        daemon.process.send_signal(signal.SIGCONT)
        pets(manager, 3)
