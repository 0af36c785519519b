# SPDX-License-Identifier: BSD-2-Clause
"""
The newest grey frames of a camera in shared memory, read in place; and what the camera is to do.

A daemon, lumaringd, owns the camera, and copies the grey of each frame, or of a region of it, into shared memory. Any
number of programs read it there. A complete program, which follows the brightest spot:

    import lumaring, numpy

    with lumaring.open("cam0") as camera:
        print(camera.set(framerate=50, exposure_us=5000))      # for all who read; says what was taken
        for frame in camera.stream("main"):
            y, x = numpy.unravel_index(frame.array.argmax(), frame.shape)
            print(frame.sequence, x, y, frame.exposure_us, frame.missed)

lumaring(1) and lumaringd(8) have the daemon and the tool. Debian: apt install python3-lumaring python3-numpy.

Frames

open() gives a Camera, its stream() a Stream, and that gives Frames:

    for frame in camera.stream("main"):                 every frame, in order
    for frame in camera.stream("main", newest=True):    the newest each time; `async for` is the same with asyncio
    stream.next(timeout), latest(timeout)               one, or TimeoutError; seconds, None: for ever
    stream.exact(epoch, sequence), last(n)              one by its number; the last n of the ring
    frame.array                                         the pixels in place: numpy, read-only, (height, width)
    frame.view, frame.row(y), frame.tobytes()           the same without numpy
    frame.copy()                                        an array of your own
    frame.missed, frame.missed_by                       frames before it that this reader did not get, and why

A frame is released by the next turn of its loop, by release(), or at the end of `with frame:`. To ask for its pixels
afterwards raises ReleasedError. An array that you still have stays true: its frame is kept for it.

A region of your own, which is moved with one store from the next frame on:

    stream = camera.stream(region=(100, 80, 64, 64), max_size=(128, 128))
    stream.region = (120, 80, 64, 64)

What the camera does

Each of these is done whole or not at all, for all who read; it returns what was taken, and raises with the daemon's
sentence. Readers go on with the new size, and a gap is counted.

    camera.set(width=1280, height=720, framerate=30, exposure_us=5000, analogue_gain=2.0)
    camera.configure(size=(1280, 720), framerate=(15, 56), pixel_format="YUV420", dry_run=True)
    camera.get(), .size, .framerate, .controls, .capabilities()     what it is set to, and what it can do
    camera.streams.add("ball", region=(0, 0, 64, 64)), move(), remove()     streams that all share
    camera.status(), .clients(), .metrics(), .watch()               what the daemon does, and for whom
    camera.call("GetMetrics")                                       any method of the control socket

Habits

    camera.capture_array(), .capture_metadata(), .set_controls({...})    as picamera2 has them
    lumaring.VideoCapture(0).read(), isOpened(), get(), set()           as cv2.VideoCapture has them

Errors

All are lumaring.Error, an OSError whose text is one sentence; where a built-in exception means the same, it is one of
those as well (TimeoutError, PermissionError, ConnectionRefusedError). What the daemon refuses of a change is
lumaring.Refused: OutOfRange has .field, .minimum, .maximum and .given, the others what belongs to them. They are listed
by `python3 -m pydoc lumaring.errors` and `lumaring.refused`; `lumaring.settings` has the values that the calls return.

Threads and processes

Calls let other threads run while they wait, and may be made from any thread; a stream for each thread is better. In a
child made by fork() open streams and watches anew: the parent's raise ForkedError there, and arrays made before are not
protected. What changes the camera can be used there as before. A signal handler that uses what it interrupted is told so
by InUseError; it may close it.

Times are seconds in timeouts, else the unit stands in the name. Sizes are (width, height) and regions (x, y, width,
height), in pixels of the captured image; arrays are (height, width), as numpy has it.
"""
from ._library import Clock, Event, LumaRange, RingState
from ._version import __version__ as __version__
from .camera import Camera, open
from .capture import VideoCapture
from .control import Streams, Watch
from .errors import *  # noqa: F401,F403
from .frame import Frame
from .refused import *  # noqa: F401,F403
from .settings import *  # noqa: F401,F403
from .stream import Stream, StreamInfo

# What help() shows. It has pages of their own for lumaring.settings, .refused and .errors, whose names are here as well.
__all__ = ["open", "Camera", "Stream", "Frame", "VideoCapture", "Streams", "Watch", "Event", "StreamInfo", "RingState",
           "LumaRange", "Clock"]
