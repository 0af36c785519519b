# SPDX-License-Identifier: BSD-2-Clause
"""What the end-to-end tests share: a daemon in a directory of its own, the tool, raw clients, and leak counting.

Run as a program (by tests/run): lib.py FILE FUNCTION calls that test in a temporary directory and exits 0, or 77 for a
skip. Lines a test prints that begin with "figure: " are shown also when it passes. Files test_python_*.py are for the
Python package: they, and what they start, run in an interpreter that has numpy, and find the package and its library.
"""
import importlib.util
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback

from wait import DEADLINE_S, wait_until

BUILD = pathlib.Path(os.environ.get("LUMARING_BUILD", "build")).resolve()
ROOT = pathlib.Path(__file__).resolve().parents[2]
IO = os.environ.get("LUMARING_TEST_IO", "")  # back-end of every daemon whose test does not choose one
os.environ["LUMARING_CONFIG_DIR"] = "/nowhere"  # what this machine has for its cameras does not concern a test


class Skip(Exception):
    """Raised by a test that cannot run here; the text says why."""


def skip_unless(condition, why):
    if not condition:
        raise Skip(why)


def python():
    """The interpreter of those that use the Python package: this one if it has numpy, else the system's."""
    if importlib.util.find_spec("numpy"):
        return sys.executable
    system = "/usr/bin/python3"
    probe = "import importlib.util, sys; sys.exit(not importlib.util.find_spec('numpy'))"
    assert os.path.exists(system) and subprocess.run([system, "-c", probe]).returncode == 0, \
        f"neither {sys.executable} nor {system} has numpy: tests/deps check"
    return system


def use_package():
    """Let this test and its children use the Python package of this tree."""
    os.environ["PYTHONPATH"] = str(ROOT / "client-lib" / "python")
    os.environ["LUMARING_LIBRARY"] = str(BUILD / "liblumaring.so.0")
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    if python() != sys.executable:
        os.execv(python(), [python(), *sys.argv])
    sys.path.insert(0, os.environ["PYTHONPATH"])


def shm_names(camera):
    return sorted(p.name for p in pathlib.Path("/dev/shm").glob(f"lumaring.{camera}.*"))


class Daemon:
    """lumaringd with a runtime directory and a camera name of its own; stopped at the end of `with`."""
    number = 0

    def __init__(self, *options, camera=None, runtime_dir=None, stdin=None, env=None, wrapper=(), program=BUILD / "lumaringd"):
        Daemon.number += 1
        self.camera = camera or f"t{os.getpid()}-{Daemon.number}"
        self.runtime_dir = str(runtime_dir or tempfile.mkdtemp(prefix="run.", dir="."))
        self.runtime_dir = os.path.abspath(self.runtime_dir)
        self.log_path = os.path.abspath(f"daemon.{Daemon.number}.log")
        self.options = [str(o) for o in options]
        if IO and "--io" not in self.options:
            self.options += ["--io", IO]
        self.stdin, self.env, self.wrapper, self.program = stdin, env, list(wrapper), str(program)
        self.process = None
        self.start()

    def start(self):
        command = self.wrapper + [self.program, "--camera", self.camera, "--runtime-dir", self.runtime_dir]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command + self.options, stdin=self.stdin or subprocess.DEVNULL, stderr=log,
                                            stdout=log, env=self.env)

    @property
    def pid(self):
        return self.process.pid

    @property
    def socket_path(self):
        return f"{self.runtime_dir}/{self.camera}/frames"

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_ready(self):
        wait_until(lambda: self.process.poll() is not None or "serving " in self.log(), "daemon serves")
        assert self.process.poll() is None, f"daemon ended with {self.process.returncode}: {self.log()}"
        return self

    def wait_log(self, text):
        wait_until(lambda: text in self.log() or self.process.poll() is not None, f"log line {text!r}")
        assert text in self.log(), self.log()

    def wait_exit(self):
        return self.process.wait(DEADLINE_S)

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
        return self.wait_exit()

    def fd_count(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def rss_kib(self):
        """Private resident memory: what a leak would show in, without the shared rings."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return int(next(line for line in file if line.startswith("RssAnon")).split()[1])

    def tool(self, *arguments, **keywords):
        """Start `lumaring VERB ...` against this daemon."""
        keywords.setdefault("stdout", subprocess.PIPE)
        keywords.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen([str(BUILD / "lumaring"), "--camera", self.camera, "--runtime-dir", self.runtime_dir,
                                 *[str(a) for a in arguments]], **keywords)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.stop()
        if kind is not None and kind is not Skip:
            print(f"--- log of the daemon:\n{self.log()}---")


def main():
    path, function = sys.argv[1:]
    path = os.path.abspath(path)
    if os.path.basename(path).startswith("test_python_"):
        use_package()
    sys.path.insert(0, os.path.dirname(path))
    sys.modules["lib"] = sys.modules["__main__"]  # one Skip, one counter
    spec = importlib.util.spec_from_file_location("test", path)
    module = importlib.util.module_from_spec(spec)
    directory = tempfile.mkdtemp(prefix="lumaring-test.")
    os.chdir(directory)
    try:
        spec.loader.exec_module(module)
        getattr(module, function)()
    except Skip as why:
        print(why)
        return 77
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        return 1
    finally:
        os.chdir("/")
        shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
