# SPDX-License-Identifier: BSD-2-Clause
"""In the machine of tests/vm/machine: guest.py FILE [TEST]... runs the tests of FILE, and has what they share.

Each function test_* is a test, in the order of the file. A line for each, "ok" or "FAILED", with the seconds it took and
the figures that it told; the last line is "N passed, N failed". The daemon is the service lumaringd@cam0 as it is
installed, but for what a test says, and what a test waits for is an event, with a time limit that is reached only where
something is broken: this machine may be slow.
"""
import contextlib
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
import traceback

from wait import DEADLINE_S, at_rest, wait_until

CAMERA = "cam0"
UNIT = f"lumaringd@{CAMERA}"
SOCKETS = (f"lumaringd-frames@{CAMERA}.socket", f"lumaringd-control@{CAMERA}.socket")
DROP_INS = pathlib.Path(f"/etc/systemd/system/{UNIT}.service.d")
EXAMPLES = pathlib.Path("/usr/local/share/doc/lumaring/examples")
RUNTIME = "/run/lumaring"
CONFIG = pathlib.Path(f"/etc/lumaring/{CAMERA}.json")
SHARE = pathlib.Path("/share")
VERIFY = "/usr/local/lib/lumaring-test/verify"

figures = []


def figure(text):
    """Something to be told beside the result."""
    figures.append(text)


def run(*command, check=True):
    done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: exit code {done.returncode}: {done.stderr.decode()}{done.stdout.decode()}")
    return done


def lumaring(*arguments, check=True):
    return run("lumaring", "--camera", CAMERA, *arguments, check=check)


# --- the USB camera, on the other side -----------------------------------------------------------------------------


def camera_stats():
    """What it did; see write_stats() of fakeuvc."""
    return wait_until(lambda: json.loads((SHARE / "camera-stats").read_text() or "{}"), "statistics of the camera")


def camera(*commands):
    """Have it obey; returns its statistics when it has."""
    target = camera_stats()["commands"] + len(commands)
    with open(SHARE / "camera-commands", "a", encoding="ascii") as file:
        file.write("".join(f"{c}\n" for c in commands))
    return wait_until(lambda: (s := camera_stats())["commands"] >= target and s, f"camera obeys {commands}")


# --- the daemon ----------------------------------------------------------------------------------------------------


def start(check=True, **settings):
    """The service with these settings, from the beginning; until it serves, or with `check` False does not."""
    stop()
    CONFIG.parent.mkdir(exist_ok=True)
    CONFIG.write_text(json.dumps({"source": "libcamera", **settings}))
    run("systemctl", "reset-failed", UNIT, check=False)
    run("systemctl", "start", UNIT, check=check)


def stop():
    """For good: where sockets wait, who connects starts it."""
    run("systemctl", "stop", UNIT, *SOCKETS)


@contextlib.contextmanager
def drop_in(name, text=None):
    """With settings of its own for the service, or with those of an example that comes with it."""
    stop()
    DROP_INS.mkdir(parents=True, exist_ok=True)
    (DROP_INS / name).write_text(text or (EXAMPLES / name).read_text())
    run("systemctl", "daemon-reload")
    try:
        yield
    finally:
        stop()
        (DROP_INS / name).unlink()
        run("systemctl", "daemon-reload")


def unit(name):
    return run("systemctl", "show", "--value", "--property", name, UNIT).stdout.decode().strip()


def pid():
    return int(unit("MainPID"))


def status():
    return json.loads(lumaring("status", "--json").stdout)


def stream(name="main", of=None):
    return next(s for s in (of or status())["streams"] if s["name"] == name)


def cameras():
    """The ids of all there are."""
    lines = run("lumaringd", "--list-cameras").stdout.decode().splitlines()
    return [line.split(": ", 1)[1].strip() for line in lines if line[:1].isdigit()]


def wait_camera(word):
    """The id of the camera that has this word in it, when it is there."""
    return wait_until(lambda: next((name for name in cameras() if word in name), None), f"a camera {word}")


def wait_state(state):
    """Of the source: "live", "lost" ..."""
    return wait_until(lambda: (s := status())["source"]["state"] == state and s, f"source is {state}")


def wait_frames(count):
    """So many more frames published on main."""
    began = stream()["published"]
    wait_until(lambda: stream()["published"] >= began + count, f"{count} frames more")


def journal(field="MESSAGE", only_now=False):
    """The daemon's lines, oldest first, of all or of the one that runs: a list of (priority, text)."""
    one = [f"_SYSTEMD_INVOCATION_ID={unit('InvocationID')}"] if only_now else ["--unit", UNIT]
    lines = run("journalctl", *one, "--output", "json", "--no-pager", "--all").stdout.decode().splitlines()
    entries = [json.loads(line) for line in lines]
    return [(int(e.get("PRIORITY", 6)), e.get(field)) for e in entries if isinstance(e.get(field), str)]


def descriptors():
    """At rest; who they are of is asked once, which takes longer here than all else."""
    directory = f"/proc/{pid()}/fd"
    return at_rest(lambda: len(os.listdir(directory)))


def process():
    """What the kernel says of it: /proc/PID/status."""
    with open(f"/proc/{pid()}/status", encoding="ascii") as file:
        return {key: value.strip() for key, _, value in (line.partition(":") for line in file)}


def private_kib():
    """Private resident memory: what a leak would show in."""
    return int(process()["RssAnon"].split()[0])


class Mapping:
    def __init__(self, head):
        self.name = " ".join(head.split()[5:])
        self.flags = []  # as in VmFlags of /proc/PID/smaps


def mappings():
    found = []
    with open(f"/proc/{pid()}/smaps", encoding="ascii", errors="replace") as file:
        for line in file:
            words = line.split()
            if not words[0].endswith(":"):
                found.append(Mapping(line))
            elif words[0] == "VmFlags:":
                found[-1].flags = words[1:]
    return found


class Clients:
    """tests/tools/verify, reading; .events is a list of (client, name or "frame", ms) as they come."""

    def __init__(self, mode, *arguments):
        command = [VERIFY, mode, RUNTIME, CAMERA, *[str(a) for a in arguments]]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.events, self.lines = [], []
        self.attached = threading.Event()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        assert self.attached.wait(2 * DEADLINE_S) and self.process.poll() is None, self.lines

    def read(self):
        for line in self.process.stdout:
            words = line.decode().split()
            self.lines.append(line.decode())
            if words[:1] == ["event"]:
                self.events.append((int(words[1]), words[2], int(words[3])))
            elif words[:1] == ["frame"]:
                self.events.append((int(words[1]), "frame", int(words[2])))
            elif words == ["attached"]:
                self.attached.set()
        self.attached.set()

    def told(self, name, since=0):
        """When the clients were told that, by number of the client."""
        return {client: ms for client, what, ms in self.events[since:] if what == name}

    def result(self, seconds=None):
        """Let them end, or with `seconds` wait for it; what they found."""
        if seconds is None:
            self.process.stdin.close()
        try:
            self.process.wait(seconds or DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self.reader.join()
        found = json.loads(self.lines[-1])
        assert self.process.returncode == 0 and not found["bad"] and not found["fault"], found
        return found


# --- running -------------------------------------------------------------------------------------------------------


def complain(function):
    print(f"FAILED {function.__name__}")
    traceback.print_exc(file=sys.stdout)
    print("--- the end of the journal")
    print("\n".join(text for _, text in journal()[-40:]))
    print("--- status\n" + lumaring("status", "--json", check=False).stdout.decode(errors="replace"))
    print(f"--- camera {(SHARE / 'camera-stats').read_text().strip() if (SHARE / 'camera-stats').exists() else 'none'}")


def run_tests(functions):
    passed = failed = 0
    for function in functions:
        figures.clear()
        began = time.monotonic()
        try:
            function()
            passed += 1
            print(f"ok     {function.__name__} ({time.monotonic() - began:.1f} s)")
        except Exception:  # a test's end, whatever it is
            failed += 1
            complain(function)
        for text in figures:
            print(f"       figure: {text}")
    stop()
    print(f"{passed} passed, {failed} failed")
    return failed > 0 or passed == 0


def main():
    path, *only = sys.argv[1:]
    sys.modules["guest"] = sys.modules["__main__"]
    spec = importlib.util.spec_from_file_location("tests", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    functions = [f for name, f in vars(module).items() if name.startswith("test_")]
    if not only:
        wanted = functions
    else:
        wanted = [f for f in functions if any(word in f.__name__ for word in only)]
    run("systemd-sysusers")  # as after an installation
    with open("/proc/uptime", encoding="ascii") as file:
        print(f"booted in {file.read().split()[0]} s, Linux {os.uname().release}, {os.cpu_count()} CPUs")
    return run_tests(wanted)


if __name__ == "__main__":
    sys.exit(main())
