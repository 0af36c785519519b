# SPDX-License-Identifier: BSD-2-Clause
"""In the box of tests/sdbox: the daemon as a service of systemd, from the installed packages, and its clients.

tests/systemd/check runs each test_* there in a process and a directory of its own. What a test waits for is an event,
with a time limit that is reached only where something is broken: this machine may be slow.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading

import lib
from lib import BUILD, DEADLINE_S, wait_until

CONFIG = pathlib.Path("/etc/lumaring")
DROP_INS = pathlib.Path("/etc/systemd/system")
RUNTIME = pathlib.Path("/run/lumaring")


def as_user(command, user, groups):
    if not user:
        return command
    groups = ["--groups", ",".join(groups)] if groups else ["--clear-groups"]
    return ["setpriv", "--reuid", user, "--regid", user, *groups, *command]


def run(*command, check=True, user=None, groups=(), **keywords):
    """A finished command; `user` and `groups`: names, as whom it runs."""
    command = as_user(command, user, groups)
    done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False, text=True, **keywords)
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: exit code {done.returncode}: {done.stderr}{done.stdout}")
    return done


def make_user(name, *groups):
    """In a group of its name, and in these."""
    if run("id", name, check=False).returncode != 0:
        run("useradd", "--no-create-home", "--user-group", name)
    if groups:
        run("usermod", "--append", "--groups", ",".join(groups), name)
    return name


def process_status(pid):
    """/proc/PID/status as a dictionary."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return {key: value.strip() for key, value in (line.split(":", 1) for line in file)}


def private_kib(pid):
    """Private resident memory: what a leak would show in, without the shared rings."""
    return int(process_status(pid)["RssAnon"].split()[0])


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Service:
    """lumaringd@CAMERA with these settings in its file; with nothing of it left from before, nor afterwards."""

    def __init__(self, camera="cam0", **settings):
        self.camera = camera
        self.name = f"lumaringd@{camera}.service"
        self.sockets = [f"lumaringd-{kind}@{camera}.socket" for kind in ("frames", "control")]
        self.path = CONFIG / f"{camera}.json"
        self.runtime_dir = str(RUNTIME)
        self.clear()
        run("journalctl", "--sync")
        self.cursor = run("journalctl", "--lines", 0, "--show-cursor").stdout.rsplit("cursor: ", 1)[-1].strip()
        self.settings(**settings)

    def settings(self, **settings):
        CONFIG.mkdir(exist_ok=True)
        self.path.write_text(json.dumps(settings), encoding="utf-8")

    def drop_in(self, name, text, unit=None):
        """For the service, or another unit of its; in force with the next start."""
        path = DROP_INS / f"{unit or self.name}.d" / f"{name}.conf"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        run("systemctl", "daemon-reload")

    def clear(self):
        run("systemctl", "disable", "--quiet", self.name, *self.sockets, check=False)
        run("systemctl", "stop", *self.sockets, self.name, check=False)
        run("systemctl", "reset-failed", *self.sockets, self.name, check=False)
        self.path.unlink(missing_ok=True)
        shutil.rmtree(f"{self.path}.d", ignore_errors=True)
        for unit in [self.name, *self.sockets]:
            shutil.rmtree(DROP_INS / f"{unit}.d", ignore_errors=True)
        run("systemctl", "daemon-reload")

    def start(self, check=True):
        return run("systemctl", "start", self.name, check=check)

    def stop(self):
        return run("systemctl", "stop", self.name)

    def restart(self, check=True):
        return run("systemctl", "restart", self.name, check=check)

    def unit(self, field, unit=None):
        return run("systemctl", "show", "--value", "--property", field, unit or self.name).stdout.strip()

    def is_active(self, unit=None):
        return self.unit("ActiveState", unit) == "active"

    def pid(self):
        """0: there is none."""
        return int(self.unit("MainPID"))

    def kill(self, number=signal.SIGKILL):
        pid = self.pid()
        assert pid, "no daemon runs"  # 0 would be this test itself
        os.kill(pid, number)

    def lumaring(self, *arguments, check=True, **keywords):
        """The tool on this camera."""
        return run("lumaring", "--camera", self.camera, *arguments, check=check, **keywords)

    def status(self):
        return json.loads(self.lumaring("status", "--json").stdout)

    def stream(self, name="main"):
        return next(s for s in self.status()["streams"] if s["name"] == name)

    def wait_state(self, state):
        """Of the source: "live", "lost" ..."""
        return wait_until(lambda: (s := self.status())["source"]["state"] == state and s, f"source is {state}")

    def journal(self, *arguments):
        """Since this object was made, oldest first: the daemon's entries and those of systemd about it."""
        run("journalctl", "--sync")
        lines = run("journalctl", "--output", "json", "--all", "--no-pager", "--after-cursor", self.cursor, "--unit",
                    self.name, *arguments).stdout
        return [json.loads(line) for line in lines.splitlines()]

    def lines(self):
        """What the daemon wrote."""
        return [e["MESSAGE"] for e in self.journal() if e.get("SYSLOG_IDENTIFIER") == "lumaringd"]

    def events(self, kind):
        """The daemon's entries of a kind, as LUMARING_EVENT has it."""
        return [e for e in self.journal() if e.get("LUMARING_EVENT") == kind]

    def wait_journal(self, condition, what):
        """An entry that is so."""
        return wait_until(lambda: next((e for e in self.journal() if condition(e)), None), what)

    def wait_line(self, text):
        return self.wait_journal(lambda e: text in str(e.get("MESSAGE")), f"{text!r} in the journal")

    def shm_names(self):
        return lib.shm_names(self.camera)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None and kind is not lib.Skip:
            print(f"--- {self.name}: {self.unit('StatusText')}")
            print("\n".join(f"{e.get('SYSLOG_IDENTIFIER')}: {e.get('MESSAGE')}" for e in self.journal()[-60:]))
            print("---")
        self.clear()


class Clients:
    """tests/tools/verify; .events is a list of (client, name of an event or "frame", ms of CLOCK_MONOTONIC)."""

    def __init__(self, service, *arguments, mode="synthetic", user=None, groups=()):
        command = [BUILD / "tests" / "verify", mode, service.runtime_dir, service.camera, *arguments]
        command = as_user(command, user, groups)
        self.events, self.lines = [], []
        # Memory that it does not need any more it gives back, so that what it holds can be compared.
        env = {**os.environ, "MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_MMAP_THRESHOLD_": "32768"}
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, env=env)
        self.is_attached = threading.Event()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def attached(self):
        """Wait until all are."""
        assert self.is_attached.wait(2 * DEADLINE_S) and self.process.poll() is None, self.lines
        return self

    def read(self):
        for line in self.process.stdout:
            words = line.split()
            self.lines.append(line)
            if words[:1] == ["event"]:
                self.events.append((int(words[1]), words[2], int(words[3])))
            elif words[:1] == ["frame"]:
                self.events.append((int(words[1]), "frame", int(words[2])))
            elif words == ["attached"]:
                self.is_attached.set()
        self.is_attached.set()

    def told(self, name, since=0):
        """When the clients were told that, the first time, by number of the client."""
        first = {}
        for client, what, ms in self.events[since:]:
            if what == name:
                first.setdefault(client, ms)
        return first

    def result(self):
        """Let them end; what they found."""
        self.process.stdin.close()
        return self.finished()

    def finished(self):
        """What they found when they have seen as much as they were to."""
        try:
            self.process.wait(DEADLINE_S)
        finally:
            self.process.kill()
        self.reader.join()
        found = json.loads(self.lines[-1])
        assert self.process.returncode == 0 and not found["bad"] and not found["fault"], found
        return found
