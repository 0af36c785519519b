# SPDX-License-Identifier: BSD-2-Clause
"""Clients that mean harm (tests/tools/hostile.c): the writer finds a slot every time, the daemon lives and leaks
nothing, and an honest client that compares every byte goes on seeing frames."""
import os
import subprocess

from lib import BUILD, DEADLINE_S, Daemon, skip_unless
from test_lifecycle import Client, assert_all_cursors_back, assert_no_growth, losses, settled


def hostile(*arguments):
    """Run it; its figures become the test's."""
    done = subprocess.run([str(BUILD / "tests/hostile"), *[str(a) for a in arguments]], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=3 * DEADLINE_S)
    print(done.stdout, end="")
    assert done.returncode == 0, done.stdout


def daemon_for_all(*options):
    return Daemon("--source", "synthetic", "--unpaced", "--size", "64x48", "--slots", 8, *options)


def assert_unhurt(daemon, witness, before, what):
    """The honest client still sees frames; then everything is as it was."""
    witness.expect("at")
    after = settled(daemon, clients=1)
    assert_no_growth(before, after, what, kib=1024)


def attack(mode, count, *manner):
    with daemon_for_all() as daemon:
        witness = Client(daemon.wait_ready(), "count", "--every", 200, *manner)
        witness.expect("attached")
        witness.expect("at")
        hostile(mode, daemon.runtime_dir, daemon.camera, count // 10)  # what is allocated once, is
        before = settled(daemon, clients=1)
        hostile(mode, daemon.runtime_dir, daemon.camera, count)
        assert_unhurt(daemon, witness, before, f"after {mode}")
        assert_all_cursors_back(daemon)
        lines = daemon.log().count("\n")
        print(f"figure: the daemon's log of two rounds of {mode}: {lines} lines")
        assert lines < 500
        assert daemon.stop() == 0
        result = witness.end()
        assert result["bad"] == 0 and result["seen"] > 0, result
        assert "no slot" not in losses(daemon)


def test_chased_candidates():
    """1,000,000 takes while threads name in their cursors exactly what the writer is about to take."""
    skip_unless(len(os.sched_getaffinity(0)) > 1, "one processor: nobody can chase the writer")
    hostile("takes", 1000000)


def test_chase():
    """64 pages, three of them with grants, against a daemon; the witness has no grant and copies."""
    with daemon_for_all() as daemon:
        attacker = subprocess.Popen([str(BUILD / "tests/hostile"), "chase", daemon.wait_ready().runtime_dir,
                                     daemon.camera, "20000"], stdout=subprocess.PIPE, text=True)
        assert attacker.stdout.readline() == "attached 64 clients, 6 cursors granted\n"
        witness = Client(daemon, "count", "--every", 100)
        witness.expect("attached")
        witness.expect("at")
        witness.expect("at")
        output, _ = attacker.communicate(timeout=3 * DEADLINE_S)
        print(output, end="")
        assert attacker.returncode == 0
        assert daemon.stop() == 0
        result = witness.end()
        print(f"figure: a witness without a grant saw {result['seen']} frames, missed {result['missed']}, "
              f"{result['bad']} bad; {losses(daemon)}")
        assert result["bad"] == 0 and result["pinned"] == 0, result
        assert "no slot" not in losses(daemon)


def test_chase_with_honest_pins():
    """The same with the witness attached first: what it pins stays whole."""
    attack("chase", 10000)


def test_garbage_in_pages():
    attack("pages", 10000)


def test_garbage_in_pages_by_futex():
    attack("pages", 10000, "--futex")


def test_garbage_in_wake_words():
    """With 256 threads asleep on them."""
    attack("words", 5000, "--futex")


def capture_ns(daemon):
    """CPU time of the thread that wakes."""
    for task in os.scandir(f"/proc/{daemon.pid}/task"):
        with open(f"{task.path}/comm", encoding="ascii") as name, open(f"{task.path}/schedstat", encoding="ascii") as stat:
            if name.read().strip() == "capture":
                return int(stat.read().split()[0])
    raise AssertionError("no capture thread")


def cost(daemon, witness, frames):
    """us of the capture thread for a frame, over so many, told of every hundred."""
    witness.expect("at")
    before = capture_ns(daemon)
    for _ in range(frames // 100):
        witness.expect("at")
    return (capture_ns(daemon) - before) / frames / 1000


def test_price_of_waiters():
    """What a frame costs the daemon while four clients have 64 threads each asleep on their word: a figure, beside that of
    four honest ones."""
    with Daemon("--source", "synthetic", "--framerate", 500, "--size", "64x48", "--slots", 8) as daemon:
        witness = Client(daemon.wait_ready(), "count", "--every", 100, "--futex")
        witness.expect("attached")
        alone = cost(daemon, witness, 500)
        honest = Client(daemon, "count", "--handles", 4, "--futex")
        honest.expect("attached")
        beside_honest = cost(daemon, witness, 500)
        honest.process.kill()
        honest.process.wait()
        attacker = subprocess.Popen([str(BUILD / "tests/hostile"), "words", daemon.runtime_dir, daemon.camera, "1000000"],
                                    stdout=subprocess.PIPE, text=True)
        assert attacker.stdout.readline() == "attached 4 clients, 256 threads wait\n"
        attacked = cost(daemon, witness, 500)
        attacker.kill()
        attacker.wait()
        print(f"figure: capture thread {alone:.0f} us a frame with one client, {beside_honest:.0f} us with four more, "
              f"{attacked:.0f} us with four that have 256 waiters instead")
        assert daemon.stop() == 0
        result = witness.end()
        assert result["bad"] == 0, result


def test_garbage_messages():
    attack("messages", 2000)


def test_flood():
    attack("flood", 10000)


def test_half_open_connections():
    attack("halves", 2000)
