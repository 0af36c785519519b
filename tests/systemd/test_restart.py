# SPDX-License-Identifier: BSD-2-Clause
"""The daemon dies, is restarted, hangs and is upgraded, again and again, under clients that compare every byte: none of
them does anything about it, and nothing piles up."""
import collections
import os
import pathlib
import random
import signal
import statistics
import subprocess
import time

from lib import BUILD, wait_until
from service import Clients, Service, descriptors, private_kib, run
from wait import at_rest

CLIENTS = 8
KILLS, RESTARTS, HANGS = 50, 20, 3
WATCHDOG_S = 2
LONGEST_S = 10  # without a frame, on whatever machine; what is usual is printed
SETTINGS = dict(source="synthetic", size="320x240", framerate=100)
SEED = int(os.environ.get("LUMARING_TEST_SEED", time.time_ns() % 1000000))

Holdings = collections.namedtuple("Holdings", "names shm_kib client_descriptors client_kib client_rings "
                                  "daemon_descriptors daemon_kib")


def now_ms():
    return time.monotonic_ns() / 1e6


def resumed(events, since_ms=0):
    """By client: when it had a frame of a daemon that it found after since_ms, if it has."""
    back, found = set(), {}
    for client, what, ms in events:
        if what == "restarted":
            back = back | {client} if ms >= since_ms else back - {client}
            found.pop(client, None)
        elif what == "frame" and client in back:
            found.setdefault(client, ms)
    return found if len(found) == CLIENTS else None


def noticed(events):
    """By client: when it saw that the daemon was gone."""
    found = {}
    for client, what, ms in events:
        if what in ("closed", "disconnected"):
            found.setdefault(client, ms)
    return found


def outage(service, clients, act, what):
    """act() takes the daemon away and says when it did, or None: as the clients saw it. ms from then until each client
    has a frame again."""
    since, was = len(clients.events), service.pid()
    began = act()

    def settled():
        if clients.process.poll() is not None or not resumed(clients.events[since:]):
            return None
        pid, started_us = service.unit("MainPID"), int(service.unit("ExecMainStartTimestampMonotonic"))
        return int(pid) not in (0, was) and resumed(clients.events[since:], started_us / 1000)

    found = wait_until(lambda: clients.process.poll() is not None or settled(), f"all clients read on after {what}")
    assert clients.process.poll() is None, clients.lines[-3:]
    gone = noticed(clients.events[since:])
    return [ms - (began or gone[client]) for client, ms in found.items()]


def percentile(values, percent):
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def tell(what, count, gaps):
    print(f"figure: {count} {what}, {CLIENTS} clients: without a frame for p50 {statistics.median(gaps):.0f} ms, p99 "
          f"{percentile(gaps, 99):.0f} ms, at most {max(gaps):.0f} ms")
    assert max(gaps) < LONGEST_S * 1000, gaps


def holdings(service, clients):
    """Of the daemon as it is now, its clients and what is in shared memory, when all has settled."""
    def rings():
        with open(f"/proc/{clients.process.pid}/maps", encoding="ascii") as file:
            return sum("/lumaring." in line for line in file)

    wait_until(lambda: service.stream()["clients"] == CLIENTS and rings() == CLIENTS, f"a ring a client, not {rings()}")
    # The source's buffers are touched, one a frame, in its first frames.
    wait_until(lambda: service.stream()["published"] > 50, "frames")
    used = os.statvfs("/dev/shm")
    pid, client = service.pid(), clients.process.pid
    return Holdings(service.shm_names(), (used.f_blocks - used.f_bfree) * used.f_frsize // 1024, descriptors(client),
                    private_kib(client), rings(), at_rest(lambda: descriptors(pid)), private_kib(pid))


def kill_now(service):
    def act():
        began = now_ms()
        service.kill()
        return began
    return act


def kill_twice(service, generator):
    """The second time somewhere in its start."""
    def act():
        was = service.pid()
        began = now_ms()
        service.kill()
        new = wait_until(lambda: (pid := service.pid()) != was and pid, "systemd starts another")
        time.sleep(generator.uniform(0, 0.05))
        os.kill(new, signal.SIGKILL)
        return began
    return act


def restart(service):
    def act():
        began = now_ms()
        service.restart()
        return began
    return act


def hang(service):
    """Systemd's watchdog ends it, as soon as it was not told anything for WatchdogSec=."""
    def act():
        began = now_ms()
        service.kill(signal.SIGSTOP)
        return began
    return act


def watchdog_timeouts(service):
    return [e["MESSAGE"] for e in service.journal() if "Watchdog timeout" in str(e["MESSAGE"])]


def version():
    return run("dpkg-query", "--show", "--showformat", "${Version}", "lumaringd").stdout


def upgrade():
    """Takes seconds, of which the daemon is away for a moment."""
    run("/project/tests/systemd/install", BUILD / "systemd" / "upgrade")


def ride_through_kills(service, clients, generator):
    """What there was after the first of them: what is loaded, or kept to be used again, is there then."""
    gaps, twice, before = [], [], None
    for i in range(KILLS):
        if i == KILLS // 5:
            before = holdings(service, clients)
        time.sleep(generator.uniform(0, 0.1))  # at any moment
        if i % 5 == 4:
            twice += outage(service, clients, kill_twice(service, generator), "two kills")
        else:
            gaps += outage(service, clients, kill_now(service), "a kill")
    tell("times SIGKILL", KILLS - KILLS // 5, gaps)
    tell("times SIGKILL, and again in its start", KILLS // 5, twice)
    assert int(service.unit("NRestarts")) >= KILLS
    return before


def ride_through_restarts(service, clients, generator):
    gaps = []
    for _ in range(RESTARTS):
        time.sleep(generator.uniform(0, 0.1))
        gaps += outage(service, clients, restart(service), "systemctl restart")
    tell("times systemctl restart", RESTARTS, gaps)


def ride_through_hangs(service, clients):
    assert not watchdog_timeouts(service)
    service.drop_in("watchdog", f"[Service]\nWatchdogSec={WATCHDOG_S}\n")
    outage(service, clients, restart(service), "a restart")
    gaps = []
    for _ in range(HANGS):
        gaps += outage(service, clients, hang(service), "SIGSTOP")
    tell(f"times SIGSTOP, until the watchdog of {WATCHDOG_S} s aborts it", HANGS, gaps)
    assert len(watchdog_timeouts(service)) >= HANGS, watchdog_timeouts(service)


def ride_through_an_upgrade(service, clients):
    was = version()
    gaps = outage(service, clients, upgrade, "an upgrade")
    assert version() != was
    tell(f"upgrade from {was} to {version()}", 1, gaps)


def compare(before, after):
    for field in Holdings._fields:
        print(f"figure: {field}: {getattr(before, field)} after {KILLS // 5} kills, {getattr(after, field)} at the end")
    assert len(after.names) == len(before.names) == 1, (before, after)
    for field in "shm_kib", "client_descriptors", "client_rings", "daemon_descriptors":
        assert getattr(after, field) == getattr(before, field), (field, before, after)
    # A ring of 8 frames that was not given back would be 600 KiB, a page for each of 60 daemons 240.
    for field in "client_kib", "daemon_kib":
        assert getattr(after, field) <= getattr(before, field) + 200, (field, before, after)


def test_clients_ride_through_everything():
    generator = random.Random(SEED)
    print(f"figure: seed {SEED}")
    with Service("cam0", **SETTINGS) as service:
        run("systemctl", "enable", "--now", service.name)
        assert service.is_active() and service.unit("NRestarts") == "0"
        clients = Clients(service, "main", "--clients", CLIENTS).attached()
        before = ride_through_kills(service, clients, generator)
        ride_through_restarts(service, clients, generator)
        ride_through_hangs(service, clients)
        ride_through_an_upgrade(service, clients)
        after = holdings(service, clients)
        found = clients.result()
        print(f"figure: {found['verified']} frames verified, {found['bad']} bad; each client was told of "
              f"{found['events'] // CLIENTS} events, and went on")
        compare(before, after)
        service.stop()
        assert service.shm_names() == []


def test_stopped_and_started():
    """The sockets are there all the time: who connects meanwhile waits, and is the one to start it."""
    with Service("stop1", **SETTINGS) as service:
        run("systemctl", "enable", "--now", service.name)
        paths = [pathlib.Path(service.runtime_dir, service.camera, name) for name in ("frames", "control")]
        assert all(p.is_socket() for p in paths) and all(service.is_active(s) for s in service.sockets)
        inodes = [p.stat().st_ino for p in paths]
        Clients(service, "main", "--clients", 2, "--count", 20).attached().finished()
        service.stop()
        assert service.unit("Result") == "success" and service.shm_names() == []
        assert all(p.is_socket() for p in paths) and all(service.is_active(s) for s in service.sockets)
        service.start()
        Clients(service, "main", "--clients", 2, "--count", 20).attached().finished()
        assert [p.stat().st_ino for p in paths] == inodes, "the same sockets all the time"
        service.stop()
        began = now_ms()
        clients = Clients(service, "main", "--clients", 4, "--count", 20).attached()
        print(f"figure: attached to a daemon that was not running after {now_ms() - began:.0f} ms")
        clients.finished()
        assert service.is_active()
        service.stop()
        assert "main" in service.lumaring("status").stdout, "a request starts it, too"


def test_stopped_for_good():
    """The three units; what is left then is no socket to knock at."""
    with Service("stop2", **SETTINGS) as service:
        run("systemctl", "enable", "--now", service.name)
        Clients(service, "main", "--count", 20).attached().finished()
        run("systemctl", "disable", "--now", service.name, *service.sockets)
        assert not service.is_active() and not any(service.is_active(s) for s in service.sockets)
        directory = pathlib.Path(service.runtime_dir, service.camera)
        assert not [p for p in directory.glob("*") if p.is_socket()], list(directory.glob("*"))
        refused = service.lumaring("status", check=False)
        assert refused.returncode != 0 and not service.is_active(), refused
        print(f"figure: {refused.stderr.strip()}")
        assert service.unit("UnitFileState") == "disabled"


def test_pinned_frames_survive():
    """What a client holds when the daemon is killed stays whole, and its descriptors do not grow."""
    with Service("hold1", **SETTINGS) as service:
        service.start()
        command = [BUILD / "tests" / "client", "resume", service.runtime_dir, service.camera, "--count", "5"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        counts = []
        for _ in range(5):
            assert process.stdout.readline().startswith("held")
            counts.append(descriptors(process.pid))
            service.kill()
            assert process.stdout.readline() == "resumed\n"
        process.stdin.close()
        found = process.stdout.read()
        assert process.wait() == 0 and '"rounds": 5' in found and '"bad": 0' in found, found
        assert len(set(counts)) == 1, counts
        print(f"figure: 5 kills over frames that were held: {found.strip()}")
