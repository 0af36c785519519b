# SPDX-License-Identifier: BSD-2-Clause
"""The box itself, from outside (tests/systemd/check runs these there): nothing gets in, and nothing stays behind."""
import os
import pathlib
import signal
import subprocess

from lib import ROOT, wait_until

SDBOX = ROOT / "tests" / "sdbox"
CAN_NOT = 125


class Box:
    """One that runs a command, until it is killed."""

    def __init__(self, command="echo up; exec sleep 1000"):
        self.process = subprocess.Popen([SDBOX, "run", "sh", "-c", command], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.up = self.process.stdout.readline() == "up\n"

    def processes(self):
        """Of the box, and all that belong to it here; pids."""
        found, parents = [], [self.process.pid]
        while parents:
            found += parents
            parents = [int(pid) for parent in parents for pid in children(parent)]
        return found

    def end(self, number=signal.SIGTERM):
        os.kill(self.process.pid, number)
        return self.process.wait()


def children(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except FileNotFoundError:
        return []


def cgroups(box):
    """Its cgroup, where this system has them mounted."""
    with open("/proc/mounts", encoding="utf-8") as file:
        mounts = [pathlib.Path(line.split()[1]) for line in file if line.split()[2] == "cgroup2"]
    return [p for m in mounts if (p := m / f"lumaring-sdbox.{box.process.pid}").exists()] if mounts else None


def run(*command, **keywords):
    return subprocess.run([SDBOX, "run", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                          text=True, **keywords)


def test_runs_a_command():
    done = run("sh", "-c", "cat; echo more >&2; exit 7", input="text\n")
    assert (done.returncode, done.stdout, done.stderr) == (7, "text\n", "more\n"), done
    done = run("cat", "/nowhere/at-all")
    assert done.returncode == 1 and "at-all" in done.stderr, done
    done = run("--bind", ROOT, "/project", "sh", "-c", "cat /project/LICENSE && ! touch /project/new")
    assert done.returncode == 0 and done.stdout == (ROOT / "LICENSE").read_text(), done


def test_is_closed():
    """Of this system's processes, names, sockets and settings nothing is seen in there, and nothing of the box here."""
    mark = f"lumaring-box-{os.getpid()}"
    here = [pathlib.Path(directory, mark) for directory in ("/dev/shm", "/run", "/tmp")]
    for path in here:
        path.write_text("")
    try:
        done = run("sh", "-c", f"""
            ls /dev/shm /run /tmp | grep {mark}
            ps -e -o pid= -o comm= | grep -c . >/run/count
            [ "$(cat /proc/1/comm)" = systemd ] && [ "$(cat /run/count)" -lt 20 ] || echo processes
            [ "$(ls /sys/class/net)" = lo ] || echo network
            sysctl -q -w kernel.hostname=inside 2>/dev/null && echo sysctl
            echo 1 2>/dev/null >/proc/sys/vm/drop_caches && echo proc-sys
            modprobe -q dummy && echo module
            date -s @0 >/dev/null 2>&1 && echo clock
            touch /var/{mark} /etc/{mark} /usr/{mark} /root/{mark} /dev/shm/{mark}-inside
            systemctl is-system-running""")
    finally:
        for path in here:
            path.unlink()
    assert done.stdout == "running\n", done
    left = [f"{d}/{mark}" for d in ("/var", "/etc", "/usr", "/root") if os.path.exists(f"{d}/{mark}")]
    assert not left and not os.path.exists(f"/dev/shm/{mark}-inside"), left


def test_leaves_nothing():
    """However it ends; what is left of one that was killed the next one takes away."""
    for number in signal.SIGTERM, signal.SIGKILL:
        box = Box()
        assert box.up, box.process.stderr.read()
        pids = box.processes()
        assert len(pids) > 5 and cgroups(box) != [], pids
        assert box.end(number) != 0
        wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), f"all have gone after {number}")
        if number == signal.SIGKILL:
            assert run("true").returncode == 0
        assert not cgroups(box), number


def test_several():
    """At the same time, each for itself."""
    boxes = [Box(f"echo {i} >/var/lumaring-number; echo up; read line; cat /var/lumaring-number; exec sleep 1000")
             for i in range(3)]
    try:
        assert all(box.up for box in boxes)
        done = run("cat", "/var/lumaring-number")
        assert done.returncode == 1, done
        assert [box.process.stdout.readline() for box in boxes] == ["0\n", "1\n", "2\n"]
    finally:
        for box in boxes:
            box.end()


def test_says_why_it_cannot():
    done = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", SDBOX, "run", "true"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, text=True)
    assert done.returncode == CAN_NOT and done.stderr == "sdbox: this needs root\n", done
    done = run("--bind", "/nowhere/at-all", "/x", "true")
    assert done.returncode == CAN_NOT and "there is no /nowhere/at-all" in done.stderr, done
    # Root, but in a system that lets nobody mount anything.
    done = subprocess.run(["setpriv", "--bounding-set=-sys_admin", SDBOX, "run", "true"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False, text=True)
    assert done.returncode == CAN_NOT and done.stderr == "sdbox: this system lets even root make no namespaces\n", done
