# SPDX-License-Identifier: BSD-2-Clause
"""The control socket under rubbish, floods, halves and silence of one user, while another user is answered throughout."""
import grp
import json
import os
import random
import select
import signal
import socket
import time

import lib
from control import Control, refused
from lib import DEADLINE_S, Daemon, skip_unless, wait_until
from test_access import reachable_copy
from test_daemon import SYNTHETIC
from test_lifecycle import SANITIZED

HOSTILE, HONEST = 65533, 65532  # users without any right but that of the reading group
MESSAGES = 2000
MESSAGE_BYTES = 64 << 10        # LIMIT_CONTROL_MESSAGE_BYTES
CONNECTIONS_OF_A_UID = 32       # half of LIMIT_CONTROL_CONNECTIONS


def as_member(uid, gid, action, *arguments):
    """Fork, become a member of the group, run action(*arguments) and exit with what it returns. The child's pid."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setgroups([gid])
        os.setgid(uid)
        os.setuid(uid)
        code = action(*arguments) or 0
    except BaseException as error:  # pylint: disable=broad-except
        os.write(2, f"{action.__name__}: {error!r}\n".encode())
    finally:
        os._exit(code)


def honest(daemon, pipe):
    """Ask once, then fifty times a second until told to stop; every answer must be right. Writes the times, in ms."""
    took = []
    with Control(daemon) as control:
        while not took or not select.select([pipe[0]], [], [], 0.02)[0]:
            began = time.monotonic()
            size = control.call("GetConfiguration")["configuration"]["size"]
            took.append(1000 * (time.monotonic() - began))
            assert size == {"width": 64, "height": 48}, size
    took.sort()
    os.write(pipe[2], json.dumps([len(took), took[len(took) // 2], took[len(took) * 99 // 100], took[-1]]).encode())


VALID = [
    {"method": "org.varlink.service.GetInfo"},
    {"method": "io.lumaring.Camera.GetStatus", "parameters": {}},
    {"method": "io.lumaring.Camera.Configure",
     "parameters": {"configuration": {"frame_duration_us": {"minimum": 20000, "maximum": 20000}}, "dry_run": True}},
    {"method": "io.lumaring.Camera.SetRegion",
     "parameters": {"stream": "main", "region": {"x": 0, "y": 0, "width": 8, "height": 8}}},
    {"method": "io.lumaring.Camera.Watch", "parameters": {"interval_us": 100000}, "more": True},
]


def rubbish(rng):
    """One message: (bytes, whether its sender hangs up in the middle)."""
    text = bytearray(json.dumps(rng.choice(VALID)).encode())
    kind = rng.randrange(8)
    if kind == 0:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(1, 300))) + b"\0", False
    if kind == 1:
        return b"[" * rng.randrange(1, 5000) + b"\0", False
    if kind == 2:
        return b'{"method": "' + b"x" * (MESSAGE_BYTES + rng.randrange(3) - 16) + b'"}\0', False
    if kind == 3:
        return bytes(text[:rng.randrange(len(text))]), True
    if kind == 4:
        return b'{"a": [' + b"0," * rng.randrange(1, 2000) + b"0]}\n", False
    if kind == 5:
        return b'{"method": "io.lumaring.Camera.Configure", "parameters": {"configuration": {"size": {"width": ' + \
            rng.choice([b"1e400", b"-1", b"NaN", b"9007199254740993", b"0.5", b'"8"', b"null"]) + b"}}}}\0", False
    for _ in range(rng.randrange(1, 6)):
        place = rng.randrange(len(text))
        if rng.randrange(2):
            text[place] = rng.randrange(256)
        else:
            text[place:place + rng.randrange(4)] = bytes(rng.randrange(256) for _ in range(rng.randrange(4)))
    return bytes(text) + rng.choice([b"\0", b"\n"]), False


def attack(daemon, seed):
    """MESSAGES of rubbish over connections that come and go, some of which never read, are slow, or go silent."""
    rng = random.Random(seed)
    held = []
    for number in range(MESSAGES):
        if not held or rng.randrange(4) == 0:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(0.02)
            try:
                connection.connect(f"{daemon.runtime_dir}/{daemon.camera}/control")
                held.append(connection)
            except OSError:
                connection.close()
        if not held:
            continue
        place = rng.randrange(len(held))
        message, hangs_up = rubbish(rng)
        try:
            if number % 100 == 0:  # byte by byte, other connections in between
                for byte in message[:40]:
                    held[place].sendall(bytes([byte]))
                    held[rng.randrange(len(held))].sendall(b" ")
            held[place].sendall(message)
            if rng.randrange(3):
                held[place].recv(1 << 16)
        except OSError:
            hangs_up = True
        if hangs_up or len(held) > 40:
            held.pop(place).close()
    return 0


def flood(daemon):
    """Ask for much without ever reading an answer, until told to stop."""
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(1)
        try:
            connection.connect(f"{daemon.runtime_dir}/{daemon.camera}/control")
            while True:
                connection.sendall(json.dumps(VALID[1]).encode() + b"\0")
        except OSError:
            connection.close()
            time.sleep(0.01)


def with_members(action):
    """Run action(daemon, gid) for a daemon that a group may read."""
    skip_unless(os.getuid() == 0, "becoming another user needs root")
    reachable_copy()
    group = grp.getgrall()[-1]
    with Daemon(*SYNTHETIC, "--group", group.gr_name, runtime_dir=lib.BUILD / "run") as daemon:
        daemon.wait_ready()
        wait_until(lambda: lib.shm_names(daemon.camera), "the ring")
        action(daemon, group.gr_gid)
        assert daemon.stop() == 0, daemon.log()


def code_of(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def witnessed(daemon, gid, what, action):
    """The honest client works all the time that action() takes; prints its latencies."""
    stop_read, stop_write = os.pipe()
    told_read, told_write = os.pipe()
    child = as_member(HONEST, gid, honest, daemon, (stop_read, stop_write, told_write))
    os.close(told_write)
    try:
        action()
    finally:
        os.write(stop_write, b"x")
        code = code_of(child)
    told = os.read(told_read, 4096)
    for fd in (stop_read, stop_write, told_read):
        os.close(fd)
    assert code == 0, "the honest client was not answered"
    count, half, most, worst = json.loads(told)
    print(f"figure: another user's {count} calls during {what}: p50 {half:.1f} ms, p99 {most:.1f} ms, max {worst:.1f} ms")


def test_rubbish():
    """Seeded rubbish by one user: nothing grows, nothing breaks, another user is answered."""
    def action(daemon, gid):
        with Control(daemon) as control:
            control.call("GetStatus")
        fds = daemon.fd_count()

        def twice():
            assert code_of(as_member(HOSTILE, gid, attack, daemon, 1)) == 0
            memory = daemon.rss_kib()
            assert code_of(as_member(HOSTILE, gid, attack, daemon, 2)) == 0
            grown = daemon.rss_kib() - memory
            print(f"figure: {MESSAGES} messages more: memory {grown:+d} KiB")
            assert SANITIZED or grown < 1024, grown

        witnessed(daemon, gid, f"{2 * MESSAGES} messages of rubbish", twice)
        wait_until(lambda: daemon.fd_count() <= fds, "the descriptors of those that left")

    with_members(action)


def test_flood_without_reading():
    def action(daemon, gid):
        def for_a_while():
            children = [as_member(HOSTILE, gid, flood, daemon) for _ in range(3)]
            time.sleep(1)
            memory = daemon.rss_kib()
            time.sleep(2)
            grown = daemon.rss_kib() - memory
            for child in children:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            print(f"figure: two seconds of floods: memory {grown:+d} KiB")
            assert SANITIZED or grown < 8192, grown

        witnessed(daemon, gid, "three floods that never read", for_a_while)

    with_members(action)


def hold(daemon, pipe):
    """Take twice as many connections as one user may have and hold them, silent or with half a message."""
    held, turned_away = [], 0
    for number in range(2 * CONNECTIONS_OF_A_UID):
        control = Control(daemon)
        held.append(control)
        if number < CONNECTIONS_OF_A_UID:
            if number % 2:
                control.socket.sendall(b'{"method": "org.var')
        else:
            with refused("LimitReached", limit="control-connections"):
                control.call("GetConfiguration")
            turned_away += 1
    os.write(pipe[1], bytes([turned_away]))
    time.sleep(DEADLINE_S)


def test_all_connections_of_one_user():
    """Who takes all that one user may have takes nothing from others; the one more is refused with the limit's name."""
    def action(daemon, gid):
        pipe = os.pipe()
        child = as_member(HOSTILE, gid, hold, daemon, pipe)
        os.close(pipe[1])
        assert os.read(pipe[0], 1) == bytes([CONNECTIONS_OF_A_UID])

        def look():
            with Control(daemon) as control:
                assert control.call("GetConfiguration")
            time.sleep(0.3)

        witnessed(daemon, gid, "all connections of one user being held", look)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    with_members(action)


def test_longest_message():
    """A message of exactly the limit is answered; one byte more is refused, by name, and its connection is closed."""
    def padded(size):
        message = {"method": "io.lumaring.Camera.SetRegion", "parameters": {"stream": ""}}
        message["parameters"]["stream"] = "x" * (size - len(json.dumps(message)))
        return json.dumps(message).encode()

    with Daemon(*SYNTHETIC) as daemon, Control(daemon.wait_ready()) as control:
        assert len(padded(MESSAGE_BYTES)) == MESSAGE_BYTES
        control.socket.sendall(padded(MESSAGE_BYTES) + b"\0")
        with refused("InvalidField", field="region"):
            control.receive()
        control.socket.sendall(padded(MESSAGE_BYTES + 1) + b"\0")
        with refused("LimitReached", maximum=MESSAGE_BYTES):
            control.receive()
        try:
            assert control.socket.recv(1) == b""
        except ConnectionResetError:
            pass
