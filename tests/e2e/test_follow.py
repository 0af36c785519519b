# SPDX-License-Identifier: BSD-2-Clause
"""The example that follows a very small object, on footage in which it is known where that is."""
import os
import signal
import subprocess

import following
from following import brief
from lib import BUILD, DEADLINE_S, Daemon

SIZE = "640x480"
FOLLOWED_MIN = 0.6  # of the frames that were looked at: a busy machine skips some, and the object is sought again
PIXELS_MAX = 1
CUT_PIXELS_MAX = 3  # half of the object: of which the edge of a region has cut something, when frames were skipped
REFOUND_MAX = 30    # frames


def follow(scene, *options, program=(BUILD / "examples" / "follow",), env=None):
    """What it says of a scene, and how well it did."""
    truth = following.make(BUILD / "tests" / "scene", "scene.y4m", "--size", SIZE, *scene)
    with Daemon("--source", "replay:scene.y4m", "--loop", "--framerate", 100, "--wait-clients", 1) as daemon:
        daemon.wait_ready()
        environment = dict(env or os.environ, LUMARING_RUNTIME_DIR=daemon.runtime_dir)
        done = subprocess.run([*program, "-c", daemon.camera, *options], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=DEADLINE_S, check=False, env=environment)
    assert done.returncode == 0, (done.returncode, done.stderr)
    lines = following.parse(done.stdout)
    return done.stdout, lines, following.score(lines, truth)


def check(score):
    assert score.followed >= FOLLOWED_MIN * score.visible and not score.wrong, brief(score)
    assert following.percentile(score.errors, 90) <= PIXELS_MAX and score.errors[-1] <= CUT_PIXELS_MAX, brief(score)


def check_regions(lines):
    """While it is followed no more than its surroundings are copied. They are just large enough, if they are where it
    goes: only when it is reflected at an edge it may not be in them, and a larger region is looked at."""
    regions = [line.region for line in lines if line.state != "learning"]
    assert regions.count("64x64") >= 0.5 * len(regions), regions
    assert "64x64" not in regions[:2] and regions.count(SIZE) <= 50, regions


def check_interrupted(program):
    """Too fast for the region: after Ctrl-C it says what there was, and what may help."""
    following.make(BUILD / "tests" / "scene", "scene.y4m", "--size", SIZE, "--speed", 30)
    with Daemon("--source", "replay:scene.y4m", "--loop", "--framerate", 100) as daemon:
        environment = dict(os.environ, LUMARING_RUNTIME_DIR=daemon.wait_ready().runtime_dir, PYTHONUNBUFFERED="1")
        command = [*program, "-c", daemon.camera, "-w", "16"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as tool:
            try:
                for _ in range(80):
                    assert tool.stdout.readline(), "it ended by itself"
                tool.send_signal(signal.SIGINT)
                out, talk = tool.communicate(timeout=DEADLINE_S)
            finally:
                tool.kill()
    assert tool.returncode == 0 and "position in 0 of " in out and "KiB of" in out, (tool.returncode, out, talk)
    assert talk.startswith("follow: nothing found: what moves more than 8 pixels a frame needs a larger -w"), talk


def test_c_interrupted():
    check_interrupted((BUILD / "examples" / "follow",))


def test_c():
    text, lines, score = follow(("--speed", 30), "-n", "150", "-w", "64")
    check(score)
    check_regions(lines)
    assert len(lines) == 150 and "moving region" in text, text
    print(f"figure: C: {brief(score)}")


def check_refound(lines, score):
    """It left the image and came back: that is said, larger and larger regions are looked at, and it is found again."""
    assert score.lost and score.refound and max(score.refound) <= REFOUND_MAX, brief(score)
    assert lines[[line.state for line in lines].index("lost") + 2].region == SIZE
    assert "192x192" in [line.region for line in lines if line.state == "missing"]


def test_c_lost_and_found():
    _, lines, score = follow(("--script", "leave"), "-n", "160")
    check(score)
    check_refound(lines, score)


def check_both(text, lines):
    """The same on whole frames, beside it."""
    assert len(lines) == 80 and {line.region for line in lines[-40:]} == {SIZE}
    table = {line[:14].strip(): line.split()[-1] for line in text.splitlines()[-3:]}
    assert list(table) == ["looking for it", "moving region", "whole frames"], text
    assert float(table["whole frames"]) == 640 * 480 / 1024 > 3 * float(table["moving region"])


def test_c_both():
    text, lines, score = follow((), "-n", "40", "-b")
    check(score)
    check_both(text, lines)
