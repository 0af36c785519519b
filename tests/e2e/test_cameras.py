# SPDX-License-Identifier: BSD-2-Clause
"""`lumaringd --list-cameras`: what there is, or one sentence that says what to look at; and a daemon without a camera."""
import os
import re
import subprocess

from lib import BUILD, DEADLINE_S, Daemon

DAEMON = os.path.join(BUILD, "lumaringd")


def run(*words):
    done = subprocess.run([DAEMON, *words], capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    return done.returncode, done.stdout, done.stderr


def test_list():
    code, output, talk = run("--list-cameras")
    if code == 0:  # a machine with cameras: each has an id, and formats by libcamera's names
        assert re.match(r"0: \S", output) and re.search(r"^   [A-Z]\w+ +\d+x\d+", output, re.M), output
        return
    assert (code, output) == (4, ""), (code, output, talk)
    sentence = talk.splitlines()[-1]
    assert re.match(r"lumaringd: libcamera \d+\.\d+\.\d+ finds no camera: ", sentence), talk
    for what in ("cable", "configuration", "group video", "another program"):
        assert what in sentence, (what, talk)


def test_list_takes_the_settings_of_a_daemon_and_says_what_is_wrong_with_them():
    code, output, talk = run("--list-cameras", "--size", "12x")
    assert (code, output) == (2, "") and talk.startswith('lumaringd: --size: "12x" is not'), talk


def test_list_is_documented():
    code, output, _ = run("--help")
    assert code == 0 and re.search(r"^  --list-cameras +\S", output, re.M), output


def test_an_absent_camera():
    """The daemon waits for it, says why once, and whoever asks is told."""
    with Daemon("--source", "libcamera:no-such-camera") as daemon:
        daemon.wait_ready()
        daemon.wait_log("source libcamera: source lost")

        def ask(*words):
            process = daemon.tool(*words)
            out, talk = process.communicate(timeout=DEADLINE_S)
            return process.returncode, out.decode(), talk.decode()

        code, out, _ = ask("status")
        assert code == 0 and re.search(r"^camera no-such-camera: absent: \S", out, re.M), out
        assert max(len(line) for line in out.splitlines()) <= 80, out
        code, out, _ = ask("capabilities")
        assert code == 0 and "no sizes are known\n" in out and "no-such-camera" not in out, out
        code, out, talk = ask("set", "--width", "640", "--height", "480")
        assert code == 4 and re.match(r"lumaring: the camera is not ready: \S.*: try again in 2000 ms$", talk), talk
        said = [line for line in daemon.log().splitlines() if re.search("finds no camera|there is no camera", line)]
        assert len(said) == 1 and said[0].endswith(", retrying every 2 s"), daemon.log()
        assert daemon.stop() == 0, daemon.log()
