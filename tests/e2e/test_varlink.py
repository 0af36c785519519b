# SPDX-License-Identifier: BSD-2-Clause
"""Clients of the control socket that others wrote, unchanged: varlinkctl of systemd, Python's varlink, socat.

The first two are Debian 13's (tests/debian13 unpacks them). What was said is kept in BUILD/transcripts.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

from control import INTERFACE
from lib import BUILD, DEADLINE_S, ROOT, Daemon, skip_unless

TREE = pathlib.Path(os.environ.get("LUMARING_DEBIAN13", ROOT / "build" / "debian13"))
SYNTHETIC = ("--source", "synthetic", "--size", "640x480", "--framerate", "30")
IDL = ROOT / "daemon" / "control" / f"{INTERFACE}.varlink"


class Transcript:
    """What was typed and what came, in a file that stays."""

    def __init__(self, name):
        directory = BUILD / "transcripts"
        directory.mkdir(exist_ok=True)
        self.file = open(directory / f"{name}.txt", "w", encoding="utf-8")  # pylint: disable=consider-using-with

    def run(self, *command, code=0, stdin="", seconds=DEADLINE_S):
        """Standard output of a command that is expected to exit with `code` (None: any but 0)."""
        done = subprocess.run([str(word) for word in command], input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=seconds, check=False, encoding="utf-8")
        shown = " ".join(f"'{word}'" if " " in str(word) or "{" in str(word) else str(word) for word in command)
        shown = shown.replace(f"{TREE}/run ", "")
        self.note(f"$ {shown}{f' <<< {stdin!r}' if stdin else ''}", done.stdout + done.stderr, f"exit {done.returncode}")
        assert done.returncode == code if code is not None else done.returncode != 0, done
        return done.stdout if code == 0 else done.stdout + done.stderr

    def note(self, *lines):
        for line in lines:
            self.file.write(line.rstrip("\n") + "\n")
        self.file.flush()


def address(daemon):
    return f"{daemon.runtime_dir}/{daemon.camera}/control"


def test_varlinkctl():
    skip_unless((TREE / "run").exists(), "no varlinkctl: tests/debian13 build/debian13 systemd python3-varlink")
    say = Transcript("varlinkctl")
    control = [TREE / "run", "varlinkctl"]
    with Daemon(*SYNTHETIC) as daemon:
        where = address(daemon.wait_ready())
        say.run(*control, "--version")
        info = say.run(*control, "info", where)
        assert "lumaring" in info and INTERFACE in info and "org.varlink.service" in info, info
        assert INTERFACE in say.run(*control, "list-interfaces", where)
        assert f"{INTERFACE}.Configure" in say.run(*control, "list-methods", where, INTERFACE)
        told = say.run(*control, "introspect", where, INTERFACE)
        for word in ("method Configure", "error OutOfRange", "type FrameDurations"):
            assert word in told, told
        assert say.run(*control, "validate-idl", IDL)
        status = json.loads(say.run(*control, "-j", "call", where, f"{INTERFACE}.GetStatus", "{}"))
        assert status["status"]["source"]["width"] == 640, status
        change = {"configuration": {"frame_duration_us": {"minimum": 20000, "maximum": 20000}}}
        applied = json.loads(say.run(*control, "-j", "call", where, f"{INTERFACE}.Configure", json.dumps(change)))
        assert applied["applied"]["configuration"]["frame_duration_us"] == {"minimum": 20000, "maximum": 20000}, applied
        assert applied["applied"]["restarted"] is False
        wrong = {"configuration": {"size": {"width": 70000, "height": 480}}}
        answer = say.run(*control, "-j", "call", where, f"{INTERFACE}.Configure", json.dumps(wrong), code=None)
        assert f"{INTERFACE}.OutOfRange" in answer and "70000" in answer and "65535" in answer, answer
        assert "MethodNotFound" in say.run(*control, "call", where, f"{INTERFACE}.Nothing", "{}", code=None)
        assert "ExpectedMore" in say.run(*control, "call", where, f"{INTERFACE}.Watch", "{}", code=None)
        watched = subprocess.Popen([str(word) for word in control] +
                                   ["-j", "call", "--more", where, f"{INTERFACE}.Watch", "{}"],
                                   stdout=subprocess.PIPE, encoding="utf-8")
        lines = [watched.stdout.readline()]  # the state comes at once
        change["configuration"]["frame_duration_us"] = {"minimum": 25000, "maximum": 25000}
        say.run(*control, "-j", "call", where, f"{INTERFACE}.Configure", json.dumps(change))
        while "25000" not in lines[-1]:
            lines.append(watched.stdout.readline())
            assert lines[-1], lines
        watched.kill()
        watched.wait()
        say.note(f"$ varlinkctl -j call --more {where} {INTERFACE}.Watch {{}}", "".join(lines))


def test_python_varlink():
    skip_unless((TREE / "run").exists(), "no Python varlink: tests/debian13 build/debian13 systemd python3-varlink")
    os.mkdir("modules")
    shutil.copytree(TREE / "usr/lib/python3/dist-packages/varlink", "modules/varlink")
    with Daemon(*SYNTHETIC) as daemon:
        where = address(daemon.wait_ready())
        program = f"""
import varlink
client = varlink.Client(address="unix:{where}")
print(sorted(client.get_interfaces()))
with client.open("{INTERFACE}") as camera, client.open("{INTERFACE}") as watcher:
    print(camera.GetConfiguration()["configuration"]["size"])
    changes = watcher.Watch(_more=True)
    print(next(changes)["kind"])
    made = camera.AddStream(stream=dict(name="ball", region=dict(x=8, y=8, width=64, height=64)))
    print(made["stream"]["name"], made["stream"]["region"])
    print(camera.Configure(configuration=dict(frame_duration_us=dict(minimum=20000, maximum=20000)))
          ["applied"]["configuration"]["frame_duration_us"])
    print(next(change for change in changes if change["kind"] == "configuration")["kind"])
    try:
        camera.SetRegion(stream="nobody", region=dict(x=0, y=0, width=1, height=1))
    except varlink.VarlinkError as error:
        print(error.error(), error.parameters())
    print(camera.RemoveStream(name="ball"))
"""
        say = Transcript("python-varlink")
        say.note(program)
        answer = say.run("env", f"PYTHONPATH={os.path.abspath('modules')}", sys.executable, "-c", program).splitlines()
        assert answer[0] == str(sorted([INTERFACE, "org.varlink.service"])), answer
        assert "640" in answer[1] and answer[2] == "state", answer
        assert answer[3].startswith("ball") and "64" in answer[3], answer
        assert "20000" in answer[4] and answer[5] == "configuration", answer
        assert answer[6].startswith(f"{INTERFACE}.NoSuchStream") and "main" in answer[6], answer


def test_socat():
    skip_unless(shutil.which("socat"), "no socat")
    say = Transcript("socat")
    with Daemon(*SYNTHETIC) as daemon:
        where = f"UNIX-CONNECT:{address(daemon.wait_ready())}"
        ask = f'{{"method": "{INTERFACE}.GetConfiguration"}}\n'
        answer = say.run("socat", "-t10", "-", where, stdin=ask)
        assert answer.endswith("}\n") and "\0" not in answer, answer
        assert json.loads(answer)["parameters"]["configuration"]["size"] == {"width": 640, "height": 480}, answer
        # Several at once, over several lines, without a newline at the very end of the last but one.
        many = f'{{\n  "method":\n  "{INTERFACE}.GetConfiguration"\n}}\n\n{ask}{{"method": "{INTERFACE}.Nothing"}}\n'
        answers = say.run("socat", "-t10", "-", where, stdin=many).splitlines()
        assert len(answers) == 3 and json.loads(answers[0]) == json.loads(answers[1]), answers
        assert json.loads(answers[2])["error"] == "org.varlink.service.MethodNotFound", answers
