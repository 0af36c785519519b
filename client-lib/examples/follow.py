#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Find a very small moving object, then follow it with a region that moves with every frame: follow.c in Python.

There is one private stream with room for the whole image. While the object is not known its region is the whole image;
then it is a small square where the object will be in the next frame, so that the daemon copies no more than that. While
the object is not in it the square doubles with each frame, until it is the whole image again.

An object is what differs from a background that is learnt all the time, hangs together, and moves on. The camera must stand
still.

A line for each frame: sequence, what was done, position, region, and the microseconds from the sensor to the position:
from sensor_ns, the begin of the exposure, if its clock is CLOCK_MONOTONIC, else from ready_ns, when the frame was
complete. A position is the middle of the object in the whole image; the middle of a pixel in column 5 is at 5.
"""
import argparse
import dataclasses
import os
import sys
import time

import numpy

import lumaring

PIXELS_MIN = 4          # of an object
DIFFERING_MAX = 20000   # with more pixels that differ it is the scene that has changed
LEARN_FRAMES = 3        # the background begins as their median, so that nothing that passes is in it
LEARN_EVERY = 4         # frames from one of them to the next
NOISES = 5              # a pixel differs when it does so by this many standard deviations of the noise
ALONE_PIXELS = 16       # that a spot must be away from what is too large to be one
MISSES_MAX = 3          # frames without the object after which it is lost
STILL_FRAMES = 60       # that something may stand still, and STILL_PIXELS what is no movement
TRIAL_FRAMES = 8        # after it was found, in which it must be there and move
STILL_PIXELS = 3
SAME_PIXELS = 1.5       # what is not farther from something is at the same place
PACE_KEPT = 0.99        # from frame to frame
UNSTEADY = 0.04         # from here on something does not move on steadily: a fifth of its speed, squared
STRANGE = 5             # from here on something is not the object: twice its speed from where it should be is 4
HOPE_FRAMES = 50        # after so many it should have been found
SLOTS = 4               # of the stream's ring: only the newest frame is ever wanted


# --- what is small and differs from the background -------------------------------------------------------------------

@dataclasses.dataclass
class Spot:
    x: float
    y: float
    pixels: int


@dataclasses.dataclass
class Run:
    """Pixels of one row that differ, from x on, before end."""
    x: int
    end: int
    y: int


class Background:
    """What the image looks like without an object; a frame may be any part of the image."""

    def __init__(self, pixels_max):
        self.pixels_max = pixels_max
        self.learnt = []
        self.levels = None  # of each pixel, once there are enough frames
        self.skip = 0
        self.noise = 0.0    # mean difference, levels
        self.work = {}      # room for intermediate results, by shape

    def learn(self, frame):
        """From whole frames, until there is a background."""
        if frame.shape != (frame.image_height, frame.image_width):
            return
        if self.skip:
            self.skip -= 1
            return
        self.skip = LEARN_EVERY - 1
        self.learnt.append(frame.copy())
        if len(self.learnt) == LEARN_FRAMES:
            a, b, c = self.learnt
            self.levels = numpy.maximum(numpy.minimum(a, b), numpy.minimum(numpy.maximum(a, b), c))
            self.learnt = []

    def _measure(self, pixels, levels):
        """By how much the light has changed, and the noise, from some rows of what is looked at."""
        step = pixels.shape[0] // 32 + 1
        some = pixels[::step].astype(numpy.int16)
        some -= levels[::step]
        change = round(int(some.sum()) / some.size)
        some -= change
        noise = int(numpy.abs(some, out=some).sum()) / some.size
        self.noise += (noise - self.noise) / (8 if self.noise else 1)
        # Gaussian noise has 1.25 times its mean as standard deviation.
        return change, min(max(int(1.25 * NOISES * self.noise + 2), 8), 200)

    def _compare(self, pixels, levels, threshold, learn_all):
        """Where they differ, as sorted indices of pixels; the background moves by one level towards the others. Bytes
        only, and no memory that is new each time, which would cost as much as the work."""
        if pixels.shape not in self.work:
            if len(self.work) > 8:
                self.work.clear()
            self.work[pixels.shape] = [numpy.empty(pixels.shape, kind) for kind in
                                       (numpy.uint8, numpy.uint8, numpy.bool_, numpy.bool_, numpy.bool_)]
        high, low, above, below, differs = self.work[pixels.shape]
        numpy.maximum(pixels, levels, out=high)
        numpy.minimum(pixels, levels, out=low)
        numpy.subtract(high, low, out=high)
        numpy.greater(high, threshold, out=differs)
        numpy.greater(pixels, levels, out=above)
        numpy.less(pixels, levels, out=below)
        found = numpy.flatnonzero(differs)
        if not learn_all:
            numpy.greater(above, differs, out=above)  # above, and does not differ
            numpy.greater(below, differs, out=below)
        numpy.add(levels, above.view(numpy.uint8), out=levels)
        numpy.subtract(levels, below.view(numpy.uint8), out=levels)
        return found

    def find(self, frame, learn_all):
        """The spots of a frame, or None when the scene has changed. With learn_all the background learns also from what
        differs, so that what stands still is no spot after some time."""
        x, y, width, height = frame.region
        pixels, levels = frame.array, self.levels[y:y + height, x:x + width]
        change, threshold = self._measure(pixels, levels)
        if change:
            pixels = numpy.clip(pixels.astype(numpy.int16) - change, 0, 255).astype(numpy.uint8)
        found = self._compare(pixels, levels, threshold, learn_all)
        if len(found) > DIFFERING_MAX:
            return None
        blobs = [(box_of(blob), sum(run.end - run.x for run in blob)) for blob in join(runs_of(found.tolist(), width))]
        large = [box for box, size in blobs if size > self.pixels_max]
        spots = []
        for box, size in blobs:
            if PIXELS_MIN <= size <= self.pixels_max and not any(is_near(box, other) for other in large):
                spot_x, spot_y = middle_of(pixels, levels, box, self.noise)
                spots.append(Spot(x + spot_x, y + spot_y, size))
        return spots


def runs_of(found, width):
    """Sorted indices as runs; one pixel between two of a row does not part them."""
    runs, run = [], None
    for index in found:
        y, x = divmod(index, width)
        if run and run.y == y and x <= run.end + 1:
            run.end = x + 1
        else:
            run = Run(x, x + 1, y)
            runs.append(run)
    return runs


def join(runs):
    """Lists of runs that touch, or nearly do."""
    root, first = list(range(len(runs))), 0

    def root_of(i):
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    for i, run in enumerate(runs):
        while runs[first].y + 2 < run.y:
            first += 1
        for j in range(first, i):
            if runs[j].x <= run.end + 1 and run.x <= runs[j].end + 1:
                root[root_of(j)] = root_of(i)
    blobs = {}
    for i, run in enumerate(runs):
        blobs.setdefault(root_of(i), []).append(run)
    return blobs.values()


def box_of(blob):
    """Left, top, and right and bottom, which are not in it any more."""
    return min(run.x for run in blob), blob[0].y, max(run.end for run in blob), blob[-1].y + 1


def is_near(a, b):
    """What is near something large is a part of it, or its edge."""
    return all(a[i] < b[i + 2] + ALONE_PIXELS and b[i] < a[i + 2] + ALONE_PIXELS for i in (0, 1))


def middle_of(pixels, levels, box, noise):
    """The middle of what differs there, as far as it stands out of the noise, each pixel by how much it does."""
    x, y = max(box[0] - 2, 0), max(box[1] - 2, 0)
    box = slice(y, box[3] + 2), slice(x, box[2] + 2)
    weights = numpy.abs(pixels[box].astype(numpy.float32) - levels[box]) - 2 * noise
    numpy.maximum(weights, 0, out=weights)
    columns, rows = weights.sum(0), weights.sum(1)
    total = columns.sum()
    return (x + float(columns @ numpy.arange(len(columns)) / total), y + float(rows @ numpy.arange(len(rows)) / total))


# --- where the object is ---------------------------------------------------------------------------------------------

class Tracker:
    def __init__(self, wishes):
        self.side, self.whole = wishes.side, wishes.whole
        self.pixels_max = wishes.largest
        self.size = None  # of the image
        self.begin()

    def begin(self, size=None):
        """With this size of the image, about which nothing is known."""
        self.background = Background(self.pixels_max)
        self.size = size
        self.state = "learning"
        self.before = [(0, []), (0, [])]  # sequences and spots of the last frame, and of the one before that
        self.sequence = self.misses = 0   # sequence of the frame that had the object; frames since without it
        self.speed, self.pace2 = (0, 0), 0

    def _note(self, sequence, spot, before):
        frames = sequence - self.sequence
        self.speed = (spot.x - before.x) / frames, (spot.y - before.y) / frames
        self.pace2 = max(self.pace2 * PACE_KEPT if self.state == "following" else 0, square(*self.speed))
        if self.state != "following" or self.misses:
            self.seen_anew = sequence
        self.object, self.sequence, self.misses = spot, sequence, 0
        if self.seen_anew == sequence or distance2(spot, self.anchor) >= STILL_PIXELS ** 2:
            self.anchor, self.anchored = spot, sequence
        self.state = "following"

    def _unsteady(self, a, a_at, b, b_at, c, c_at):
        """How unsteadily something moved that was at a, then at b, then at c; UNSTEADY: it did not, or too fast."""
        x, y = (c.x - b.x) / (c_at - b_at), (c.y - b.y) / (c_at - b_at)
        if not 1 <= square(x, y) <= self.side ** 2 / 4:
            return UNSTEADY
        change2 = square(x - (b.x - a.x) / (b_at - a_at), y - (b.y - a.y) / (b_at - a_at))
        return change2 / (4 + square(x, y)) + unlike(a, b) / 100 + unlike(b, c) / 100

    def _search(self, sequence, spots):
        """Of all that moved in the last three frames what did so most steadily."""
        (last_at, last), (first_at, first) = self.before
        moved = [(self._unsteady(a, first_at, b, last_at, c, sequence), i, j)
                 for i, c in enumerate(spots) for j, b in enumerate(last) for a in first]
        if not moved or min(moved)[0] >= UNSTEADY:
            return False
        _, i, j = min(moved)
        self.sequence = last_at
        self._note(sequence, spots[i], last[j])
        return True

    def _is_scenery(self, spot):
        """Whether something stood there in the frame before that was not the object."""
        return not is_at(spot, self.object) and any(is_at(spot, other) and not is_at(other, self.object)
                                                    for other in self.before[0][1])

    def _is_doubtful(self, sequence):
        """What stands still for long is no object, nor what does so, or is gone again, as soon as it was seen."""
        if sequence - self.seen_anew <= TRIAL_FRAMES:
            return self.misses > 0
        return sequence - self.anchored > (TRIAL_FRAMES if self.anchored == self.seen_anew else STILL_FRAMES)

    def _follow(self, sequence, spots):
        """The spot that is nearest to where the object should be, and most like it."""
        frames = sequence - self.sequence
        expected = Spot(self.object.x + self.speed[0] * frames, self.object.y + self.speed[1] * frames, 0)
        near2 = (16 + self.pace2) * frames ** 2
        values = [(distance2(spot, expected) / near2 + unlike(spot, self.object), i) for i, spot in enumerate(spots)
                  if not self._is_scenery(spot)]
        found = bool(values) and min(values)[0] < STRANGE
        if found:
            self._note(sequence, spots[min(values)[1]], self.object)
        else:
            self.misses += 1
        if self.misses >= MISSES_MAX or self._is_doubtful(sequence):
            self.lose()
        return found

    def lose(self):
        self.state, self.before = "searching", [(0, []), (0, [])]

    def look(self, frame):
        """Whether the object is in it."""
        size = frame.image_width, frame.image_height
        if size != self.size:
            self.begin(size)
        if self.background.levels is None:
            self.background.learn(frame)
            self.state = "learning" if self.background.levels is None else "searching"
            return False
        spots = self.background.find(frame, self.state == "searching")
        if spots is None:
            print(f"frame {frame.sequence}: the scene has changed, it is learnt anew", file=sys.stderr)
            self.begin(size)
            return False
        find = self._follow if self.state == "following" else self._search
        found = find(frame.sequence, spots)
        self.before = [(frame.sequence, spots), self.before[0]]
        return found

    def next_region(self, frame):
        """Where the object will be in the frame that is captured next: that may be one more than the next after this."""
        if self.whole or self.state != "following":
            return 0, 0, 0, 0
        duration_us = frame.frame_duration_us
        late = (time.monotonic_ns() - frame.ready_ns) // 1000 // duration_us if duration_us else 0
        frames, side = frame.sequence + 1 + late - self.sequence, self.side << self.misses
        places = []
        for middle, image_side in zip((self.object.x + self.speed[0] * frames, self.object.y + self.speed[1] * frames),
                                      self.size):
            places.append(int(min(max(middle - side / 2, 0), max(image_side - side, 0))))
        return (*places, min(side, self.size[0]), min(side, self.size[1]))


def square(x, y):
    return x * x + y * y


def distance2(a, b):
    return square(a.x - b.x, a.y - b.y)


def is_at(a, b):
    return distance2(a, b) < SAME_PIXELS ** 2


def unlike(a, b):
    """How unlike two spots are in size: 0 for the same; of a few pixels noise decides."""
    small, large = sorted((a.pixels + PIXELS_MIN * 2, b.pixels + PIXELS_MIN * 2))
    return 4 * (large / small - 1) ** 2


# --- what it costs ---------------------------------------------------------------------------------------------------

@dataclasses.dataclass
class Account:
    """What frames of one kind cost."""
    frames: int = 0
    found: int = 0
    bytes: int = 0
    cpu_ns: int = 0
    daemon_ns: int = 0
    latencies_us: list = dataclasses.field(default_factory=list)


def daemon_cpu_ns(pid):
    """CPU time of those threads of the daemon that do its work for each frame, capture and copy-N. 0: not known."""
    total_ns = 0
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/comm", encoding="ascii") as file:
                name = file.read().strip()
            if name == "capture" or name.startswith("copy-"):
                with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                    total_ns += int(file.read().split()[0])
    except OSError:
        pass
    return total_ns


def print_accounts(accounts):
    print(f"\n{'':16} {'':8} {'':8} {'sensor to position':>19} {'CPU of a frame, us':>32} {'KiB of':>10}")
    print(f"{'':16} {'frames':>8} {'found, %':>8} {'p50, us':>9} {'p99, us':>9} {'this':>10} {'daemon':>10} {'both':>10} "
          f"{'a frame':>10}")
    for name, a in accounts.items():
        if not a.frames:
            continue
        times = sorted(a.latencies_us) or [0]
        p50, p99 = (times[(len(times) - 1) * percent // 100] for percent in (50, 99))
        us = 1e3 * a.frames
        daemon = both = "unknown"
        if a.daemon_ns:
            daemon, both = f"{a.daemon_ns / us:.1f}", f"{(a.cpu_ns + a.daemon_ns) / us:.1f}"
        print(f"{name:16} {a.frames:8} {100 * a.found / a.frames:8.1f} {p50:9.0f} {p99:9.0f} {a.cpu_ns / us:10.1f} "
              f"{daemon:>10} {both:>10} {a.bytes / 1024 / a.frames:10.1f}")


# --- the program -----------------------------------------------------------------------------------------------------

class Session:
    """Frames of one stream, one after the other."""

    def __init__(self, stream, wishes, accounts):
        self.stream, self.wishes, self.accounts = stream, wishes, accounts
        self.tracker = Tracker(wishes)
        self.frames = self.found = self.first = self.lost = 0
        self.kind = "looking for it"
        info = stream.info
        self.pid, self.has_sensor = info.daemon_pid, info.sensor_clock == lumaring.Clock.MONOTONIC
        self.daemon_ns, self.cpu_ns = daemon_cpu_ns(self.pid), time.process_time_ns()

    def change_kind(self, kind):
        daemon_ns = daemon_cpu_ns(self.pid)
        self.accounts[self.kind].daemon_ns += daemon_ns - self.daemon_ns
        self.kind, self.daemon_ns, self.cpu_ns = kind, daemon_ns, time.process_time_ns()

    def take(self, frame):
        tracker, before = self.tracker, self.tracker.state
        kind = "looking for it" if before != "following" else "whole frames" if self.wishes.whole else "moving region"
        found = tracker.look(frame)
        now_ns = time.monotonic_ns()
        self.stream.region = tracker.next_region(frame)
        latency_us = (now_ns - (self.has_sensor and frame.sensor_ns or frame.ready_ns)) // 1000
        account = self.accounts[kind]
        account.frames += 1
        account.found += found
        account.bytes += frame.width * frame.height
        if found:
            account.latencies_us.append(latency_us)
        self.frames += 1
        self.found += found
        self.first = self.first or (self.frames if found else 0)
        missing = before == "following" and not found
        self.lost += missing and tracker.state == "searching"
        account.cpu_ns += time.process_time_ns() - self.cpu_ns
        if not self.wishes.quiet:
            state = tracker.state if not missing else "missing" if tracker.state == "following" else "lost"
            place = f"{tracker.object.x:.2f} {tracker.object.y:.2f}" if found else "- -"
            print(f"{frame.sequence} {state} {place} {frame.width}x{frame.height} {latency_us}")
        self.cpu_ns = time.process_time_ns()    # the line is not what following costs
        if self.kind != kind:
            self.change_kind(kind)


def follow_stream(camera, wishes, accounts):
    """Until there are enough frames, the source ends, or Ctrl-C. False: it was Ctrl-C."""
    goes_on = True
    with camera.stream(region=(0, 0, 0, 0), slots=SLOTS, newest=True, futex=True) as stream:
        session = Session(stream, wishes, accounts)
        try:
            for frame in stream:
                session.take(frame)
                if session.frames == wishes.frames:
                    break
        except KeyboardInterrupt:
            goes_on = False
        session.change_kind("looking for it")
        missed = stream.missed
    share = 100 * session.found / max(session.frames, 1)
    print(f"{'whole frames' if wishes.whole else 'moving region'}: position in {session.found} of {session.frames} frames "
          f"({share:.2f} %), first in number {session.first}, lost {session.lost} times, {missed} frames not seen")
    if session.frames > HOPE_FRAMES and not session.found:
        print(f"follow: nothing found: what moves more than {wishes.side // 2} pixels a frame needs a larger -w, and "
              f"what is larger than {wishes.largest} pixels a larger -s", file=sys.stderr)
    return goes_on


def main():
    parser = argparse.ArgumentParser(description="Find a very small moving object, then follow it.")
    parser.add_argument("-c", dest="camera", metavar="CAMERA")
    parser.add_argument("-n", dest="frames", metavar="FRAMES", type=int, default=0, help="then end; 0: at Ctrl-C")
    parser.add_argument("-w", dest="side", metavar="SIDE", type=int, default=96, help="side of the region around the "
                        "object, pixels: more than twice what it moves from frame to frame (96)")
    parser.add_argument("-s", dest="largest", metavar="PIXELS", type=int, default=400, help="of the largest object (400)")
    parser.add_argument("-f", dest="whole", action="store_true", help="whole frames always, to see what they cost")
    parser.add_argument("-b", dest="both", action="store_true", help="both, one after the other")
    parser.add_argument("-q", dest="quiet", action="store_true", help="only the summary")
    wishes = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # each line at once, also into a pipe
    if not 16 <= wishes.side <= 4096 or wishes.largest < PIXELS_MIN:
        parser.error(f"-w is 16 to 4096, -s at least {PIXELS_MIN}")
    accounts = {kind: Account() for kind in ("looking for it", "moving region", "whole frames")}
    with lumaring.open(wishes.camera) as camera:
        if follow_stream(camera, wishes, accounts) and wishes.both and not wishes.whole:
            wishes.whole = True
            follow_stream(camera, wishes, accounts)
    print_accounts(accounts)


if __name__ == "__main__":
    try:
        main()
    except lumaring.Error as why:
        sys.exit(f"follow: {why}")
