# SPDX-License-Identifier: BSD-2-Clause
"""What programs that follow an object say, beside where it is: for tests and for `make bench`.

A scene is footage of tests/tools/scene.c, looped by a daemon. Its frames have numbers from 1 on, and so have those of the
footage: frame n of a daemon is number (n - 1) % N + 1 of the footage.
"""
import collections
import math
import re
import subprocess

Truth = collections.namedtuple("Truth", "places inside others")
Line = collections.namedtuple("Line", "sequence state place region latency_us")
Score = collections.namedtuple("Score", "frames visible followed wrong errors found_after lost refound")
WRONG_PIXELS = 8    # farther away than this it is not the object that was followed


def make(program, path, *options, stdin=subprocess.DEVNULL):
    """Write a scene; its truth."""
    with open(path, "wb") as file:
        subprocess.run([str(program), "--truth", f"{path}.truth", *[str(o) for o in options]], stdin=stdin, stdout=file,
                       check=True)
    return read_truth(f"{path}.truth")


def read_truth(path):
    places, inside, others = [], [], []
    with open(path, encoding="ascii") as file:
        for line in file:
            _, x, y, is_inside, other_x, other_y = line.split()
            places.append((float(x), float(y)))
            inside.append(is_inside == "1")
            others.append(None if other_x == "-" else (float(other_x), float(other_y)))
    return Truth(places, inside, others)


def parse(text):
    """The lines about frames; all others are left out."""
    lines = []
    for match in re.finditer(r"^(\d+) (\w+) (\S+) (\S+) (\d+x\d+) (\d+)$", text, re.M):
        sequence, state, x, y, region, latency_us = match.groups()
        lines.append(Line(int(sequence), state, None if x == "-" else (float(x), float(y)), region, int(latency_us)))
    return lines


def error(place, truth, number):
    """How far from the object, or from the other one of its kind."""
    places = [truth.places[number]] + ([truth.others[number]] if truth.others[number] else [])
    return min(math.dist(place, p) for p in places)


def score(lines, truth):
    """How well an object was followed, in the frames in which it was looked for. `refound`: frames with the object from
    each that says "lost" to the next position, if there was one."""
    errors, refound = [], []
    visible = followed = wrong = lost = 0
    found_after = lost_for = None
    for count, line in enumerate(lines, 1):
        number = (line.sequence - 1) % len(truth.places)
        visible += truth.inside[number] and line.state != "learning"
        lost += line.state == "lost"
        if line.state == "lost":
            lost_for = 0
        elif lost_for is not None:
            lost_for += truth.inside[number]
        if line.place is None:
            continue
        if lost_for is not None:
            refound.append(lost_for)
            lost_for = None
        found_after = found_after or count
        away = error(line.place, truth, number)
        if away > WRONG_PIXELS:
            wrong += 1
        elif truth.inside[number]:
            followed += 1
            errors.append(away)
    return Score(len(lines), visible, followed, wrong, sorted(errors), found_after, lost, refound)


def brief(found):
    """A score for people."""
    errors = found.errors or [math.nan]
    return (f"{found.followed} of {found.visible} frames followed, {found.wrong} wrong, error mean "
            f"{sum(errors) / len(errors):.3f} and at most {errors[-1]:.3f} pixels, found after {found.found_after} frames, "
            f"lost {found.lost} times, found again after {found.refound}")


def percentile(values, percent):
    """Of sorted values; NaN of none."""
    return values[(len(values) - 1) * percent // 100] if values else math.nan
