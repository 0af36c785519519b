# SPDX-License-Identifier: BSD-2-Clause
"""The daemon as a process: its command line, one instance per camera, how it stops and starts again, what it leaves
behind and takes over, and when its source runs.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess

import raw
from lib import BUILD, DEADLINE_S, Daemon, shm_names, wait_until

SYNTHETIC = ("--source", "synthetic", "--size", "64x48", "--framerate", 100)
NOBODY = 65534  # somebody else, if the test is root's


def run(*arguments, **keywords):
    """(exit code, standard output, standard error) of lumaringd when it stops by itself."""
    done = subprocess.run([BUILD / "lumaringd", *[str(a) for a in arguments]], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=DEADLINE_S, check=False, **keywords)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def refused(daemon, code, sentence):
    """The daemon ends with this exit code, after one line that says why, and leaves nothing."""
    assert daemon.wait_exit() == code, daemon.log()
    said = [line for line in daemon.log().splitlines() if sentence in line]
    assert len(said) == 1 and said[0].startswith("lumaringd: "), (sentence, daemon.log())
    assert not os.path.exists(daemon.socket_path) and not shm_names(daemon.camera)
    return said[0]


def reads(where):
    """A client gets a frame."""
    with raw.Client(where) as client:
        ring, d, _ = next(client.attach().newest())
        raw.check_account(d, ring.header.sequence_first)


# --- command line ----------------------------------------------------------------------------------------------------

def test_help_and_version():
    code, out, error = run("--help")
    assert (code, error) == (0, "") and out.startswith("Examples:\n")
    for option in ("config", "camera", "source", "size", "framerate", "stream", "slots", "ring-bytes", "runtime-dir",
                   "group", "io", "wait-clients", "check-config", "version", "help"):
        assert f"--{option}" in out, option
    assert "Exit codes: 0 stopped as asked, 1 " in out
    assert max(len(line) for line in out.splitlines()) <= 120
    code, out, error = run("--version")
    assert (code, error) == (0, "") and out.startswith("lumaringd ") and out.count("\n") == 1
    env = dict(os.environ, XDG_RUNTIME_DIR="/tmp")
    code, out, error = run("--check-config", *SYNTHETIC, env=env)
    assert (code, error) == (0, "") and json.loads(out)["source"] == "synthetic"
    code, out, error = run("--slots", 3, "--check-config", env=env)
    assert (code, out) == (2, "") and error.startswith('--slots: "3" is not a whole number, 4 to 65535')
    code, out, error = run("--slots", 3, "--io", "x", env=env)
    assert (code, out) == (2, "") and error == ('lumaringd: --slots: "3" is not a whole number, 4 to 65535\n'
                                               'lumaringd: --io: "x" is not auto, uring or epoll\n')


def test_wrong_options():
    long_name = "a" * 33
    for arguments, sentence in (
            (["--camera", ""], '--camera: "" is not a name: 1 to 32 of a-z, 0-9, _ and -'),
            (["--camera", "Cam0"], '--camera: "Cam0" is not a name'),
            (["--camera", "../x"], '--camera: "../x" is not a name'),
            (["--camera", long_name], f'--camera: "{long_name}" is not a name'),
            (["--source", "v4l2"], '--source: "v4l2" is not libcamera, libcamera:CAMERA, synthetic, replay:FILE or raw:FILE'),
            (["--source", "libcamera:"], '--source: "libcamera:" is not libcamera, libcamera:CAMERA, synthetic, replay:FILE or'),
            (["--source", "replay:" + "f" * 4096], "is not libcamera, libcamera:CAMERA, synthetic, replay:FILE or raw:FILE"),
            (["--source", ""], '--source: "" is not libcamera, libcamera:CAMERA, synthetic, replay:FILE or raw:FILE'),
            (["--source", "replay"], '--source: "replay" is not libcamera, libcamera:CAMERA, synthetic, replay:FILE or raw:FILE'),
            (["--source", "replay:"], '--source: "replay:" is not libcamera, libcamera:CAMERA, synthetic, replay:FILE or raw:FILE'),
            (["--source", "synthetic:x"], '--source: "synthetic:x" is not libcamera, libcamera:CAMERA, synthetic, replay:FILE or raw:FILE'),
            (["--size", "640"], '--size: "640" is not WIDTHxHEIGHT, each 1 to 65535'),
            (["--size", "640x"], '--size: "640x" is not WIDTHxHEIGHT'),
            (["--size", "0x480"], '--size: "0x480" is not WIDTHxHEIGHT'),
            (["--size", "65536x1"], '--size: "65536x1" is not WIDTHxHEIGHT'),
            (["--size", "64x48 "], '--size: "64x48 " is not WIDTHxHEIGHT'),
            (["--size", "-1x48"], '--size: "-1x48" is not WIDTHxHEIGHT'),
            (["--framerate", "0"], '--framerate: "0" is not frames per second, such as 30, 29.97, 30000/1001 or'),
            (["--framerate", "10000.1"], "above 0 and up to 10000"),
            (["--framerate", "30/0"], '--framerate: "30/0" is not frames per second'),
            (["--framerate", "nan"], '--framerate: "nan" is not frames per second'),
            (["--framerate", "1e3"], '--framerate: "1e3" is not frames per second'),
            (["--source", "synthetic", "--framerate", "30", "--unpaced"], "framerate and unpaced exclude each other"),
            (["--stream", ""], "--stream: a stream needs a name"),
            (["--stream", "a b"], "--stream: a stream needs a name"),
            (["--stream", "=0,0,1,1"], "--stream: a stream needs a name"),
            (["--stream", long_name], "--stream: a stream needs a name"),
            (["--stream", "a="], '--stream: "" is not X,Y,WIDTH,HEIGHT, X and Y 0 to 65535, WIDTH and HEIGHT 1 to'),
            (["--stream", "a=1,2,3"], '--stream: "1,2,3" is not X,Y,WIDTH,HEIGHT'),
            (["--stream", "a=1,2,3,0"], '--stream: "1,2,3,0" is not X,Y,WIDTH,HEIGHT'),
            (["--stream", "a=1,2,3,4,5"], '--stream: "5" is not KEY=VALUE'),
            (["--stream", "a,bin=3"], '--stream: bin: "3" is not a whole number, 1 to 2'),
            (["--stream", "a,format=R10"], '--stream: format: "R10" is not R8 or R16'),
            (["--stream", "a", "--stream", "a=0,0,1,1"], '--stream: there are two streams "a"'),
            (["--stream", "private-7"], '--stream: names that begin with "private-" are for clients\' private streams'),
            (["--slots", "3"], '--slots: "3" is not a whole number, 4 to 65535'),
            (["--slots", "65536"], '--slots: "65536" is not a whole number, 4 to 65535'),
            (["--slots", "8.0"], '--slots: "8.0" is not a whole number'),
            (["--slots", "99999999999999999999999"], "is not a whole number, 4 to 65535"),
            (["--ring-bytes", "0"], '--ring-bytes: "0" is not a number of bytes, such as 4096, 64k, 16M or 1G'),
            (["--ring-bytes", "16MiB"], '--ring-bytes: "16MiB" is not a number of bytes'),
            (["--ring-bytes", "8589934592G"], '--ring-bytes: "8589934592G" is not a number of bytes'),
            (["--private-bytes", "-1"], '--private-bytes: "-1" is not a number of bytes'),
            (["--runtime-dir", ""], "--runtime-dir: a directory is wanted"),
            (["--runtime-dir", "d" * 4096], "--runtime-dir: a directory is wanted, of 1 to 4095 bytes"),
            (["--group", "no-such-group"], '--group: there is no group "no-such-group" on this machine'),
            (["--io", "kqueue"], '--io: "kqueue" is not auto, uring or epoll'),
            (["--wait-clients", "-1"], '--wait-clients: "-1" is not a whole number, 0 to 16384'),
            (["--wait-clients", "16385"], '--wait-clients: "16385" is not a whole number, 0 to 16384'),
            (["--wait-clients", "513"], "wait-clients 513 is more than clients-max 512"),
            (["--clients-max", "0"], '--clients-max: "0" is not a whole number, 1 to 16384'),
            (["--config", "nowhere.json"], "cannot read nowhere.json: No such file or directory"),
            (["--bogus"], "--bogus is not an option of lumaringd"),
            (["-s"], "-s is not an option of lumaringd"),
            (["--unpaced=yes"], "--unpaced=yes is not an option of lumaringd, or has a value it does not take"),
            (["--slots"], "--slots needs a value"),
            (["--bench-camera="], "--bench-camera= needs a device, as --bench-camera=/dev/video0"),
            (["--stream", "a,bin=2,bin=1"], '--stream: bin: this key stands there twice'),
            (["--stream", "a=0,0,2,2,region=0,0,1,1"], '--stream: region: this key stands there twice'),
            (["cam0"], '"cam0" is not an option')):
        code, out, error = run("--check-config", "--runtime-dir", ".", *arguments)
        assert (code, out) == (2, "") and error.count("\n") == 1 and sentence in error, (arguments, code, error)


def test_closed_descriptors():
    """Standard input that is closed holds nothing; what the log is written to is nothing else that was opened."""
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    with Daemon("--source", "raw:-", "--size", "8x8", "--pixel-format", "R8", wrapper=closed) as daemon:
        wait_until(lambda: os.path.exists(daemon.socket_path), "daemon serves")

        def state():
            try:
                with raw.Client(daemon) as client:
                    return client.status()["source"]["state"]
            except ConnectionRefusedError:  # its name is there before it listens
                return None

        wait_until(lambda: state() == "ended", "the end of standard input", 10)
        for number in range(3):
            assert os.readlink(f"/proc/{daemon.pid}/fd/{number}") == "/dev/null"
        assert daemon.stop() == 0


# --- the event loop --------------------------------------------------------------------------------------------------

IO_URING_REFUSED = "io_uring cannot be used: a system call filter forbids it (of a container, or SystemCallFilter= " \
    "without @aio); "


def without_io_uring(io):
    return Daemon(*SYNTHETIC, "--io", io, wrapper=[str(BUILD / "tests/forbid")])


def test_io_uring_refused():
    with without_io_uring("uring") as daemon:
        refused(daemon, 1, IO_URING_REFUSED + "use --io auto or --io epoll")


def test_io_falls_back():
    """One line names the cause, and everything works."""
    with without_io_uring("auto") as daemon:
        reads(daemon.wait_ready())
        assert daemon.log().startswith(f"lumaringd: {IO_URING_REFUSED}using epoll\n"), daemon.log()
        assert daemon.log().count("io_uring") == 1 and ", loop epoll\n" in daemon.log(), daemon.log()
        with raw.Client(daemon) as client:
            assert client.status()["loop"] == dict(main="epoll", capture="epoll",
                                                   fallback_reason=IO_URING_REFUSED.split(": ", 1)[1].rstrip("; "))
    with without_io_uring("epoll") as daemon:
        reads(daemon.wait_ready())
        assert "io_uring" not in daemon.log() and ", loop epoll\n" in daemon.log(), daemon.log()
        with raw.Client(daemon) as client:
            assert client.status()["loop"] == dict(main="epoll", capture="epoll", fallback_reason="")


# --- one instance, stopping, starting again --------------------------------------------------------------------------

def test_second_instance():
    with Daemon(*SYNTHETIC) as first:
        first.wait_ready()
        with raw.Client(first) as client:
            frames = client.attach().newest()
            next(frames)
            second = Daemon(*SYNTHETIC, camera=first.camera, runtime_dir=first.runtime_dir)
            assert second.wait_exit() == 3
            assert (f"lumaringd: camera {first.camera} is already served by lumaringd, pid {first.pid}, in "
                    f"{first.runtime_dir}/{first.camera}: stop it first or choose another --camera or --runtime-dir\n"
                    ) == second.log().replace(f"lumaringd: {IO_URING_REFUSED}using epoll\n", "")
            for _ in range(5):
                next(frames)
        with Daemon(*SYNTHETIC, runtime_dir=first.runtime_dir) as other_camera:
            reads(other_camera.wait_ready())
        with Daemon(*SYNTHETIC, camera=first.camera) as other_dir:
            reads(other_dir.wait_ready())
            assert "unlinked" not in other_dir.log() and len(shm_names(first.camera)) == 2
            reads(first)
        assert len(shm_names(first.camera)) == 1
        reads(first)
        assert first.stop() == 0


def test_stop():
    """Each signal, in every state of the source: exit code 0, nothing left, every client told."""
    os.mkfifo("pipe")
    sources = (("live", SYNTHETIC, True), ("unpaced", ("--source", "synthetic", "--unpaced"), True),
               ("not started", (*SYNTHETIC, "--wait-clients", 9), True),
               ("no writer", ("--source", "replay:pipe"), False))
    for name, options, attaches in sources:
        for number in (signal.SIGTERM, signal.SIGINT):
            with Daemon(*options) as daemon, raw.Client(daemon.wait_ready()) as client:
                watch = daemon.tool("watch", "--json") if attaches and name != "not started" else None
                if attaches:
                    client.attach()
                else:
                    client.send(raw.hello())
                if watch:
                    assert b"sequence" in watch.stdout.readline() + watch.stdout.readline()
                assert daemon.stop(number) == 0, (name, number)
                assert "stopping on " + signal.strsignal(number) in daemon.log()
                assert not os.path.exists(daemon.socket_path) and not shm_names(daemon.camera)
                states = []
                while (message := client.take() if attaches else client.receive()[0]) is not None:
                    states += [message.state] if message.type == raw.STATE else []
                # Who never read its socket may have no room for the message, but sees it in the ring.
                assert not attaches or client.ring.state == raw.CLOSED, name
                assert name != "not started" or states[-1] == raw.CLOSED, states
                if watch:
                    out, talk = watch.communicate(timeout=DEADLINE_S)
                    assert watch.returncode == 0 and out.endswith(b'{"event":"closed"}\n'), (watch.returncode, talk)


def test_killed():
    """kill -9, then a new daemon: it says what it found, takes the socket over, and serves."""
    with Daemon(*SYNTHETIC, "--stream", "main", "--stream", "part=1,1,8,8") as daemon:
        reads(daemon.wait_ready())
        left = shm_names(daemon.camera)
        assert len(left) == 2
        daemon.stop(signal.SIGKILL)
        assert shm_names(daemon.camera) == left and os.path.exists(daemon.socket_path)
        open(daemon.log_path, "wb").close()
        daemon.start()
        daemon.wait_ready()
        for name in left:
            assert f"unlinked /dev/shm/{name}, which no running daemon stands behind\n" in daemon.log()
        assert f"removed the socket {daemon.socket_path}: nobody listens on it\n" in daemon.log()
        reads(daemon)
        assert len(shm_names(daemon.camera)) == 2 and not set(shm_names(daemon.camera)) & set(left)
        assert daemon.stop() == 0
        assert not shm_names(daemon.camera)


def start_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return int(file.read().rsplit(")", 1)[1].split()[19])


def header(camera, pid, start):
    data = bytearray(640)
    raw.HEADER.pack_into(data, 0, raw.MAGIC, 1, 1, 640, 256, 640, 1, b"", 640, 640, 640, 0, 4, 8, 1, 1, 1, pid, 0,
                         start, camera.encode(), b"main")
    return bytes(data)


def test_squatted_names():
    """Names of our rings that nobody stands behind go, with a log line each; everything else stays."""
    camera = f"squat{os.getpid()}"
    shm = pathlib.Path("/dev/shm")
    dead = subprocess.Popen(["true"])
    dead.wait()
    sleeper = subprocess.Popen(["sleep", "1000"])
    prefix = f"lumaring.{camera}."
    with open("precious", "wb") as file:
        file.write(b"not to be touched")
    contents = {
        "main.1": b"", "main.2": b"garbage", "main.3": os.urandom(5000), "x": b"LUMARING",
        "main.4": header(camera, dead.pid, 1), "main.5": header(camera, sleeper.pid, start_ticks(sleeper.pid) - 1),
        "main.6": header(camera, 0, 0), "main.7": header(camera, 2**32 - 1, 0),
        "main.8": header(camera, sleeper.pid, start_ticks(sleeper.pid))[:639],
        "main.9": b"x" + header(camera, sleeper.pid, start_ticks(sleeper.pid))[1:],
    }
    others = [f"lumaring.{camera}x.main.1", f"lumaring.{camera}", f"xlumaring.{camera}.main.1",
              f"lumaring.x.{camera}.1"]
    alive = prefix + "main.10"
    made = [prefix + name for name in contents] + [prefix + name for name in ("link", "dangling", "fifo", "foreign")]
    try:
        for name, data in contents.items():
            (shm / (prefix + name)).write_bytes(data)
        (shm / (prefix + "link")).symlink_to(os.path.abspath("precious"))
        (shm / (prefix + "dangling")).symlink_to("/nowhere")
        os.mkfifo(shm / (prefix + "fifo"))
        (shm / (prefix + "foreign")).write_bytes(b"another's")
        if os.getuid() == 0:
            os.chown(shm / (prefix + "foreign"), NOBODY, NOBODY)
        (shm / (prefix + "directory")).mkdir()
        (shm / alive).write_bytes(header(camera, sleeper.pid, start_ticks(sleeper.pid)))
        for name in others:
            (shm / name).write_bytes(b"another camera's")
        with Daemon(*SYNTHETIC, camera=camera) as daemon:
            reads(daemon.wait_ready())
            log = daemon.log()
            for name in made:
                assert not os.path.lexists(shm / name), name
                assert f"unlinked /dev/shm/{name}, which no running daemon stands behind\n" in log, (name, log)
            assert f"cannot unlink the left-over /dev/shm/{prefix}directory: Is a directory, ignoring" in log
            for name in (*others, alive):
                assert (shm / name).exists() and f"/dev/shm/{name}," not in log, name
            with open("precious", "rb") as file:
                assert file.read() == b"not to be touched"
            assert daemon.stop() == 0
    finally:
        sleeper.kill()
        sleeper.wait()
        for name in (*made, *others, alive):
            (shm / name).unlink(missing_ok=True)
        (shm / (prefix + "directory")).rmdir()


def test_things_in_the_way():
    """What is not a left-over socket of ours is not removed."""
    for place, make, sentence in (
            ("frames", lambda path: open(path, "wb").close(), "is in the way and not a socket: remove it"),
            ("frames", os.mkdir, "is in the way and not a socket: remove it"),
            ("lock", lambda path: os.symlink("elsewhere", path), "is a symbolic link: remove it"),
            ("lock", os.mkdir, "cannot open the lock"),
            ("", lambda path: os.symlink(".", path), "is in the way, a symbolic link or not a directory")):
        camera, runtime_dir = f"way{os.getpid()}", os.path.abspath("way")
        os.mkdir(runtime_dir)
        if place:
            os.mkdir(f"{runtime_dir}/{camera}")
        path = f"{runtime_dir}/{camera}/{place}".rstrip("/")
        make(path)
        before = os.lstat(path)
        with Daemon(*SYNTHETIC, camera=camera, runtime_dir=runtime_dir) as daemon:
            assert daemon.wait_exit() == 1
            assert daemon.log() == f"lumaringd: {daemon.log()[len('lumaringd: '):]}" and sentence in daemon.log()
        assert os.lstat(path).st_ino == before.st_ino and not os.path.exists("elsewhere")
        shutil.rmtree(runtime_dir)
    with Daemon(*SYNTHETIC, runtime_dir="no/such/place") as daemon:
        assert daemon.wait_exit() == 1
        assert "No such file or directory: make the one above it first" in daemon.log()
    with Daemon(*SYNTHETIC, runtime_dir="d" * 100) as daemon:
        assert daemon.wait_exit() == 1
        assert "and may have 107: choose a shorter --runtime-dir" in daemon.log()


# --- the source starts when it is wanted, and is read when it is wanted ----------------------------------------------

def test_wait_clients():
    with Daemon(*SYNTHETIC, "--wait-clients", 2) as daemon:
        with raw.Client(daemon.wait_ready()) as first, raw.Client(daemon) as second:
            assert first.attach().wait_for(raw.STATE).state == raw.PAUSED
            assert first.ring.published == 0
            frames = second.attach().newest(), first.newest()
            for each in frames:
                _, d, _ = next(each)
                assert not any(d.lost[:raw.LOST_SEQUENCED]), d


def test_unread():
    """Frames that nobody reads are not copied; the next one that is read says how many there were."""
    with Daemon(*SYNTHETIC) as daemon:
        with raw.Client(daemon.wait_ready()) as client:
            client.attach()
            wait_until(lambda: client.ring.published >= 3, "three frames")
        with raw.Client(daemon) as client:
            before = client.attach().ring.published
            ledger = client.ring.ledger()
        # Nobody: the ring, which we keep mapped in a client that left, stands still while the camera goes on.
        client = raw.Client(daemon).attach()
        client.socket.close()
        wait_until(lambda: client.ring.ledger()[raw.LOST["unread"]] >= ledger[raw.LOST["unread"]] + 5, "unread frames")
        still = client.ring.published
        wait_until(lambda: client.ring.ledger()[raw.LOST["unread"]] >= ledger[raw.LOST["unread"]] + 10, "unread frames")
        assert client.ring.published == still >= before
        with raw.Client(daemon) as again:
            ring, d, _ = next(again.attach().newest())
            raw.check_account(d, ring.header.sequence_first)
            assert d.lost[raw.LOST["unread"]] >= ledger[raw.LOST["unread"]] + 10
