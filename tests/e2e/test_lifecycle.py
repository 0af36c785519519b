# SPDX-License-Identifier: BSD-2-Clause
"""Clients that stop, die, come and go, do not listen, or are many; daemons that die: nobody else notices, nothing is
left behind, and every frame is accounted for."""
import json
import os
import signal
import subprocess

from lib import BUILD, Daemon, shm_names, wait_until

SANITIZED = "-fsanitize" in (BUILD / "flags").read_text()


class Client:
    """tests/tools/client.c in one of its modes."""

    def __init__(self, daemon, mode, *options):
        self.process = subprocess.Popen([str(BUILD / "tests/client"), mode, daemon.runtime_dir, daemon.camera,
                                         *[str(o) for o in options]], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)

    @property
    def pid(self):
        return self.process.pid

    def line(self):
        line = self.process.stdout.readline()
        assert line, f"the client ended with {self.process.wait()}"
        return line.strip()

    def expect(self, word):
        line = self.line()
        assert line.startswith(word), line
        return line

    def say(self):
        self.process.stdin.write("\n")

    def result(self):
        """The line of JSON, after any others."""
        line = self.line()
        while not line.startswith("{"):
            line = self.line()
        return json.loads(line)

    def end(self):
        """The result of a client that comes to its end by itself, and well."""
        result = self.result()
        self.process.stdin.close()
        assert self.process.wait() == 0 and not result.get("fault"), result
        return result

    def fd_count(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


def run_client(daemon, mode, *options):
    return Client(daemon, mode, *options).end()


def connections(daemon):
    """Clients as the daemon has them: open sockets but the two it listens on, descriptors of pages, mapped pages."""
    links = []
    for fd in os.listdir(f"/proc/{daemon.pid}/fd"):
        try:
            links.append(os.readlink(f"/proc/{daemon.pid}/fd/{fd}"))
        except FileNotFoundError:
            pass
    with open(f"/proc/{daemon.pid}/maps", encoding="ascii") as file:
        mapped = sum("memfd:lumaring-client-page" in line for line in file)
    return sum(link.startswith("socket:") for link in links) - 2, sum("memfd:" in link for link in links), mapped


def settled(daemon, clients=0):
    """The daemon's descriptors and memory once it has taken notice of every client that went."""
    wait_until(lambda: daemon.process.poll() is not None or connections(daemon) == (clients, 0, clients),
               f"{clients} sockets, 0 descriptors of pages and {clients} pages remain, not {connections(daemon)}")
    assert daemon.process.poll() is None, f"the daemon ended with {daemon.process.returncode}"
    return daemon.fd_count(), daemon.rss_kib()


def assert_no_growth(before, after, what, kib=512):
    """A page for each of a thousand clients would be 4 MiB; a sanitizer keeps freed memory."""
    print(f"figure: {what}: descriptors {before[0]} -> {after[0]}, RssAnon {before[1]} -> {after[1]} KiB")
    assert after[0] == before[0]
    assert SANITIZED or after[1] - before[1] <= kib, f"RssAnon grew from {before[1]} to {after[1]} KiB"


def assert_all_cursors_back(daemon):
    """A new client gets its two cursors."""
    wait_until(lambda: run_client(daemon, "grants")["cursors"] == 2, "a new client gets its cursors")


def assert_stopped_well(daemon):
    assert daemon.stop() == 0, daemon.log()
    assert shm_names(daemon.camera) == []


def losses(daemon):
    """What the daemon said of stream main at its end."""
    line = next(line for line in daemon.log().splitlines() if "stream main:" in line)
    return line.split("stream main:", 1)[1].strip()


def test_stopped_with_a_pin():
    stopped_with_a_pin()


def test_stopped_with_a_pin_by_futex():
    stopped_with_a_pin("--futex")


def stopped_with_a_pin(*options):
    """SIGSTOP for 5 s of frames: the others go on, and the frame it held is whole afterwards."""
    with Daemon("--source", "synthetic", "--framerate", 56, "--size", "640x480", "--slots", 8, "--wait-clients",
                4) as daemon:
        daemon.wait_ready()
        others = [Client(daemon, "count", "--every", 280, *manner) for manner in ([], ["--copy"], ["--futex"])]
        holder = Client(daemon, "hold", *options)
        holder.expect("held")
        os.kill(holder.pid, signal.SIGSTOP)
        for other in others:
            other.expect("attached")
            other.expect("at")  # 280 frames: 5 s
        os.kill(holder.pid, signal.SIGCONT)
        holder.say()
        held = holder.result()
        assert held["bad"] == 0 and not held["fault"], held
        holder.process.stdin.close()
        holder.process.wait()
        assert_stopped_well(daemon)
        results = [other.end() for other in others]
        missed = ", ".join(str(r["missed"]) for r in results)
        print(f"figure: one client stopped with a pin for 5 s: the others missed {missed} of "
              f"{results[0]['published']} frames; {losses(daemon)}")
        assert all(r["bad"] == 0 for r in results), results
        assert "no slot" not in losses(daemon)


def test_killed_with_a_pin():
    killed_with_a_pin()


def test_killed_with_a_pin_by_futex():
    killed_with_a_pin("--futex")


def killed_with_a_pin(*options):
    """1,000 clients in a row, each killed while it holds a frame: everything they had comes back."""
    with Daemon("--source", "synthetic", "--unpaced", "--size", "64x48") as daemon:
        daemon.wait_ready()
        run_client(daemon, "die", "--count", 50, *options)  # what is allocated once, is
        before = settled(daemon)
        result = run_client(daemon, "die", "--count", 1000, *options)
        assert result["killed"] == 1000
        assert_all_cursors_back(daemon)
        assert_no_growth(before, settled(daemon), f"1000 clients killed with a pin in {result['ms']} ms")
        assert_stopped_well(daemon)
        assert "no slot" not in losses(daemon)


def test_never_reads_its_socket():
    """Its queue fills, then notices are dropped, for it alone; an event comes through as soon as there is room."""
    with Daemon("--source", "synthetic", "--unpaced", "--size", "64x48", "--wait-clients", 2) as daemon:
        daemon.wait_ready()
        deaf = Client(daemon, "deaf")
        deaf.expect("attached")
        other = Client(daemon, "count", "--every", 2000)
        other.expect("attached")
        other.expect("at")
        other.expect("at")
        deaf.say()
        held = deaf.end()
        print(f"figure: a client that reads nothing while {held['published']} frames are published: "
              f"{held['messages']} messages, {held['queued_bytes']} bytes queued")
        assert held["published"] >= 2000
        assert 1 <= held["messages"] <= 64 and held["queued_bytes"] <= 4608, held
        assert held["notices"] + 1000 < held["published"]  # the others were dropped
        assert_stopped_well(daemon)
        result = other.end()
        assert result["bad"] == 0, result


def storm(*options, manner=()):
    with Daemon("--source", "synthetic", "--size", "64x48", *options) as daemon:
        daemon.wait_ready()
        run_client(daemon, "storm", "--count", 50, "--jobs", 2, *manner)  # what is allocated once, is
        before = settled(daemon)
        result = run_client(daemon, "storm", "--count", 1000, "--jobs", 2, *manner)
        assert result["failed_jobs"] == 0
        state = "running" if "--framerate" in options else "paused"
        rate = result["attached"] * 1000 // max(result["ms"], 1)
        assert_no_growth(before, settled(daemon),
                         f"{result['attached']} attached and detached, source {state}, {rate} a second")
        assert_all_cursors_back(daemon)
        assert_stopped_well(daemon)


def test_attach_storm_while_paused():
    storm("--wait-clients", 500)


def test_attach_storm_while_running():
    storm("--framerate", 56)


def test_attach_storm_while_running_by_futex():
    storm("--framerate", 500, manner=["--futex"])


def test_256_clients():
    many_clients()


def test_256_clients_by_futex():
    many_clients("--futex")


def many_clients(*options):
    """Small frames for many: published = seen + missed for each of them."""
    processes, handles = 4, 64
    with Daemon("--source", "synthetic", "--framerate", 56, "--size", "64x48", "--wait-clients",
                processes * handles) as daemon:
        daemon.wait_ready()
        clients = [Client(daemon, "count", "--handles", handles, "--every", 150, *options) for _ in range(processes)]
        for client in clients:
            client.expect("attached")
        for client in clients:
            client.expect("at")
        assert_stopped_well(daemon)
        results = [client.end() for client in clients]
        published = results[0]["published"]
        seen, missed = sum(r["seen"] for r in results), sum(r["missed"] for r in results)
        print(f"figure: {processes * handles} clients{' by futex' if options else ''}: {published} frames published to each, {seen} seen, {missed} "
              f"missed, worst client {max(r['worst_missed'] for r in results)}; {losses(daemon)}")
        assert all(r["published"] == published and r["bad"] == 0 for r in results), results


def test_daemon_killed_under_pinned_readers():
    """kill -9 and a new daemon, 20 times: pinned frames stay whole, readers resume, nothing is left."""
    rounds = 20
    with Daemon("--source", "synthetic", "--framerate", 200, "--size", "320x240") as daemon:
        daemon.wait_ready()
        clients = [Client(daemon, "resume", "--count", rounds, *manner) for manner in ([], ["--futex"])]
        client_fds, daemon_fds, daemon_rss = [], [], []
        for _ in range(rounds):
            for client in clients:
                client.expect("held")
            client_fds.append([client.fd_count() for client in clients])
            daemon_fds.append(daemon.fd_count())
            daemon_rss.append(daemon.rss_kib())
            assert len(shm_names(daemon.camera)) == 1, shm_names(daemon.camera)
            daemon.stop(signal.SIGKILL)
            daemon.start()
            for client in clients:
                client.expect("resumed")
        results = [client.result() for client in clients]
        for client, result in zip(clients, results):
            assert result["rounds"] == rounds and result["bad"] == 0 and not result["fault"], result
            client.say()
            assert client.process.wait() == 0
        print(f"figure: {rounds} daemons killed under a pinned reader of each manner: {sum(r['verified'] for r in results)} frames "
              f"verified; descriptors of a client {client_fds[0][0]} -> {client_fds[-1][0]}, of the daemon "
              f"{daemon_fds[0]} -> {daemon_fds[-1]}, RssAnon {daemon_rss[0]} -> {daemon_rss[-1]} KiB")
        assert client_fds[-1] == client_fds[0] and daemon_fds[-1] == daemon_fds[0]
        assert_stopped_well(daemon)
