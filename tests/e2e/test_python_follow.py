# SPDX-License-Identifier: BSD-2-Clause
"""The examples in Python: the one that follows a very small object, as test_follow.py has it for C, and the one that has
OpenCV look at frames.
"""
import os
import re
import subprocess
import sys

import following
from following import brief
from lib import BUILD, DEADLINE_S, ROOT, Daemon
from test_follow import check, check_both, check_interrupted, check_refound, check_regions, follow

EXAMPLES = ROOT / "client-lib" / "examples"
PROGRAM = sys.executable, str(EXAMPLES / "follow.py")


def test_python():
    text, lines, score = follow(("--speed", 30), "-n", "150", "-w", "64", program=PROGRAM)
    check(score)
    check_regions(lines)
    assert len(lines) == 150 and "moving region" in text, text
    print(f"figure: Python: {brief(score)}")


def test_python_lost_and_found():
    _, lines, score = follow(("--script", "leave"), "-n", "160", program=PROGRAM)
    check(score)
    check_refound(lines, score)


def test_python_interrupted():
    check_interrupted(PROGRAM)


def test_python_both():
    text, lines, score = follow((), "-n", "40", "-b", program=PROGRAM)
    check(score)
    check_both(text, lines)


OPENCV = """
import numpy
CV_16S = 3
def Laplacian(array, kind):
    assert kind == CV_16S and array.shape == (480, 640) and array.base is not None and not array.flags.writeable
    return numpy.abs(numpy.diff(array.astype(numpy.int16)))
def meanStdDev(array):
    return numpy.full((1, 1), array.mean()), numpy.full((1, 1), array.std())
"""


def test_opencv():
    """What it hands to OpenCV, by one that has nothing but the two calls: frames in place, of which nothing is copied."""
    with open("cv2.py", "w", encoding="ascii") as file:
        file.write(OPENCV)
    following.make(BUILD / "tests" / "scene", "scene.y4m", "--size", "640x480", "--frames", 60)
    environment = dict(os.environ, PYTHONPATH=f"{os.getcwd()}:{os.environ['PYTHONPATH']}")
    environment = {name: value for name, value in environment.items() if "DISPLAY" not in name}
    with Daemon("--source", "replay:scene.y4m", "--framerate", 50, "--wait-clients", 1) as daemon:
        environment["LUMARING_RUNTIME_DIR"] = daemon.wait_ready().runtime_dir
        done = subprocess.run([sys.executable, EXAMPLES / "opencv.py", daemon.camera], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=DEADLINE_S, check=False, env=environment)
    assert done.returncode == 0 and not done.stderr, (done.returncode, done.stderr)
    line = re.match(r"frame (\d+): sharpness (\d+\.\d); \d+\.\d frames/s, \d+\.\d\d ms each\n", done.stdout)
    frame, sharpness = line.groups()
    assert int(frame) > 1 and float(sharpness) > 0, done.stdout
