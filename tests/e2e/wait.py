# SPDX-License-Identifier: BSD-2-Clause
"""Waiting for what has no event of its own, in every test: here, in the box of tests/systemd, in the machine of tests/vm.
"""
import time

DEADLINE_S = 60  # for things that are to happen; only ever reached when something is broken
READINGS, READING_S = 6, 0.03
LOOK_FIRST_S, LOOK_LAST_S = 0.005, 0.05  # to look may cost something: the longer it lasts, the more seldom


def wait_until(condition, what, seconds=DEADLINE_S):
    """Poll; returns the condition's value when that is true."""
    end = time.monotonic() + seconds
    pause = LOOK_FIRST_S
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(pause)
        pause = min(pause * 1.2, LOOK_LAST_S)


def at_rest(read):
    """The least of some readings: without what is there for a moment, as the connection of a question just answered."""
    readings = [read()]
    while len(readings) < READINGS:
        time.sleep(READING_S)
        readings.append(read())
    return min(readings)
