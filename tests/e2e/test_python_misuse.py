# SPDX-License-Identifier: BSD-2-Clause
"""Wrong uses of the Python package, and right ones at odd moments: each is an error with a sentence, or works. None waits
for ever, crashes, or takes what is another process's."""
import asyncio
import copy
import ctypes
import decimal
import fractions
import gc
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
import traceback

import numpy

import lumaring
from control import Camera as Daemon
from lib import DEADLINE_S, wait_until


def camera(*options):
    return Daemon("--source", "synthetic", "--size", "640x480", "--framerate", 100, *options)


def opened(daemon):
    daemon.wait_ready()
    return lumaring.open(daemon.camera, runtime_dir=daemon.runtime_dir)


def refused(kind, call, *words):
    """It raises this, with these words; returns it."""
    try:
        call()
    except kind as why:
        assert all(word in str(why) for word in words), (words, str(why))
        return why
    raise AssertionError(f"not refused as {kind}: {words}")


def drain(stream, timeout):
    while True:
        stream.next(timeout).release()


def run(script, daemon, words):
    """A program of its own: gets `camera`, and says `words`."""
    head = "import os, signal, sys, threading, time\nimport lumaring\n"
    script = f"{head}camera = lumaring.open(sys.argv[1], runtime_dir=sys.argv[2])\n{script}"
    done = subprocess.run([sys.executable, "-X", "dev", "-c", script, daemon.camera, daemon.runtime_dir],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", timeout=DEADLINE_S)
    assert done.returncode == 0 and done.stdout.split("\n") == words + [""], (done.returncode, done.stdout)


# --- processes -------------------------------------------------------------------------------------------------------

def in_child(fork, body):
    child = fork()
    if child == 0:
        code = 1
        try:
            body()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0, "the child says why above"


def test_watch_of_the_parent():
    """A child cannot take its parent's events; its own watch has all of its own."""
    with camera() as daemon, opened(daemon) as c:
        watch = c.watch(interval=3600, timeout=DEADLINE_S)
        wait_until(lambda: next(watch).state == "live", "it is live")
        c.set(gain=2)

        def child():
            for use in (watch.next, watch.fileno, lambda: next(watch)):
                refused(lumaring.ForkedError, use, "watch anew")
            with c.watch() as own:
                assert next(own).kind == "state"
            watch.close()
            assert next(watch, None) is None
        in_child(os.fork, child)
        assert next(watch).controls.analogue_gain == 2.0


def test_fork_of_c():
    """Where C forked, and told nobody in Python, a child is known for one all the same, and gives nothing back."""
    with camera() as daemon, opened(daemon) as c:
        stream = c.stream(region=(0, 0, 64, 48))
        kept = [stream.next(), stream.next()]
        array = kept[1].array
        before = kept[0].tobytes(), array.tobytes()
        held, watch = [stream.next()], c.watch()

        def child():
            for use in (stream.next, lambda: stream.info, lambda: kept[0].array, kept[0].tobytes, watch.next,
                        kept[0].__enter__, stream.__enter__, lambda: asyncio.run(stream.next_async())):
                refused(lumaring.ForkedError, use, "forked from")
            assert stream.closed and kept[0].released and array.shape == (48, 64)
            kept.clear()
            held.clear()
            stream.close()
            gc.collect()
            assert c.get().size == (640, 480) and c.capture_array().shape == (480, 640)
        in_child(ctypes.PyDLL(None).fork, child)
        for _ in range(40):
            stream.next()
        assert (kept[0].tobytes(), array.tobytes()) == before and held[0].tobytes() and not stream.closed


# --- threads and signals ---------------------------------------------------------------------------------------------

def test_watch_closed_by_another():
    """A loop over what changes ends when another thread closes it, as by itself."""
    with camera() as daemon, opened(daemon) as c:
        for _ in range(2):
            watch, ended = c.watch(interval=3600), []
            wait_until(lambda: next(watch).state == "live", "it is live")

            def loop():
                try:
                    ended.append(len([event for event in watch]))
                except BaseException as why:
                    ended.append(why)
            thread = threading.Thread(target=loop)
            thread.start()
            wait_until(lambda: watch._connection.turns.owner == thread.ident, "it waits")
            watch.close()
            thread.join(DEADLINE_S)
            assert len(ended) == 1 and isinstance(ended[0], int), ended
            refused(StopIteration, watch.next)


def test_closed_by_a_handler():
    """A signal handler may close the watch that it interrupts, and the camera."""
    with camera() as daemon:
        daemon.wait_ready()
        for close in ("watch.close()", "camera.close(); watch.close()"):
            run(f"""
watch = camera.watch(interval=3600)
while next(watch).state != "live": pass
def handler(*_):
    {close}
signal.signal(signal.SIGUSR1, handler)
threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
for event in watch: pass
print("ended")
""", daemon, ["ended"])


def test_capture_in_a_handler():
    """A handler that captures while its thread is in the midst of that, opening or waiting, is told; its thread goes on."""
    with camera() as daemon:
        daemon.wait_ready()
        run("""
def handler(*_):
    try:
        camera.capture_array()
    except lumaring.InUseError as why:
        print("signal" in str(why))
signal.signal(signal.SIGUSR1, handler)
stream = camera.stream
def interrupted(*arguments, **options):
    os.kill(os.getpid(), signal.SIGUSR1)
    return stream(*arguments, **options)
camera.stream = interrupted
print(camera.capture_array().shape)
""", daemon, ["True", "(480, 640)"])
        run("""
told = []
def handler(*_):
    try:
        camera.capture_array(timeout=0)
    except lumaring.TimeoutError:
        pass  # between two slices of the wait
    except lumaring.InUseError as why:
        told.append(str(why))
        os.kill(pid, signal.SIGCONT)
signal.signal(signal.SIGUSR1, handler)
def knock():
    while not told:
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.01)
camera.capture_array()
pid = camera._captures["main"].info.daemon_pid
os.kill(pid, signal.SIGSTOP)
threading.Thread(target=knock, daemon=True).start()
while not told:
    shape = camera.capture_array(timeout=None).shape
print(shape)
print("signal" in told[0])
""", daemon, ["(480, 640)", "True"])


class Raced(lumaring.VideoCapture):
    """One that is released, once, right after it was found open."""
    armed = False

    def isOpened(self):
        was = super().isOpened()
        self.race()
        return was

    def _let_go(self):
        super()._let_go()
        self.race()

    def race(self):
        if self.armed:
            self.armed = False
            self.release()


def test_released_by_another():
    """A VideoCapture that another thread releases in the midst of a call: that fails as one that is not open."""
    with camera() as daemon, opened(daemon) as c:
        for use in (lambda v: v.read(), lambda v: v.grab(), lambda v: v.get(3), lambda v: v.get(5), lambda v: v.set(5, 50),
                    lambda v: v.set(14, 2)):
            capture = Raced(c)
            capture.armed = True
            assert use(capture) in ((False, None), 0.0, False) and isinstance(capture.error, lumaring.ClosedError)
            assert not capture.isOpened() and not capture.armed
            refused(lumaring.ClosedError, capture.borrow)


def test_frame_for_an_array():
    """What takes arrays takes a frame, and does not take it for one object."""
    with camera() as daemon, opened(daemon) as c:
        for frame in c.stream(), c.stream(format="R16"):
            frame = frame.next()
            same = numpy.asarray(frame)
            assert same.__array_interface__["data"] == frame.array.__array_interface__["data"]
            assert same.shape == frame.shape and not same.flags.writeable
            assert numpy.mean(frame) == same.mean() and numpy.asarray(frame, dtype=float).dtype == float
            mine = numpy.array(frame)
            assert mine.flags.writeable and (mine == same).all()
            frame.release()
            refused(lumaring.ReleasedError, lambda f=frame: numpy.asarray(f))


def test_hit_while_opening():
    """Ctrl-C right after the library has opened something: nothing stays open that nobody has."""
    class Hit(Exception):
        pass

    def hit(call):
        def body(*arguments):
            call(*arguments)
            raise Hit
        return body

    library = lumaring._library.load()
    with camera() as daemon, opened(daemon) as c:
        c.get()
        before = os.listdir("/proc/self/fd")
        for name, use in (("lumaring_open", c.stream), ("lumaring_open", c.capture_array),
                          ("lumaring_control_open", c.watch), ("lumaring_control_open", lambda: opened(daemon))):
            call = getattr(library, name)
            setattr(library, name, hit(call))
            try:
                refused(Hit, use)
            finally:
                setattr(library, name, call)
            gc.collect()
            assert os.listdir("/proc/self/fd") == before, name
        assert c.capture_array().shape == (480, 640) and c.watch().next(DEADLINE_S).kind == "state"
        # Nor is it said that there is a daemon where no descriptor was left to look for one.
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            refused(lumaring.OutOfDescriptorsError, lambda: lumaring.open(daemon.camera, runtime_dir=daemon.runtime_dir))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_copied():
    """There is one of what is open: copy and pickle say so. What was told is a value, and an error is one as well."""
    with camera() as daemon, opened(daemon) as c:
        stream, watch = c.stream(), c.watch()
        for thing in (c, stream, stream.next(), iter(stream), watch, lumaring.VideoCapture(c), stream.__aiter__()):
            for way in (copy.copy, copy.deepcopy, pickle.dumps):
                refused(TypeError, lambda t=thing, w=way: w(t), "neither copied nor pickled")
        for value in (c.get(), c.capabilities(), stream.info, next(watch), c.clients(), stream.next().copy()):
            assert repr(pickle.loads(pickle.dumps(value))) == repr(copy.deepcopy(value)) == repr(value)
        why = refused(lumaring.OutOfRange, lambda: c.set(gain=99))
        again = pickle.loads(pickle.dumps(why))
        assert (type(again), str(again), again.maximum, again.errno) == (type(why), str(why), 16000, why.errno)


# --- asyncio ---------------------------------------------------------------------------------------------------------

def test_closed_loop():
    """A loop that is closed under a waiting task: the stream can be awaited in another one, and closed."""
    with camera() as daemon, opened(daemon) as c:
        stream, complaints = c.stream(), []
        sys.unraisablehook = lambda what: complaints.append(what.exc_value)
        daemon.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, daemon.process.pid, os.WSTOPPED)
        refused(lumaring.TimeoutError, lambda: drain(stream, 0))
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda *_: None)  # what it says of a task that was dropped
        waiting = loop.create_task(stream.next_async())
        loop.run_until_complete(asyncio.sleep(0))
        refused(lumaring.InUseError, lambda: asyncio.run(stream.next_async(0)))
        loop.close()
        daemon.process.send_signal(signal.SIGCONT)
        assert asyncio.run(stream.next_async(DEADLINE_S)).shape == (480, 640)
        other = c.stream()
        other._awaited = stream._awaited or lumaring.stream._Waiter(loop)
        other.close()  # as one that is closed by another thread at the same time
        del waiting
        gc.collect()
        stream.close()
        assert not complaints, complaints
        wait_until(lambda: not c.clients(), "nothing is left open")


# --- values ----------------------------------------------------------------------------------------------------------

def test_numbers():
    """What is no such number is named, with its field, its value and its range, before anybody is asked."""
    nan, inf = float("nan"), float("inf")
    with camera() as daemon, opened(daemon) as c:
        before = c.get()
        for value in (nan, inf, -inf, -1, 0, 0.09, 3601, 10**400):
            refused(ValueError, lambda v=value: c.watch(interval=v), "interval is ", str(value)[:9])
        for value in ("1", b"1", True, [1], 1j, numpy.ones(1)):
            refused(TypeError, lambda v=value: c.watch(interval=v), "interval is ", "a number")
        assert c.watch(interval=fractions.Fraction(1, 2), timeout=fractions.Fraction(9)).next().kind == "state"
        for value in ((0, 0), (0, 20000), (nan, 20000), (20000, inf), (-5, -5), (1, 2, 3), (20000, 4e9), ()):
            why = refused(ValueError, lambda v=value: c.set_controls({"FrameDurationLimits": v}), "FrameDurationLimits is ")
            assert "longest" in str(why), why
        for value in (5, None, "ab", b"ab", ("a", "b"), (1, None), (True, True)):
            refused(TypeError, lambda v=value: c.set_controls({"FrameDurationLimits": v}), "FrameDurationLimits is ")
        for controls in (None, [], "ExposureTime", 5):
            refused(TypeError, lambda v=controls: c.set_controls(v), "controls is ")
        for value in ([1], None, "5", 1j, numpy.ones(1), {}):
            refused(TypeError, lambda v=value: c.set_controls({"ExposureTime": v, "Brightness": v}))
        for name in ("exposure_us", "gain", "brightness"):
            for value in (nan, -inf, 1e300, 10**400):
                refused(ValueError, lambda n=name, v=value: c.set(**{n: v}), " is ", "a number")
        for value in (1e30, 1 << 70, -(1 << 63)):
            refused(ValueError, lambda v=value: c.configure(width=v, height=v), "width of size is ")
            refused(ValueError, lambda v=value: c.streams.add("more", slots=v), "slots is ")
        for value in (5, None, "abcd", (1, 2, "3", 4)):
            refused(TypeError, lambda v=value: c.streams.move("main", v), "region is ", "y" if value == 5 else "")
        for value in (5, "ab", (1, "2")):
            refused(TypeError, lambda v=value: c.configure(size=v), "size is ")
        for value in (5, None, {}, {"name": "more", "colour": 1}, ["name"]):
            refused(TypeError, lambda v=value: c.configure(streams=[v]), "a stream is ", "max_size")
        refused(TypeError, lambda: c.set(auto_exposure=numpy.ones(2)), "auto_exposure is ")
        refused(TypeError, lambda: c.configure(streams=5), "streams is 5")
        refused(TypeError, lambda: c.set_controls({"AnalogueGain": 2, "ExposureTime": None}), "ExposureTime is None")
        c.set_controls({})
        assert c.get() == before


def test_times():
    """A time limit is one number, of whatever kind; whatever else is named."""
    with camera() as daemon, opened(daemon) as c:
        stream = c.stream()
        uses = (stream.next, stream.latest, lambda t: c.get(timeout=t), lambda t: next(c.watch(timeout=t)),
                lambda t: c.capture_array(timeout=t), lambda t: c.stream(wait=t).close(),
                lambda t: asyncio.run(stream.next_async(t)))
        for value in (numpy.ones(2), numpy.ones(1), int, 1j, "1", [1], decimal.Decimal("sNaN")):
            for use in uses:
                refused(TypeError, lambda u=use, v=value: u(v), "a timeout of ", "number of seconds")
        for value in (fractions.Fraction(91, 10), decimal.Decimal("9.1"), numpy.float32(9), numpy.int64(9), 10**400):
            for use in uses:
                use(value)
        daemon.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, daemon.process.pid, os.WSTOPPED)
        refused(lumaring.TimeoutError, lambda: drain(stream, fractions.Fraction(1, 20)), "0.05 s")
        why = refused(lumaring.TimeoutError, lambda: c.stream(wait=0.05))
        assert "ring yet (waited 0.05 s)" in str(why), why
        daemon.process.send_signal(signal.SIGCONT)
        frame = stream.next(None)
        for value in (None, 1.5, "1", [1]):
            refused(TypeError, lambda v=value: frame.row(v), "row is ")


def test_names():
    """The same for what is no name, no camera, and nothing that can be said to a daemon."""
    with camera() as daemon, opened(daemon) as c:
        for source in (True, 1.5, b"cam0", ["cam0"], {}, 1j):
            refused(TypeError, lambda v=source: lumaring.VideoCapture(v), "the camera is ", '0 for "cam0"')
        assert not lumaring.VideoCapture(-1).isOpened() and not lumaring.VideoCapture("").isOpened()
        assert "from 0 on" in str(refused(lumaring.InvalidError, lambda: raising(-1)))
        assert "cam7777" in str(refused(lumaring.ConnectionRefusedError, lambda: raising(numpy.int64(7777))))
        refused(TypeError, lambda: lumaring.VideoCapture(c, timeout="1"), "timeout")
        with lumaring.VideoCapture(c) as capture:
            for value in ("50", b"5", None, [1]):
                refused(TypeError, lambda v=value: capture.set(5, v), "a number")
            assert not capture.set(3, 10**400) and not capture.set(5, float("nan"))
            for prop in ([], {}, "5", None):
                refused(TypeError, lambda v=prop: capture.get(v), "the property is ")
                refused(TypeError, lambda v=prop: capture.set(v, 1), "the property is ")
            for image in (5, "image", [[1]]):
                refused(TypeError, lambda v=image: capture.read(v), "image to be filled")
            assert capture.retrieve() == (False, None), "nothing is left of what failed"
        for name in (5, b"main", None, ["main"]):
            refused(TypeError, lambda v=name: c.capture_array(v), "name is ")
        for method in (5, None, b"GetStatus"):
            refused(TypeError, lambda v=method: c.call(v), "the method is ")
        refused(lumaring.InvalidError, lambda: c.call("GetStatus\0"), "NUL")
        for value in ({1}, object(), numpy.int64(5), b"1"):
            refused(TypeError, lambda v=value: c.call("SetControls", controls=v), "SetControls", "JSON")
        itself = []
        itself.append(itself)
        for value in (float("nan"), itself):
            refused(ValueError, lambda v=value: c.call("SetControls", controls=v), "SetControls", "JSON")
        for name in ("\udc80", "\ud800", "caf\u00e9", "a" * 5000):
            refused(lumaring.Error, lambda v=name: lumaring.open(v, runtime_dir=daemon.runtime_dir))
            refused(lumaring.Error, lambda v=name: c.stream(v))
            refused(lumaring.Error, lambda v=name: c.call(v))
        for path in (5, [], object()):
            refused(TypeError, lambda v=path: lumaring.open(daemon.camera, runtime_dir=v), "runtime_dir is ")
        for path in ("\ud800", "a\0b", "a" * 5000):
            refused(lumaring.Error, lambda v=path: lumaring.open(daemon.camera, runtime_dir=v))
        assert lumaring.open(daemon.camera, runtime_dir=os.fsencode(daemon.runtime_dir)).get().size == (640, 480)


def raising(source):
    capture = lumaring.VideoCapture(runtime_dir="/nowhere")
    capture.setExceptionMode(True)
    capture.open(source)


def test_removed_stream():
    """A shared stream that is gone is an error with a sentence, however it is asked for."""
    with camera("--stream", "main", "--stream", "ball=0,0,64,64") as daemon, opened(daemon) as c:
        stream = c.stream("ball")
        assert stream.region == (0, 0, 64, 64)
        c.streams.remove("ball", force=True)
        for use in (lambda: stream.region, lambda: c.streams["ball"], lambda: setattr(stream, "region", (0, 0, 8, 8))):
            why = refused(lumaring.NoSuchStream, use, 'there is no stream "ball", only main')
            assert isinstance(why, (KeyError, lumaring.NotFoundError)) and why.streams == ("main",), why.streams
