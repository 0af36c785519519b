# SPDX-License-Identifier: BSD-2-Clause
"""`lumaring doctor` on this machine: failures that can be had for real. Those that take another machine are in
tests/unit/test_cli_doctor.c, those of a service in tests/systemd/test_doctor.py.
"""
import fcntl
import grp
import json
import os
import pty
import pwd
import re
import signal
import struct
import subprocess
import termios

import lib
from lib import BUILD, DEADLINE_S, Daemon, skip_unless, wait_until
from test_access import SOMEBODY, as_user, reachable_copy
from test_daemon import SYNTHETIC
from test_shortage import small_shm

UNWELL = 7
CHECKS = ["daemon", "version", "frames", "unit", "sandbox", "settings", "groups", "camera", "holders", "heaps", "cma",
          "shm", "memlock", "io_uring", "libcamera", "ipa", "kernel", "clock", "cpu"]
FORBID = BUILD / "tests" / "forbid"


def ask(*words, camera="nobody", runtime_dir=".", before=(), env=None):
    """(exit code, findings by check) of --json; the last finding of a check that has several is the worst."""
    done = subprocess.run([*map(str, before), lib.BUILD / "lumaring", "doctor", "--json", "--camera", camera,
                           "--runtime-dir", runtime_dir, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=DEADLINE_S, check=False, env=env)
    assert done.stderr == "" and done.stdout.count("\n") == 1, done
    said = json.loads(done.stdout)
    levels = [c["level"] for c in said["checks"]]
    assert said["camera"] == camera and said["problems"] == levels.count("problem"), said
    assert said["notes"] == levels.count("note") and done.returncode == (UNWELL if said["problems"] else 0), done
    order = {"ok": 0, "note": 1, "problem": 2}
    assert [c for c in CHECKS if c in {f["check"] for f in said["checks"]}] == list(dict.fromkeys(
        f["check"] for f in said["checks"])), said
    return done.returncode, {c["check"]: c for c in sorted(said["checks"], key=lambda c: order[c["level"]])}


def of(daemon, *words, **keywords):
    """Of one that is there; however busy this machine is, which an answer may be too late for."""
    def answered():
        code, found = ask(*words, camera=daemon.camera, runtime_dir=daemon.runtime_dir, **keywords)
        return "it does not answer" not in found["daemon"]["text"] and (code, found)
    return wait_until(answered, "an answer in time")


def has(found, level, text, do=None):
    """`do`: the beginning of what is to be done."""
    assert found["level"] == level and text in found["text"], found
    assert do is None or found.get("command", found.get("advice", "")).startswith(do), found


def test_without_a_daemon():
    """All that concerns the machine is looked at all the same."""
    code, found = ask()
    assert code == UNWELL
    has(found["daemon"], "problem", "./nobody/frames is not there")
    assert set(CHECKS) - set(found) <= {"sandbox"}, found
    kernel = os.uname().release
    has(found["kernel"], found["kernel"]["level"], f"Linux {kernel}")
    assert re.match(r"lumaringd|sudo|see unit", found["daemon"].get("command", found["daemon"].get("advice"))), found


def test_all_is_well():
    with Daemon(*SYNTHETIC) as daemon:
        daemon.wait_log("synthetic: live")
        _, found = wait_until(lambda: (a := of(daemon))[1]["frames"]["level"] == "ok" and a, "a frame in time")
        for check in ("daemon", "frames", "settings", "groups", "camera", "holders"):
            assert found[check]["level"] == "ok", found[check]
        assert f"pid {daemon.pid}," in found["daemon"]["text"]
        has(found["camera"], "ok", "none is needed: the source is synthetic")
        assert re.search(r"^\d+x\d+ at [\d.]+ frames/s, 0 of \d+ lost$", found["frames"]["text"]), found["frames"]
        # The same for people: fits a screen where there is nothing to tell, and no line is wider.
        tool = daemon.tool("doctor", encoding="utf-8")
        out, talk = tool.communicate(timeout=DEADLINE_S)
        lines = out.splitlines()
        sum_up = rf"{daemon.camera}: (nothing is wrong|\d problems? \(.*?\))(, \d notes? \(.*\))?$"
        assert talk == "" and re.match(sum_up, lines[-1]), out
        assert max(len(line) for line in lines if "-> " not in line) <= 80, out
        shown = [re.match(r"(ok|note|problem) +(\w+) +\S", line) for line in lines[:-1]]
        assert [m[2] for m in shown if m] == [c for c in CHECKS if c in found], out


def screen(words, columns, **environment):
    """What a terminal of so many columns is sent."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm", **environment}
    with subprocess.Popen(words, stdin=side, stdout=side, stderr=side, env=env) as process:
        os.close(side)
        text = b""
        try:
            while part := os.read(main, 65536):
                text += part
        except OSError:  # the last one on the other side has gone
            pass
        os.close(main)
        assert process.wait(DEADLINE_S) == UNWELL
    return text.decode().replace("\r\n", "\n")


def test_on_a_terminal():
    words = [BUILD / "lumaring", "doctor", "--camera", "nobody", "--runtime-dir", "/nowhere" + "/and" * 20]
    narrow, wide = screen(words, 80), screen(words, 120)
    assert narrow.startswith("\033[1;31mproblem\033[0m  daemon     "), narrow
    assert narrow.count("\n") > wide.count("\n"), (narrow, wide)
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        assert "\033" not in screen(words, 80, **{name: value})


def test_a_daemon_that_was_killed():
    with Daemon(*SYNTHETIC) as daemon:
        daemon.wait_ready().stop(signal.SIGKILL)
        code, found = of(daemon)
        assert code == UNWELL
        has(found["daemon"], "problem", "frames is there, but nobody listens")
        # It is waited for only where that is asked for.
        asking = daemon.tool("doctor", "--json", "--wait", DEADLINE_S)
        daemon.start()
        found = json.loads(asking.communicate(timeout=2 * DEADLINE_S)[0])
        assert found["checks"][0]["level"] == "ok", found


def test_a_daemon_that_stands_still():
    with Daemon(*SYNTHETIC) as daemon:
        os.kill(daemon.wait_ready().pid, signal.SIGSTOP)
        code, found = ask(camera=daemon.camera, runtime_dir=daemon.runtime_dir)
        assert code == UNWELL
        has(found["daemon"], "problem", "it does not answer")
        os.kill(daemon.pid, signal.SIGCONT)


def test_footage_that_ended():
    with open("footage", "wb") as file:
        file.write(bytes(3 * 64 * 48))
    with Daemon("--source", f"raw:{os.path.abspath('footage')}", "--size", "64x48", "--pixel-format", "R8") as daemon:
        daemon.wait_log("ended")
        _, found = of(daemon)
        has(found["frames"], "note", "none come: the source is ended", "look at what the daemon reads from")


def test_no_room():
    """In a /dev/shm of one's own."""
    code, found = ask(before=small_shm("8m"))
    assert code == UNWELL
    has(found["shm"], "problem", "8.0 MiB of 8.0 MiB are free in /dev/shm, where rings of about 23 MiB are to be",
        "sudo mount -o remount,size=64M /dev/shm")


def test_room_that_a_daemon_has_left():
    """Looked at from its own namespace."""
    with Daemon("--source", "synthetic", "--size", "640x480", wrapper=small_shm("3m")) as daemon:
        daemon.wait_log("synthetic: live")
        user = [] if os.getuid() == 0 else ["-U", "--preserve-credentials"]
        code, found = of(daemon, before=["nsenter", *user, "-m", "-t", daemon.pid])
        assert code == UNWELL
        has(found["shm"], "problem", "no private stream, no larger size", "sudo mount -o remount")


def test_io_uring_is_forbidden():
    _, found = ask(before=[FORBID])
    has(found["io_uring"], "note", "a system call filter forbids it: a daemon would use epoll", "allow io_uring_setup")
    with Daemon(*SYNTHETIC, "--io", "auto", wrapper=[FORBID]) as daemon:
        daemon.wait_ready()
        _, found = of(daemon, before=[FORBID])
        has(found["io_uring"], "note", "a system call filter forbids it: the daemon uses epoll")
        _, found = of(daemon)
        assert found["io_uring"]["level"] == "note" and "epoll" in found["io_uring"]["text"], found["io_uring"]
    with Daemon(*SYNTHETIC, "--io", "epoll") as daemon:
        _, found = of(daemon.wait_ready())
        has(found["io_uring"], "ok", "epoll, as its settings say")


def test_wrong_settings():
    os.mkdir("etc")
    with open("etc/cam7.json", "w", encoding="ascii") as file:
        file.write('{"size": "640x",\n "slots": 3}')
    code, found = ask(camera="cam7", env=dict(os.environ, LUMARING_CONFIG_DIR=os.path.abspath("etc")))
    assert code == UNWELL
    has(found["settings"], "problem", "cam7.json:1:10: size", "lumaringd --check-config --camera cam7")


def test_who_may():
    """Frames and changes are for groups: who is in neither, in one, will be with the next session."""
    skip_unless(os.getuid() == 0, "becoming another user needs root")
    reachable_copy()
    member = next(u for u in pwd.getpwall() if u.pw_uid and u.pw_gid)  # in its primary group, by the database
    reading = grp.getgrgid(member.pw_gid)
    changing = next(g for g in grp.getgrall() if g.gr_gid not in (0, reading.gr_gid) and not g.gr_mem and
                    g.gr_gid not in os.getgrouplist(member.pw_name, member.pw_gid))
    stranger = next(u for u in pwd.getpwall() if u.pw_uid and reading.gr_gid not in
                    os.getgrouplist(u.pw_name, u.pw_gid))

    def session(user, *groups):
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={SOMEBODY}",
                "--groups=" + ",".join(str(g.gr_gid) for g in groups) if groups else "--clear-groups"]

    with Daemon(*SYNTHETIC, "--group", reading.gr_name, "--control-group", changing.gr_name,
                runtime_dir=lib.BUILD / "run") as daemon:
        daemon.wait_ready()
        code, found = of(daemon, before=session(stranger))
        assert code == UNWELL
        has(found["daemon"], "problem", "not for you", "see groups")
        has(found["groups"], "problem", f"for the group {reading.gr_name}, which you are not in",
            f"sudo usermod -aG {reading.gr_name} {stranger.pw_name}  # then log in again")
        _, found = of(daemon, before=session(member))
        has(found["groups"], "problem", "this session is not yet", f"log in again: {member.pw_name} was put into")
        _, found = of(daemon, before=session(member, reading))
        has(found["groups"], "note", f"you may read frames (group {reading.gr_name}); changes are for the group "
            f"{changing.gr_name}, which you are not in", f"sudo usermod -aG {changing.gr_name} {member.pw_name}")
        _, found = of(daemon, before=session(member, reading, changing))
        has(found["groups"], "ok", "and change things")
        # Nothing was changed by asking.
        assert "changed" not in daemon.log(), daemon.log()
    with Daemon(*SYNTHETIC, runtime_dir=lib.BUILD / "run") as daemon:
        _, found = of(daemon.wait_ready(), before=as_user(SOMEBODY))
        has(found["groups"], "problem", "for root alone")


def test_usage():
    for words, talk in ((("--camera", "a/b"), "the camera's name"), (("--all",), "'doctor' takes no --all"),
                        (("word",), "'doctor' takes no 'word'")):
        done = subprocess.run([BUILD / "lumaring", "doctor", *words], capture_output=True, text=True,
                              timeout=DEADLINE_S, check=False)
        assert done.returncode == 2 and talk in done.stderr and not done.stdout, done
