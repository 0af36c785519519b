# SPDX-License-Identifier: BSD-2-Clause
"""Programs that use the Python package, for tests and for tests/bench-python: python_client.py VERB CAMERA RUNTIME_DIR ...

Each says what it found as one line of JSON on its standard output.

  count FRAMES    iterates over so many frames, or until the end (0), and says what became of those in between
  grow FRAMES     likewise, reads pixels and attributes of each, and says what the process has at each tenth of the way
  cost CALLS      takes frames that are in the ring, and says how long that takes
"""
import ctypes
import json
import os
import sys
import time

import lumaring

TENTHS = 10


def open_stream(name, directory, **options):
    camera = lumaring.open(name, runtime_dir=directory)
    return camera.stream(**options)


def account(stream, frames):
    """What adds up, over (sequence, publication, missed, missed_by) of the frames that a stream handed out."""
    first, last = frames[0], frames[-1]
    skipped = sum(by.get("skipped", 0) for _, _, _, by in frames[1:])
    return {"seen": stream.seen, "missed": stream.missed, "skipped": skipped,
            "captured": last[0] - first[0] + 1, "published": last[1] - first[1] + 1}


def count(name, directory, frames_max):
    """seen + missed = captured, and seen + skipped = published, from the first frame to the last."""
    with open_stream(name, directory) as stream:
        frames = []
        print("ready", flush=True)
        for frame in stream:
            assert frame.array[0, 0] >= 0
            frames.append((frame.sequence, frame.publication, frame.missed, frame.missed_by))
            if len(frames) == frames_max:
                break
        print(json.dumps(dict(account(stream, frames), pinned=frame.pinned)))


def owned():
    """What this process has: private memory in KiB, descriptors, mappings."""
    with open("/proc/self/status", encoding="ascii") as file:
        rss_kib = int(next(line for line in file if line.startswith("RssAnon")).split()[1])
    with open("/proc/self/maps", encoding="utf-8") as file:
        return rss_kib, len(os.listdir("/proc/self/fd")), sum(1 for _ in file)


def grow(name, directory, frames_max):
    with open_stream(name, directory) as stream:
        had, total, cpu_s = [], 0, time.process_time()
        for frame in stream:
            array = frame.array
            total += int(array[0, 0]) + array[1:, 2:].shape[0] + frame.sequence + sum(frame.missed_by.values())
            if stream.seen % (frames_max // TENTHS) == 0:
                had.append(owned())
            if stream.seen == frames_max:
                break
        cpu_us = (time.process_time() - cpu_s) / frames_max * 1e6
        print(json.dumps({"seen": stream.seen, "missed": stream.missed, "had": had, "cpu_us": cpu_us}))


def timed(call, times):
    """Microseconds of each, sorted."""
    clock, took = time.perf_counter, []
    for _ in range(times):
        began = clock()
        call()
        took.append((clock() - began) * 1e6)
    return sorted(took)


def cost(name, directory, calls):
    """Of the newest frame, again and again, which keeping it pinned keeps in the ring."""
    with open_stream(name, directory) as stream:
        kept = stream.latest()
        epoch, sequence, handle = kept.epoch, kept.sequence, stream.handle
        place, library = ctypes.c_void_p(), handle.library

        def whole():
            with stream.exact(epoch, sequence) as frame:
                return frame.array, frame.sequence, frame.missed

        def bare():
            with stream.exact(epoch, sequence):
                pass

        def alone(native):
            library.lumaring_exact(native, epoch, sequence, ctypes.byref(place))
            library.lumaring_release(native, place)

        took = timed(whole, calls)
        print(json.dumps({"calls": calls, "p50_us": took[calls // 2], "p99_us": took[calls * 99 // 100],
                          "bare_us": timed(bare, calls)[calls // 2],
                          "library_us": handle.call(lambda native: timed(lambda: alone(native), calls))[calls // 2]}))


if __name__ == "__main__":
    {"count": count, "grow": grow, "cost": cost}[sys.argv[1]](sys.argv[2], sys.argv[3], int(sys.argv[4]))
