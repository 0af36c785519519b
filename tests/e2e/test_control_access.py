# SPDX-License-Identifier: BSD-2-Clause
"""Who may call what on the control socket: supplementary and primary members of the two groups, and strangers."""
import grp
import json
import os
import pwd
import stat
import subprocess

import lib
from lib import DEADLINE_S, Daemon, skip_unless
from test_access import SOMEBODY, as_user, mode, reachable_copy
from test_daemon import SYNTHETIC

CHANGE = {"configuration": {"frame_duration_us": {"minimum": 20000, "maximum": 20000}}}


def call(daemon, who, method, parameters=None):
    """(exit code of the tool, what it said) for a call by somebody: words in front of the command."""
    done = subprocess.run([*who, lib.BUILD / "lumaring", "--camera", daemon.camera, "--runtime-dir", daemon.runtime_dir,
                           "call", method, json.dumps(parameters or {})], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=DEADLINE_S, check=False, encoding="utf-8")
    return done.returncode, done.stdout + done.stderr


def groups():
    skip_unless(os.getuid() == 0, "becoming another user needs root")
    reachable_copy()
    return grp.getgrall()[-1], grp.getgrall()[-2]


def test_two_groups():
    """Supplementary membership counts; who only reads is told the group that changes; a stranger may nothing."""
    reading, changing = groups()
    with Daemon(*SYNTHETIC, "--group", reading.gr_name, "--control-group", changing.gr_name,
                runtime_dir=lib.BUILD / "run") as daemon:
        daemon.wait_ready()
        assert mode(f"{daemon.runtime_dir}/{daemon.camera}/control") == 0o666
        primary = ["setpriv", f"--reuid={SOMEBODY}", f"--regid={changing.gr_gid}", "--clear-groups"]
        reader = as_user(SOMEBODY, reading.gr_gid)
        for who, may_read, may_change in ((reader, True, False), (as_user(SOMEBODY, changing.gr_gid), True, True),
                                          (as_user(SOMEBODY, reading.gr_gid, changing.gr_gid), True, True),
                                          (primary, True, True), (as_user(SOMEBODY), False, False), ([], True, True)):
            for method, parameters, may in (("GetConfiguration", None, may_read), ("Configure", CHANGE, may_change)):
                code, said = call(daemon, who, method, parameters)
                assert (code == 0) == may, (who, method, code, said)
                if not may:
                    needed = changing if method == "Configure" else reading
                    assert code == 4 and method in said and needed.gr_name in said, (who, code, said)
        assert daemon.stop() == 0


def test_what_makes_a_member():
    """A method that is not for the caller's group: the line is made of the group that the daemon names."""
    skip_unless(os.getuid() == 0, "becoming another user needs root")
    reachable_copy()
    users = [u for u in pwd.getpwall() if u.pw_uid and u.pw_gid]
    reader = next(u for u in users if u.pw_gid != users[0].pw_gid)
    reading, changing = (grp.getgrgid(u.pw_gid).gr_name for u in (reader, users[0]))
    with Daemon(*SYNTHETIC, "--group", reading, "--control-group", changing, runtime_dir=lib.BUILD / "run") as daemon:
        daemon.wait_ready()
        who = ["setpriv", f"--reuid={reader.pw_uid}", f"--regid={reader.pw_gid}", "--clear-groups"]
        assert call(daemon, who, "GetConfiguration")[0] == 0
        code, said = call(daemon, who, "Configure", CHANGE)
        line = f"is for the group {changing}: sudo usermod -aG {changing} {reader.pw_name}, then log in again\n"
        assert code == 4 and "permission denied: " in said and line in said, (code, said)
        assert daemon.stop() == 0


def test_one_group():
    """The file itself keeps strangers out; members of the one group read, and root changes."""
    reading, _ = groups()
    with Daemon(*SYNTHETIC, "--group", reading.gr_name, runtime_dir=lib.BUILD / "run") as daemon:
        daemon.wait_ready()
        status = os.stat(f"{daemon.runtime_dir}/{daemon.camera}/control")
        assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o660, reading.gr_gid)
        member = as_user(SOMEBODY, reading.gr_gid)
        assert call(daemon, member, "GetStatus")[0] == 0
        code, said = call(daemon, member, "Configure", CHANGE)
        assert code == 4 and "Configure" in said, (code, said)
        code, said = call(daemon, as_user(SOMEBODY), "GetStatus")
        assert code == 4, (code, said)
        assert call(daemon, [], "Configure", CHANGE)[0] == 0
        assert daemon.stop() == 0
