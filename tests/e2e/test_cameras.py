# SPDX-License-Identifier: BSD-2-Clause
"""`lumaringd --list-cameras`: what there is, or one sentence that says what to look at."""
import os
import re
import subprocess

from lib import BUILD, DEADLINE_S

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
