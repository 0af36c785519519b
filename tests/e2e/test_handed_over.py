# SPDX-License-Identifier: BSD-2-Clause
"""Sockets that a service manager keeps: here the test is one. It makes them, hands them over to daemon after daemon, and
has them still when these are gone; so clients wait in the queue instead of being refused. And what else a daemon finds
that runs as a service: no privilege, and a /proc that hides all others.
"""
import fcntl
import grp
import os
import pathlib
import random
import signal
import socket
import stat
import subprocess
import time

import raw
import lib
from lib import Daemon, Skip, shm_names, skip_unless, wait_until
from test_access import SOMEBODY, as_user, reachable_copy
from test_configure import Follow
from test_control_access import CHANGE, call
from test_daemon import SYNTHETIC, reads
from test_lifecycle import Client
from test_shortage import small_shm

FIRST = 3  # SD_LISTEN_FDS_START


class Kept(Daemon):
    """A daemon with sockets of ours. `queue` is how many connections wait."""

    def __init__(self, *options, queue=4096, group=-1, **keywords):
        self.sockets, self.queue, self.group, self.before = None, queue, group, 0
        super().__init__(*options, **keywords)

    def make_sockets(self):
        os.makedirs(os.path.dirname(self.socket_path), exist_ok=True)
        self.sockets = []
        for kind, name, mode in ((socket.SOCK_SEQPACKET, "frames", 0o660), (socket.SOCK_STREAM, "control", 0o666)):
            path = f"{self.runtime_dir}/{self.camera}/{name}"
            with socket.socket(socket.AF_UNIX, kind) as made:
                made.bind(path)
                made.listen(self.queue)
                # Out of the way of those that the daemon gets.
                self.sockets.append(socket.socket(fileno=fcntl.fcntl(made, fcntl.F_DUPFD_CLOEXEC, 100)))
            os.chmod(path, mode)
            if name == "frames":
                os.chown(path, -1, self.group)

    def hand_over(self):
        """In the child, which becomes the daemon."""
        for number, kept in enumerate(self.sockets, FIRST):
            os.dup2(kept.fileno(), number)
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES="frames:control")

    def start(self):
        if not self.sockets:
            self.make_sockets()
        command = self.wrapper + [self.program, "--camera", self.camera, "--runtime-dir", self.runtime_dir]
        with open(self.log_path, "ab") as log:
            self.before = log.tell()
            # pylint: disable-next=subprocess-popen-preexec-fn
            self.process = subprocess.Popen(command + self.options, stdin=self.stdin or subprocess.DEVNULL, stderr=log,
                                            stdout=log, preexec_fn=self.hand_over, pass_fds=(FIRST, FIRST + 1))

    def wait_ready(self):
        """Of the daemon that was started last."""
        wait_until(lambda: self.process.poll() is not None or "serving " in self.log()[self.before:], "daemon serves")
        assert self.process.poll() is None, f"daemon ended with {self.process.returncode}: {self.log()}"
        return self


def says_nothing(client):
    """Its hello waits."""
    client.socket.setblocking(False)
    try:
        client.socket.recv(4096)
    except BlockingIOError:
        client.socket.setblocking(True)
        return True
    return False


def test_sockets_stay():
    """The daemon serves on them, ends and leaves them; who connects then is served by the next one."""
    with Kept(*SYNTHETIC) as daemon:
        reads(daemon.wait_ready())
        assert daemon.tool("status").wait() == 0
        for number in (FIRST, FIRST + 1):
            with open(f"/proc/{daemon.pid}/fdinfo/{number}", encoding="ascii") as file:
                flags = int(next(line for line in file if line.startswith("flags:")).split()[1], 8)
            assert flags & os.O_CLOEXEC and flags & os.O_NONBLOCK, oct(flags)
        before = raw.descriptors_at_rest(daemon)
        assert daemon.stop() == 0 and not shm_names(daemon.camera)
        assert stat.S_ISSOCK(os.stat(daemon.socket_path).st_mode)
        with raw.Client(daemon) as client:
            client.send(raw.hello())
            tool = daemon.tool("status")
            assert says_nothing(client) and tool.poll() is None
            daemon.start()
            next(client.take_welcome().newest())
            assert tool.wait() == 0 and b"lumaringd" in tool.stdout.read()
        assert raw.descriptors_at_rest(daemon) == before
        assert daemon.stop() == 0
        assert "removed the socket" not in daemon.log()


def test_refused():
    """What was handed over does not fit the settings: one sentence, exit code 2, and nothing is unlinked."""
    with Kept(*SYNTHETIC) as daemon:
        daemon.wait_ready()
        daemon.stop()
        for options, sentence in ((("--runtime-dir", os.path.abspath("elsewhere")), "/frames, not at "),
                                  (("--camera", "another"), "/another/frames: make the camera's name and runtime directory")):
            daemon.options = [*SYNTHETIC[:2], *options]
            daemon.start()
            assert daemon.wait_exit() == 2, daemon.log()
            said = daemon.log().splitlines()[-1]
            assert "the socket \"frames\" that was handed over listens at " in said and sentence in said, said
        assert os.path.exists(daemon.socket_path)


def test_second_daemon():
    """One that is started by hand meanwhile: another has the lock, or the sockets."""
    with Kept(*SYNTHETIC) as daemon:
        daemon.wait_ready()
        with Daemon(*SYNTHETIC, camera=daemon.camera, runtime_dir=daemon.runtime_dir) as other:
            assert other.wait_exit() == 3, other.log()
        daemon.stop()
        with Daemon(*SYNTHETIC, camera=daemon.camera, runtime_dir=daemon.runtime_dir) as other:
            assert other.wait_exit() == 1 and "another process listens on" in other.log(), other.log()
        daemon.start()
        reads(daemon.wait_ready())
        assert daemon.stop() == 0


def test_does_not_hurry():
    """What may pass by itself is not tried again at once where a service manager would; a signal ends the pause."""
    managed = dict(os.environ, NOTIFY_SOCKET=os.path.abspath("nobody"))
    with Kept(*SYNTHETIC) as daemon:
        daemon.wait_ready()
        daemon.stop()
        for number in (None, signal.SIGTERM):
            with Daemon(*SYNTHETIC, camera=daemon.camera, runtime_dir=daemon.runtime_dir, env=managed) as other:
                began = time.monotonic()
                other.wait_log("another process listens on")
                if number:
                    assert other.stop(number) == 1
                else:
                    assert other.wait_exit() == 1 and time.monotonic() - began >= 2


# --- who may read ----------------------------------------------------------------------------------------------------

def service_of(gid):
    """Words in front of a command that make it root's without any privilege, as a unit does."""
    skip_unless(os.getuid() == 0, "giving up privileges needs some")
    words = ["setpriv", f"--regid={gid}", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
    if subprocess.run([*words, "true"], check=False).returncode:
        raise Skip("privileges cannot be given up here")
    return words


def test_group_of_the_service():
    """Rings are of the group that the daemon runs as, whose members may look and read; others may not."""
    reachable_copy()
    reading, changing = grp.getgrall()[-1], grp.getgrall()[-2]
    for said in ((), ("--group", reading.gr_name)):
        with Kept(*SYNTHETIC, *said, "--control-group", changing.gr_name, group=reading.gr_gid,
                  runtime_dir=lib.BUILD / f"run{len(said)}", program=lib.BUILD / "lumaringd",
                  wrapper=service_of(reading.gr_gid)) as daemon:
            daemon.wait_ready()
            wait_until(lambda names=daemon.camera: shm_names(names), "the ring")
            status = os.stat(f"/dev/shm/{shm_names(daemon.camera)[0]}")
            assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o640, 0, reading.gr_gid)
            reader, changer = as_user(SOMEBODY, reading.gr_gid), as_user(SOMEBODY, changing.gr_gid)
            assert call(daemon, reader, "GetStatus")[0] == 0
            code, text = call(daemon, reader, "Configure", CHANGE)
            assert code == 4 and changing.gr_name in text, (code, text)
            assert call(daemon, changer, "Configure", CHANGE)[0] == 0
            code, text = call(daemon, as_user(SOMEBODY), "GetStatus")
            assert code == 4 and reading.gr_name in text, (code, text)
            snap = [str(lib.BUILD / "lumaring"), "--camera", daemon.camera, "--runtime-dir", daemon.runtime_dir,
                    "snap", "-"]
            assert subprocess.run([*reader, *snap], stdout=subprocess.PIPE, check=False).returncode == 0
            assert subprocess.run([*as_user(SOMEBODY), *snap], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  check=False).returncode == 4
            assert daemon.stop() == 0 and "warning" not in daemon.log(), daemon.log()


def test_group_is_not_the_service_s():
    reading, other = grp.getgrall()[-1], grp.getgrall()[-2]
    with Kept(*SYNTHETIC, "--group", other.gr_name, group=reading.gr_gid, wrapper=service_of(reading.gr_gid)) as daemon:
        assert daemon.wait_exit() == 2, daemon.log()
        said = daemon.log().splitlines()[-1]
        assert f"group {other.gr_name} may not read here, but {reading.gr_name}, the Group= of the unit" in said, said
        assert (f"Group={other.gr_name} under [Service] by systemctl edit lumaringd@{daemon.camera}, and "
                f"SocketGroup={other.gr_name} under [Socket] by systemctl edit lumaringd-frames@{daemon.camera}.socket") in said, said
        assert os.path.exists(daemon.socket_path)
        # Its own group, but the socket's is another.
        daemon.options = [*map(str, SYNTHETIC), "--group", reading.gr_name]
        os.chown(daemon.socket_path, -1, other.gr_gid)
        daemon.start()
        daemon.wait_ready()
        daemon.wait_log(f"is not of group {reading.gr_name}, which the rings are of: make SocketGroup= of its unit the same")
        assert daemon.stop() == 0


def test_threads_that_it_may_not_have():
    """Settings that the service does not allow, or the machine does not have, are not tried again."""
    for options, words, sentence in ((("--copy-scheduling", "fifo:10"), [*service_of(0), "prlimit", "--rtprio=0"],
                                      "may not have scheduling class fifo, priority 10: that takes root, CAP_SYS_NICE, or LimitRTPRIO=10"),
                                     (("--copy-affinity", 1023), [], "none of the CPUs given for them can be used")):
        with Kept(*SYNTHETIC, *options, wrapper=words) as daemon:
            assert daemon.wait_exit() == 2 and sentence in daemon.log(), daemon.log()


# --- daemon after daemon ---------------------------------------------------------------------------------------------

def percentile(values, percent):
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def test_killed_under_eight_clients():
    """kill -9: each client keeps the frame it holds, goes on with the next daemon's, and nothing is left."""
    rounds = 25
    with Kept("--source", "synthetic", "--framerate", 200, "--size", "320x240", "--slots", 32) as daemon:
        daemon.wait_ready()
        clients = [Client(daemon, "resume", "--count", rounds, *manner) for manner in [[], ["--futex"]] * 4]
        gaps, fds = [], []
        for _ in range(rounds):
            for client in clients:
                client.expect("held")
            fds.append((raw.descriptors_at_rest(daemon), *[client.fd_count() for client in clients]))
            assert len(shm_names(daemon.camera)) == 1, shm_names(daemon.camera)
            began = time.monotonic()
            daemon.stop(signal.SIGKILL)
            daemon.start()
            for client in clients:
                client.expect("resumed")
                gaps.append(1000 * (time.monotonic() - began))
        results = [client.result() for client in clients]
        for client, result in zip(clients, results):
            assert result["rounds"] == rounds and result["bad"] == 0 and not result["fault"], result
            client.say()
            assert client.process.wait() == 0
        print(f"figure: {rounds} daemons killed under {len(clients)} clients: {sum(r['verified'] for r in results)} frames "
              f"verified; from the kill to a frame of the next daemon p50 {percentile(gaps, 50):.0f} ms, p99 "
              f"{percentile(gaps, 99):.0f} ms; descriptors of the daemon and of a client {fds[0][:2]} -> {fds[-1][:2]}")
        assert fds[-1] == fds[0], fds
        assert daemon.stop() == 0 and not shm_names(daemon.camera), daemon.log()


def test_killed_at_any_moment():
    """Also while it starts, and while it greets."""
    kills = 60
    with Kept("--source", "synthetic", "--framerate", 200, "--size", "320x240", "--slots", 32) as daemon:
        follow = Follow(daemon.wait_ready(), "any", "main", "--handles", 8)
        for _ in range(kills):
            time.sleep(random.random() * 0.1)
            daemon.stop(signal.SIGKILL)
            daemon.start()

        def reading():
            with raw.Client(daemon) as client:
                return sum(c["state"] == "reading" for c in client.status()["clients"]) == 8

        daemon.wait_ready()
        wait_until(reading, "all read on")
        _, seen = follow.end()
        print(f"figure: {kills} daemons killed at any moment under 8 clients: {seen['verified']} frames verified, "
              f"{seen['pinned']} pinned")
        wait_until(lambda: len(shm_names(daemon.camera)) == 1, "one ring")
        assert daemon.stop() == 0 and not shm_names(daemon.camera), daemon.log()


def test_short_queue():
    """More clients than may wait: those that the queue has no room for try again until it has."""
    with Kept("--source", "synthetic", "--framerate", 200, "--size", "64x48", "--slots", 32, queue=1) as daemon:
        daemon.wait_ready()
        clients = [Client(daemon, "resume", "--count", 1, *manner) for manner in [[], ["--futex"]] * 6]
        for client in clients:
            client.expect("held")
        daemon.stop(signal.SIGKILL)
        time.sleep(0.2)
        daemon.start()
        for client in clients:
            client.expect("resumed")
            assert client.result()["bad"] == 0
            client.say()
            assert client.process.wait() == 0
        assert daemon.stop() == 0


def test_nobody_comes_back():
    """The daemon is given up and its sockets are still there: calls end in their time."""
    with Kept(*SYNTHETIC) as daemon:
        daemon.wait_ready()
        daemon.stop()
        began = time.monotonic()
        for words, code in ((("capabilities", "--timeout", 1), 6), (("--wait", 1, "snap", "-"), 6)):
            tool = daemon.tool(*words)
            out, error = tool.communicate(timeout=lib.DEADLINE_S)
            assert tool.returncode == code, (words, tool.returncode, out, error)
        print(f"figure: two calls of a second each, to sockets that nobody takes from: {time.monotonic() - began:.1f} s")


# --- little room -----------------------------------------------------------------------------------------------------

ROOM = ("--source", "synthetic", "--size", "640x480", "--framerate", 100)  # a ring of 2.3 MiB


def two_daemons(size):
    """Words in front of a daemon's command: in one /dev/shm of this size it is run, and then again once it has ended."""
    words = small_shm(size)
    return [*words[:-2], words[-2].replace('exec "$@"', '"$@"; exec "$@"'), words[-1]]


def lock_pid(daemon):
    try:
        return int(pathlib.Path(daemon.runtime_dir, daemon.camera, "lock").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def kill_the_first(daemon):
    first = lock_pid(daemon)
    assert first and first != daemon.pid, "the first one is a child of the shell's"
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: lock_pid(daemon) == daemon.pid or daemon.process.poll() is not None, "the second one")


def test_room_comes_back():
    """Room for one ring only, and that of a killed daemon is mapped by its readers, who let go when they hear of nobody."""
    with Daemon(*ROOM, wrapper=two_daemons("4m")) as daemon:
        daemon.wait_ready()
        follow = Follow(daemon, "any", "main", "--handles", 3)
        kill_the_first(daemon)
        daemon.wait_log("no room for the ring of stream main in shared memory, where clients may still hold one that is gone, "
                        "retrying for 2 s")
        wait_until(lambda: daemon.log().count("source synthetic: live") == 2 or daemon.process.poll() is not None, "frames")
        assert daemon.process.poll() is None, daemon.log()
        assert daemon.log().count("retrying for 2 s") == 1, daemon.log()
        reads(daemon)
        _, seen = follow.end()
        assert seen["verified"]
        assert daemon.stop() == 0


def test_room_does_not_come_back():
    """A frame of the dead daemon is held: after 2 s one sentence, and an exit code of its own."""
    with Daemon(*ROOM, wrapper=two_daemons("4m")) as daemon:
        client = Client(daemon.wait_ready(), "hold")
        client.expect("held")
        kill_the_first(daemon)
        assert daemon.wait_exit() == 5, daemon.log()
        assert daemon.log().count("retrying for 2 s") == 1, daemon.log()
        assert "available: use fewer --slots, a smaller size, or enlarge it" in daemon.log(), daemon.log()
        client.say()
        assert client.result() == {"bad": 0, "fault": ""}, "it is whole all the same"
        client.process.kill()
        client.process.wait()


# --- what is hidden --------------------------------------------------------------------------------------------------

def hidden_proc():
    """Words in front of a command that hide from it all that units hide: /proc/sys, and other processes, which only group
    root would see."""
    skip_unless(os.getuid() == 0, "mounting a /proc needs root")
    script = "mount -t proc -o hidepid=invisible,subset=pid proc /proc && exec \"$@\""
    words = ["unshare", "-m", "sh", "-c", script, "sh", *service_of(SOMEBODY)]
    probe = subprocess.run([*words, "sh", "-c", "! test -e /proc/sys"], stderr=subprocess.PIPE, check=False)
    if probe.returncode:
        raise Skip(f"a /proc that hides others is refused here: {probe.stderr.decode().strip()}")
    return words


def test_hidden_processes():
    """The rings of another daemon stay, though it cannot be seen; those of a dead one go."""
    with Daemon(*SYNTHETIC) as other:
        other.wait_ready()
        kept = wait_until(lambda: shm_names(other.camera), "the ring")
        with Daemon(*SYNTHETIC, camera=other.camera, wrapper=hidden_proc()) as daemon:
            reads(daemon.wait_ready())
            wait_until(lambda: set(kept) < set(shm_names(other.camera)), "both rings")
            assert daemon.stop(signal.SIGKILL) == -signal.SIGKILL
            left = set(shm_names(other.camera)) - set(kept)
            assert left
            daemon.start()
            wait_until(lambda: daemon.log().count("serving ") == 2, "another one")
            wait_until(lambda: not left & set(shm_names(other.camera)), "the left-over is gone")
            wait_until(lambda: set(kept) < set(shm_names(other.camera)), "both rings")
        reads(other)
        assert shm_names(other.camera) == kept


def test_boot_id():
    """Rings are named by it also where it is hidden, if it is told."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot_id = bytes.fromhex(file.read().strip().replace("-", ""))
    told = dict(os.environ, LUMARING_BOOT_ID=boot_id.hex())
    for words in ([], hidden_proc()):
        with Daemon(*SYNTHETIC, env=told, wrapper=words) as daemon:
            with raw.Client(daemon.wait_ready()) as client:
                assert bytes(client.attach().ring.header.boot_id) == boot_id
