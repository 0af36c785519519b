# SPDX-License-Identifier: BSD-2-Clause
"""What a program of the Python package goes through: signals, threads, fork(), closing under arrays, the garbage
collector, its own end, many clients and many frames. Nothing of it crashes, leaks, or shows other pixels.
"""
import gc
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading

import lumaring

import clips
from lib import DEADLINE_S, ROOT, Daemon, wait_until
from python_client import owned

SLOTS = 8  # of a ring, where nothing else is said
CLIENT = str(ROOT / "tests" / "e2e" / "python_client.py")


def synthetic(size="64x48", framerate=200, *options):
    return Daemon("--source", "synthetic", "--size", size, "--framerate", framerate, *options)


def open_camera(daemon):
    return lumaring.open(daemon.wait_ready().camera, runtime_dir=daemon.runtime_dir)


def clients_of(daemon):
    """Readers that the daemon has, from its status."""
    out, talk = daemon.tool("status", "--json").communicate(timeout=DEADLINE_S)
    return len(json.loads(out)["clients"])


def start(verb, daemon, *arguments):
    return subprocess.Popen([sys.executable, CLIENT, verb, daemon.camera, daemon.runtime_dir, *map(str, arguments)],
                            stdout=subprocess.PIPE, encoding="utf-8")


def finish(process):
    out, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, process.returncode
    return json.loads(out.splitlines()[-1])


def run(script, daemon, *arguments, code=0, words=None):
    """A program of its own: gets `camera`, and the arguments as sys.argv[3:]. It says `words`; None: nothing at
    all."""
    head = "import sys, lumaring\ncamera = lumaring.open(sys.argv[1], runtime_dir=sys.argv[2])\n"
    process = subprocess.run([sys.executable, "-X", "dev", "-W", "ignore::ResourceWarning", "-c", head + script,
                              daemon.camera, daemon.runtime_dir, *map(str, arguments)], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, encoding="utf-8", timeout=DEADLINE_S)
    assert process.returncode == code and (words in process.stdout if words is not None else not process.stdout), \
        f"exit code {process.returncode}: {process.stdout}"
    return process.stdout


def raises(kind, call):
    try:
        call()
    except kind as why:
        return str(why)
    raise AssertionError(f"{kind.__name__} was not raised")


# --- many ------------------------------------------------------------------------------------------------------------

def test_no_growth():
    """Thousands of frames: the process has at the end what it had after a tenth of them."""
    frames = 4000
    with Daemon("--source", "synthetic", "--size", "160x120", "--unpaced", "--wait-clients", 1) as daemon:
        told = finish(start("grow", daemon.wait_ready(), frames))
        rss_kib, fds, maps = zip(*told["had"])
        assert told["seen"] == frames and len(rss_kib) == 10
        assert rss_kib[-1] - rss_kib[0] < 300 and fds[-1] == fds[0] and maps[-1] - maps[0] <= 2, told["had"]
        print(f"figure: {frames} frames: {rss_kib[0]} to {rss_kib[-1]} KiB of its own, {fds[-1]} descriptors, "
              f"{maps[0]} to {maps[-1]} mappings")


def test_four_clients():
    """Four programs at 2304x1296 and 56 fps: for each, every frame was seen or is counted."""
    with synthetic("2304x1296", 56, "--slots", 16) as daemon:
        daemon.wait_ready()
        for number, client in enumerate([start("count", daemon, 60) for _ in range(4)]):
            told = finish(client)
            assert told["seen"] == 60 and told["seen"] + told["skipped"] == told["published"], told
            assert told["seen"] + told["missed"] == told["captured"], told
            print(f"figure: client {number + 1} of 4: {told['seen']} seen + {told['skipped']} missed = "
                  f"{told['published']} published")


# --- signals ---------------------------------------------------------------------------------------------------------

def test_interrupted():
    """Ctrl-C ends a wait wherever it comes, also right before one; a handler that returns does not."""
    script = """
import os, random, signal, threading, time
stream = camera.stream(futex=sys.argv[3] == "futex")
stream.next()
got = []
signal.signal(signal.SIGUSR1, lambda number, frame: got.append(number))
def send(number):
    time.sleep(random.random() / 100)
    os.kill(os.getpid(), number)
for _ in range(20):
    sender = threading.Thread(target=send, args=(signal.SIGUSR1,))
    sender.start()
    try:
        stream.next(0.02)
    except TimeoutError:
        pass
    sender.join()
assert len(got) == 20, got
for _ in range(20):
    sender = threading.Thread(target=send, args=(signal.SIGINT,))
    try:
        sender.start()
        stream.next()
    except KeyboardInterrupt:
        pass
    sender.join()
assert not stream.closed
"""
    for way in ("socket", "futex"):
        os.mkfifo("pipe")
        with Daemon("--source", "replay:pipe", "--loop", "--unpaced", "--wait-clients", 1) as daemon:
            with open(os.open("pipe", os.O_RDWR), "wb") as pipe:
                pipe.write(clips.y4m(33, 17, 1))
                pipe.flush()
                run(script, daemon.wait_ready(), way)
        os.unlink("pipe")


def test_interrupted_among_frames():
    """Ctrl-C at any point of a loop: no frame is kept for good, and the loop can go on."""
    script = """
import os, random, signal, threading, time
import numpy
stream = camera.stream(frames_max=8)
done = threading.Event()
def send():
    while not done.is_set():
        time.sleep(random.random() / 300)
        os.kill(os.getpid(), signal.SIGUSR1)
class Hit(Exception): pass
armed, hits = [False], 0
def hit(number, frame):
    if armed[0]:
        armed[0] = False
        raise Hit
signal.signal(signal.SIGUSR1, hit)
sender = threading.Thread(target=send)
sender.start()
while hits < 200:
    try:
        armed[0] = True
        for frame in stream:
            frame.array
    except Hit:
        hits += 1
done.set()
sender.join()
del frame
assert len(stream.last(4)) == 4 and stream.next().array.any()
"""
    with synthetic("64x48", 4000) as daemon:
        run(script, daemon.wait_ready(), words="")  # of what comes up in a finaliser, Python itself may talk


def test_handler():
    """A signal handler may close the stream that it interrupts; to wait for it again is refused."""
    script = """
import os, signal, threading, time
stream = camera.stream()
stream.next()
said = []
def handler(number, frame):
    if number == signal.SIGTERM:
        camera.close()
signal.signal(signal.SIGTERM, handler)
threading.Thread(target=lambda: (time.sleep(0.05), os.kill(os.getpid(), signal.SIGTERM))).start()
try:
    for frame in stream:
        pass
except lumaring.ClosedError:
    print("closed")
"""
    with synthetic() as daemon:
        run(script, daemon.wait_ready(), words="closed")
        wait_until(lambda: clients_of(daemon) == 0, "nobody reads")


# --- threads ---------------------------------------------------------------------------------------------------------

def test_threads():
    """One stream and many threads: each frame goes to one of them; others release, ask and move meanwhile."""
    with synthetic("320x240", 200) as daemon, open_camera(daemon) as camera:
        stream = camera.stream(region=(0, 0, 64, 48), max_size=(64, 48), frames_max=64)
        seen, faults, done, inside = [], [], threading.Event(), []
        library_next = stream._next

        def alone(*arguments):
            assert not inside, "two threads are in the library with one handle"
            inside.append(None)
            try:
                return library_next(*arguments)
            finally:
                inside.pop()

        stream._next = alone

        def guarded(work):
            def body():
                try:
                    while not done.is_set():
                        work()
                except BaseException as why:
                    faults.append(why)
            thread = threading.Thread(target=body)
            thread.start()
            return thread

        def read():
            frame = stream.next()
            array, before = frame.array, frame.tobytes()
            frame.release()
            assert array.tobytes() == before
            seen.append(frame.sequence)

        def ask():
            stream.region = (random.randrange(200), random.randrange(100), 64, 48)
            assert stream.info.connected and len(stream.last(2)) <= 2

        threads = [guarded(read) for _ in range(3)] + [guarded(ask)]
        wait_until(lambda: len(seen) > 200 or faults, "frames")
        done.set()
        for thread in threads:
            thread.join()
        assert not faults, faults
        assert len(set(seen)) == len(seen)
        assert stream.seen == len(seen)


def test_closed_by_another():
    """close() ends another thread's wait; meanwhile the interpreter was that thread's to use."""
    os.mkfifo("pipe")
    with Daemon("--source", "replay:pipe", "--loop", "--unpaced", "--wait-clients", 1) as daemon:
        with open(os.open("pipe", os.O_RDWR), "wb") as pipe:
            pipe.write(clips.y4m(33, 17, 1))
            pipe.flush()
            camera = open_camera(daemon)
            stream = camera.stream()
            stream.next()
            said = []
            thread = threading.Thread(target=lambda: said.append(raises(lumaring.ClosedError, stream.next)))
            thread.start()
            assert stream.info.connected  # comes through in the midst of that
            assert not said
            camera.close()
            thread.join(DEADLINE_S)
            assert said == [f'stream "main" of {daemon.camera} was closed']
            wait_until(lambda: clients_of(daemon) == 0, "nobody reads")


# --- fork ------------------------------------------------------------------------------------------------------------

def test_fork():
    """A child may not use its parent's stream, and disturbs nothing by dropping it; it opens its own."""
    with synthetic() as daemon, open_camera(daemon) as camera:
        stream = camera.stream()
        frame, kept = stream.next(), stream.next().array
        before = frame.tobytes(), kept.tobytes()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                for use in (stream.next, lambda: stream.info, lambda: frame.array, frame.tobytes, lambda: stream.last(1)):
                    assert "forked" in raises(lumaring.ForkedError, use)
                assert stream.closed
                del frame, kept
                stream.close()
                del stream
                gc.collect()
                assert camera.stream().next().array.any()
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        for _ in range(40):
            stream.next()
        assert before == (frame.tobytes(), kept.tobytes()) and frame.pinned
        assert frame.array.any() and not stream.closed


# --- the end of things -----------------------------------------------------------------------------------------------

def test_closed_under_arrays():
    """Arrays that are alive when their stream is closed stay true; the last one that goes closes the connection."""
    with synthetic() as daemon:
        camera = open_camera(daemon)
        had = owned()[1]
        stream = camera.stream(copy=False)
        frames = [stream.next() for _ in range(3)]
        arrays = [frames[0].array, frames[2].array[3:]]
        view = frames[1].view
        before = [bytes(a) for a in (*arrays, view)]
        camera.close()
        for frame in frames:
            assert frame.released
            raises(lumaring.ClosedError, lambda: frame.array)
        with open_camera(daemon) as other:
            for _, frame in zip(range(40), other.stream()):
                pass
            assert before == [bytes(a) for a in (*arrays, view)]
        del arrays[0]
        del view
        assert clients_of(daemon) == 1
        del arrays[0]
        wait_until(lambda: clients_of(daemon) == 0, "nobody reads")
        assert owned()[1] <= had


def test_any_order():
    """Camera, stream, frame, array and view are dropped in each order, also as parts of a cycle: none outlives the last."""
    with synthetic("64x48", 500) as daemon:
        daemon.wait_ready()
        counts = []
        for number, order in enumerate(itertools.permutations(range(5))):
            camera = open_camera(daemon) if number % 4 == 0 else camera
            stream = camera.stream()
            frame = stream.next()
            things = [camera, stream, frame, frame.array[1:], frame.view]
            true = things[3].tobytes(), bytes(things[4])
            if number % 3 == 0:
                knot = [things[1:]]
                knot.append(knot)
                stream.on_event = knot.append
                del knot
            if number % 5 == 0:
                stream.close()
            del stream, frame
            for at in order:
                if at == 0 and number % 4 == 3:
                    camera = None
                things[at] = None
                assert things[3] is None or things[3].tobytes() == true[0]
                assert things[4] is None or bytes(things[4]) == true[1]
            if number % 24 == 23:
                gc.collect()
                counts.append(owned()[1:])
        camera = None
        del things
        gc.collect()
        wait_until(lambda: clients_of(daemon) == 0, "nobody reads")
        assert counts[-1][0] <= counts[0][0] + 1 and counts[-1][1] <= counts[0][1] + 4, counts


def test_last_words():
    """What the collector finalises in a cycle may still read its pixels, whatever went before it."""
    class Keeper:
        def __init__(self, frame, view, array):
            self.frame, self.view, self.array, self.me = frame, view, array, self
            self.sums = self.sum()

        def sum(self):
            return bytes(self.view), self.array.tobytes(), self.frame.tobytes()

        def __del__(self):
            for _ in range(3 * SLOTS):
                other.next()
            said.append(self.sum() == self.sums)

    said = []
    with synthetic("64x48", 1000) as daemon, open_camera(daemon) as camera:
        other = camera.stream()
        for _ in range(5):
            stream = camera.stream()
            Keeper(stream.next(), stream.next().view, stream.next().array)  # younger than those: finalised after them
            del stream
            gc.collect()
        assert said == [True] * 5, said


def test_exit():
    """A program ends as it would without us: with live views, in the midst of a wait, by an exception."""
    keep = """
import threading
stream = camera.stream()
frame = stream.next()
kept = [frame, frame.array, frame.view, stream.next().array[2:], stream]
kept.append(kept)
"""
    ends = ("", "sys.exit(0)", "del camera, stream", "camera.close()", "import builtins; builtins.kept = kept",
            "sys.modules.clear()",
            "threading.Thread(target=lambda: [0 for _ in stream], daemon=True).start(); stream.next()",
            "threading.Thread(target=stream.latest).start()",
            "threading.Thread(target=lambda: [f.array for f in camera.stream()], daemon=True).start(); sys.exit()",
            "import atexit; atexit.register(camera.close)")
    with synthetic() as daemon:
        daemon.wait_ready()
        for end in ends:
            run(f"{keep}\n{end}\n", daemon)
        run(f"{keep}\nraise SystemExit(3)", daemon, code=3)
        run(f"{keep}\n1/0", daemon, code=1, words="ZeroDivisionError")
        wait_until(lambda: clients_of(daemon) == 0, "nobody reads")
