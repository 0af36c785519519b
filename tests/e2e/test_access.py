# SPDX-License-Identifier: BSD-2-Clause
"""Who may do what: modes and groups, a ring that its readers cannot change, and a daemon of a user without root."""
import errno
import fcntl
import grp
import mmap
import os
import pathlib
import pwd
import shutil
import stat
import subprocess

import lib
import raw
from lib import BUILD, DEADLINE_S, Daemon, shm_names, skip_unless, wait_until
from test_daemon import SYNTHETIC

SOMEBODY = 65533     # a user without any right here


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def reachable_copy():
    """Daemon and tool where any user can start them."""
    os.chmod(".", 0o755)
    os.mkdir("bin")
    for name in ("lumaringd", "lumaring"):
        shutil.copy(BUILD / name, "bin")
    lib.BUILD = pathlib.Path("bin").absolute()


def as_user(uid, *groups):
    """Words in front of a command that make it another user's."""
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--no-new-privs",
            f"--groups={','.join(str(g) for g in groups)}" if groups else "--clear-groups"]


def test_modes():
    with Daemon(*SYNTHETIC) as daemon:
        daemon.wait_ready()
        wait_until(lambda: shm_names(daemon.camera), "the ring")
        ring = f"/dev/shm/{shm_names(daemon.camera)[0]}"
        assert mode(ring) == 0o640
        assert mode(daemon.socket_path) == (0o660 if os.getuid() == 0 else 0o600)
        assert mode(os.path.dirname(daemon.socket_path)) == 0o755
        assert mode(f"{daemon.runtime_dir}/{daemon.camera}/lock") == 0o600


def test_group():
    """--group: its members read, others do not."""
    skip_unless(os.getuid() == 0, "giving files to another group needs root")
    reachable_copy()
    group = grp.getgrall()[-1]
    with Daemon(*SYNTHETIC, "--group", group.gr_name, runtime_dir=lib.BUILD / "run") as daemon:
        daemon.wait_ready()
        wait_until(lambda: shm_names(daemon.camera), "the ring")
        for path in (daemon.socket_path, f"/dev/shm/{shm_names(daemon.camera)[0]}"):
            status = os.stat(path)
            assert (status.st_uid, status.st_gid) == (0, group.gr_gid), path
        assert mode(daemon.socket_path) == 0o660
        for groups, code in (([group.gr_gid], 0), ([], 4)):
            tool = subprocess.run([*as_user(SOMEBODY, *groups), lib.BUILD / "lumaring", "--camera", daemon.camera,
                                   "--runtime-dir", daemon.runtime_dir, "watch", "-n", "2"], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=DEADLINE_S, check=False)
            assert tool.returncode == code and (tool.stdout.count(b"\n") == 2) == (code == 0), tool
        child = os.fork()
        if child == 0:  # the plain system calls, as a user outside the group
            os.setgroups([])
            os.setgid(SOMEBODY)
            os.setuid(SOMEBODY)
            os._exit(sum(denied(attempt) << n for n, attempt in enumerate((
                lambda: raw.Client(daemon), lambda: os.open(f"/dev/shm/{shm_names(daemon.camera)[0]}", os.O_RDONLY)))))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3


def test_what_makes_a_member():
    """Who may not connect is told the line that helps: usermod, and to log in again; to a member that alone."""
    skip_unless(os.getuid() == 0, "becoming another user needs root")
    reachable_copy()
    member = next(u for u in pwd.getpwall() if u.pw_uid and u.pw_gid)  # in its primary group, by the database
    group = grp.getgrgid(member.pw_gid).gr_name
    stranger = next(u for u in pwd.getpwall() if u.pw_uid and member.pw_gid not in os.getgrouplist(u.pw_name, u.pw_gid))
    join = f"{group}: sudo usermod -aG {group} {stranger.pw_name}, then log in again\n"
    again = f"{group}, and this session began before {member.pw_name} was in it: log in again\n"
    with Daemon(*SYNTHETIC, "--group", group, runtime_dir=lib.BUILD / "run") as daemon:
        daemon.wait_ready()
        where = f"{daemon.runtime_dir}/{daemon.camera}"
        for verb, path in (("watch", "frames"), ("status", "frames"), ("get", "control")):
            for user, end in ((stranger, join), (member, again)):
                tool = subprocess.run(["setpriv", f"--reuid={user.pw_uid}", f"--regid={SOMEBODY}", "--clear-groups",
                                       lib.BUILD / "lumaring", "--camera", daemon.camera, "--runtime-dir",
                                       daemon.runtime_dir, verb], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                      timeout=DEADLINE_S, check=False, encoding="utf-8")
                said = f"lumaring: permission denied: {where}/{path} is for the group {end}"
                assert (tool.returncode, tool.stderr) == (4, said), (verb, tool)
        assert daemon.stop() == 0
        # Whoever it is: what is left of the place has nobody behind it.
        tool = daemon.tool("status", "--wait", "0", encoding="utf-8")
        said = (f"lumaring: no daemon serves {where}/frames: No such file or directory: is it running? "
                f"systemctl status lumaringd@{daemon.camera}\n")
        assert (tool.communicate()[1], tool.returncode) == (said, 3)


def denied(attempt):
    try:
        attempt()
    except PermissionError:
        return True
    except OSError as error:
        return error.errno in (errno.EACCES, errno.EPERM)
    return False


def test_ring_is_read_only():
    """What a client is given it cannot write, resize or open for writing again, whoever it is but root."""
    with Daemon(*SYNTHETIC) as daemon, raw.Client(daemon.wait_ready()) as client:
        fd = client.attach().ring.fd
        page = client.page.fd
        assert fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
        attempts = [
            lambda: mmap.mmap(fd, 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE),
            lambda: os.open(f"/proc/self/fd/{fd}", os.O_RDWR),
            lambda: os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_TRUNC),
            lambda: os.fchmod(fd, 0o666),
            lambda: os.truncate(f"/proc/self/fd/{fd}", 0),
            lambda: os.unlink(f"/dev/shm/{shm_names(daemon.camera)[0]}"),
            lambda: os.ftruncate(page, 0),
            lambda: os.ftruncate(page, 1 << 20),
        ]
        if os.getuid() != 0:
            # The owner is trusted, so only what is not a matter of owning is left.
            attempts = [attempts[0], *attempts[-2:]]
        child = os.fork()
        if child == 0:
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(SOMEBODY)
                os.setuid(SOMEBODY)
            os._exit(next((n + 1 for n, attempt in enumerate(attempts) if not denied(attempt)), 0))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code == 0, f"attempt {code} was allowed"
        for attempt in (lambda: os.ftruncate(fd, 0), lambda: os.pwrite(fd, b"x", 0)):
            try:
                attempt()
                raise AssertionError("written through the descriptor")
            except OSError as error:
                assert error.errno in (errno.EBADF, errno.EINVAL), error
        next(client.newest())


def test_without_root():
    """Any user can start a daemon and read it, under XDG_RUNTIME_DIR and without any option about places."""
    user = os.getuid() or SOMEBODY
    reachable_copy()
    os.mkdir("home", 0o700)
    wrapper = []
    if os.getuid() == 0:
        os.chown("home", user, user)
        wrapper = as_user(user)
    camera = f"user{os.getpid()}"
    env = dict(os.environ, XDG_RUNTIME_DIR=os.path.abspath("home"))
    env.pop("LUMARING_RUNTIME_DIR", None)
    where = f"home/lumaring/{camera}/frames"
    with open("log", "wb") as log:
        daemon = subprocess.Popen([*wrapper, lib.BUILD / "lumaringd", "--camera", camera, *map(str, SYNTHETIC)],
                                  env=env, stderr=log, stdin=subprocess.DEVNULL)
    try:
        tool = subprocess.run([*wrapper, lib.BUILD / "lumaring", "--camera", camera, "--wait", str(DEADLINE_S), "watch",
                               "-n", "3"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=DEADLINE_S,
                              check=False)
        assert tool.returncode == 0 and tool.stdout.count(b"\n") == 3, (tool, open("log", "rb").read())
        assert mode(where) == 0o600 and os.stat(where).st_uid == user
        ring = os.stat(f"/dev/shm/{shm_names(camera)[0]}")
        assert (stat.S_IMODE(ring.st_mode), ring.st_uid) == (0o640, user)
    finally:
        daemon.terminate()
        assert daemon.wait(DEADLINE_S) == 0
    assert not os.path.exists(where) and not shm_names(camera)
    if os.getuid() == 0:
        for value, sentence in ((None, "XDG_RUNTIME_DIR is not set, so there is no place for the sockets: use "
                                 "--runtime-dir"), ("home", "XDG_RUNTIME_DIR is not an absolute path")):
            env.pop("XDG_RUNTIME_DIR", None)
            if value:
                env["XDG_RUNTIME_DIR"] = value
            done = subprocess.run([*wrapper, lib.BUILD / "lumaringd", *map(str, SYNTHETIC)], env=env,
                                  stderr=subprocess.PIPE, timeout=DEADLINE_S, check=False)
            assert done.returncode == 2 and sentence in done.stderr.decode(), done
