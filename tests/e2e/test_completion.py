# SPDX-License-Identifier: BSD-2-Clause
"""Completion in bash: every verb and every option of its help, and values: cameras, streams, formats, files."""
import os
import pty
import re
import select
import socket
import subprocess
import time

from lib import BUILD, DEADLINE_S, ROOT, Daemon, wait_until

SCRIPTS = {"lumaring": ROOT / "client-lib/cli/lumaring.bash", "lumaringd": ROOT / "daemon/lumaringd.bash"}
# As bash does at TAB: the words split, "=" and ":" too, and the cursor in the last one.
ASK = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); "_$1" "$1"; printf "%s\\n" "${COMPREPLY[@]}"'


def complete(*lines, env=None):
    """What each command line is completed to: a set of words each. All in one bash."""
    script, arguments = "", []
    for line in lines:
        words = [w for part in line.split(" ") for w in (re.split(r"([=:])", part) if part else [""])]
        words = words[:-1] if len(words) > 1 and words[-1] == "" and words[-2] in "=:" else words
        arguments.append([str(SCRIPTS[words[0]]), *words])
    for argument in arguments:
        script += f"( set -- {' '.join(repr(a) for a in argument)}; {ASK} ); echo ----\n"
    done = subprocess.run(["bash", "--norc", "-c", script], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=DEADLINE_S, check=True, env={**os.environ, "PATH": f"{BUILD}:{os.environ['PATH']}",
                                                               "XDG_RUNTIME_DIR": "/nowhere", **(env or {})})
    assert done.stderr == "", done.stderr
    found = [set(part.split()) for part in done.stdout.split("----\n")[:-1]]
    assert len(found) == len(lines), done.stdout
    return found


def help_of(program, *words):
    return subprocess.run([BUILD / program, *words], capture_output=True, text=True, check=True).stdout


def verbs():
    return re.findall(r"^  ([a-z]+)\b", help_of("lumaring", "--help").split("Verbs:\n")[1].split("\n\n")[0], re.M)


def options(text):
    """By another way than the scripts': all that begins a line."""
    return {name for head in re.findall(r"^ +(?=-)(?:(?! {2}).)*", text, re.M)
            for name in re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", head, re.I)}


def test_every_option_of_every_verb():
    names = verbs()
    assert {"watch", "doctor", "help"} <= set(names)
    found = complete("lumaring ", *(f"lumaring {name} -" for name in names if name != "help"))
    assert found[0] == set(names), found[0]
    for name, words in zip([name for name in names if name != "help"], found[1:]):
        wanted = options(help_of("lumaring", "help", name).split("Options:\n")[1].split("Exit codes")[0])
        assert len(wanted) > 2 and words == wanted, (name, words ^ wanted)
    # Before there is a verb, what any takes but bench; and with options before it the verbs all the same.
    all_, after, bench = complete("lumaring --", "lumaring --camera cam0 --json --width 640 st", "lumaring bench --")
    assert {"--camera", "--width", "--more", "--y4m"} <= all_, all_
    assert after == {n for n in names if n.startswith("st")} and bench == {"--camera", "--size", "--help"}, (after, bench)


def test_every_option_of_the_daemon():
    wanted = {name for name in options(help_of("lumaringd", "--help")) if name.startswith("--")}
    assert len(wanted) > 50
    found, = complete("lumaringd --")
    assert found == wanted, found ^ wanted


def test_values():
    for name in ("here.png", "there.png"):
        with open(name, "w", encoding="ascii"):
            pass
    os.mkdir("hereabouts")
    got = complete("lumaring snap --format ", "lumaring snap --format=p", "lumaring watch --pixels R1", "lumaring help cap",
                   "lumaring snap he", "lumaring --runtime-dir he", "lumaring streams ", "lumaring get contr",
                   "lumaring watch --count ", "lumaring nonsense ", "lumaring streams add x ")
    assert got == [{"png", "pgm"}, {"png", "pgm"}, {"R16"}, {"capabilities"}, {"here.png", "hereabouts"}, {"hereabouts"},
                   {"add", "remove"}, {"controls", "contrast"}, set(), set(), set()], got
    got = complete("lumaringd --io ", "lumaringd --luma-range=l", "lumaringd --source s", "lumaringd --source replay:he",
                   "lumaringd --config he", "lumaringd --control-group roo", "lumaringd --slots ")
    assert got == [{"auto", "uring", "epoll"}, {"limited"}, {"synthetic"}, {"here.png", "hereabouts"},
                   {"here.png", "hereabouts"}, {"root"}, set()], got


def test_what_can_be_got():
    """The one list that the script has itself."""
    said = subprocess.run([BUILD / "lumaring", "get", "nonsense"], capture_output=True, text=True, check=False).stderr
    names = re.split(r", | and ", said.split("only ")[1].strip())
    crop = "scaler-crop"
    wanted = {crop + name if name.startswith("-") else name for name in names}
    assert crop + "-height" in wanted, said
    found, = complete("lumaring get ")
    assert found == wanted, found ^ wanted


def test_what_a_daemon_has():
    with Daemon("--source", "synthetic", "--size", "64x48", "--stream", "main", "--stream", "ball=0,0,8,8") as daemon:
        daemon.wait_log("synthetic: live")
        where = f"--runtime-dir {daemon.runtime_dir}"
        os.makedirs(f"{daemon.runtime_dir}/left")
        with socket.socket(socket.AF_UNIX) as other:
            os.mkdir(f"{daemon.runtime_dir}/other")
            other.bind(f"{daemon.runtime_dir}/other/frames")
        here = f"{where} --camera {daemon.camera}"
        streams = {"main", "ball"}
        lines = (f"lumaring {where} --camera ", f"lumaring watch {here} --stream ", f"lumaring {here} region b",
                 f"lumaring streams remove {here} ", f"lumaring set {here} --pixel-format R",
                 f"lumaring call {here} GetS", f"lumaring {where} --camera nobody watch --stream ")
        # A TAB has a second for the daemon's answer, which may be too little where a lot runs.
        got = wait_until(lambda: all((g := complete(*lines))[:6]) and g, "an answer in time")
        assert got[:4] == [{daemon.camera, "other"}, streams, {"ball"}, streams], got
        assert "R8" in got[4] and got[5] == {"GetStatus"} and got[6] == set(), got
        got, = complete("lumaring --camera ", env={"LUMARING_RUNTIME_DIR": daemon.runtime_dir})
        assert got == {daemon.camera, "other"}, got


def test_in_a_shell():
    """A TAB in bash itself, on a terminal."""
    main, side = pty.openpty()
    env = {**os.environ, "PATH": f"{BUILD}:{os.environ['PATH']}", "PS1": "> ", "INPUTRC": "/dev/null", "TERM": "dumb"}
    with subprocess.Popen(["bash", "--norc", "--noprofile", "-i"], stdin=side, stdout=side, stderr=side, env=env,
                          start_new_session=True) as shell:
        os.close(side)
        os.write(main, f"source {SCRIPTS['lumaring']}\nlumaring capab\t --tim\t 3 --js\t\n".encode())
        text, until = b"", time.monotonic() + DEADLINE_S
        while b"capabilities  --timeout  3 --json" not in text and time.monotonic() < until:
            if select.select([main], [], [], 1)[0]:
                text += os.read(main, 4096)
        os.write(main, b"\x03\nexit\n")
        os.close(main)
        shell.kill()
    assert b"capabilities  --timeout  3 --json" in text, text
