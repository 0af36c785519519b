# SPDX-License-Identifier: BSD-2-Clause
"""Frames, and who keeps one.

A held frame of the library belongs to one Hold, which gives it back when nothing refers to the Hold any more: no Frame
that was not released, and no array or view of its pixels, nor a slice of one. So an array never shows another frame's
pixels and never points to memory that is gone, whatever becomes of Frame, Stream and Camera.
"""
# What ctypes reads has no type:
# mypy: no-warn-return-any
from __future__ import annotations

import ctypes
import errno
import operator
import sys
import types
from typing import TYPE_CHECKING, Any, Dict, NoReturn, Optional, Tuple, Type

from . import errors
from ._library import FORMAT_R16, MISSED_CAUSES, Missed, lumaring_frame
from .settings import Region

if TYPE_CHECKING:
    import numpy
    import numpy.typing

    from .handle import Handle
    from .stream import Stream

CAUSES: Tuple[Optional[str], ...] = tuple(
    Missed(cause).name.lower() if cause in Missed.__members__.values() else None for cause in range(MISSED_CAUSES))

# To what give_up() is called with: the caller's, its own, and that of the question. From Python 3.14 on not all of these
# are counted, and the last one who drops it gives it back.
GIVER_REFERENCES = 3 if sys.version_info < (3, 14) else 0

_untrack = ctypes.PYFUNCTYPE(None, ctypes.py_object)(("PyObject_GC_UnTrack", ctypes.pythonapi))

_numpy: Optional[types.ModuleType] = None


def numpy_module(what: str) -> Any:
    """numpy, imported when first needed."""
    global _numpy
    if _numpy is None:
        try:
            import numpy as module
        except ImportError as why:
            raise ImportError(f"{what} needs numpy ({why}): apt install python3-numpy; Frame.view, Frame.row() and "
                              "Frame.tobytes() do without") from why
        _numpy = module
    return _numpy


class Hold:
    """One held frame of the library's. Given back by whoever drops the last reference, in whatever thread.

    The garbage collector does not know of it, nor of Pixels. Neither can be part of a cycle; and what dies in a cycle and
    has one may use its pixels until its own end, in whatever order the collector finalises.
    """

    __slots__ = ()

    def __del__(self) -> None:
        key = id(self)
        if key in _held:
            handle = _held[key][0]
            try:
                give_back(key)
            except BaseException as why:  # a signal's, as of Ctrl-C, which would be ignored here
                handle.raise_later(why)


class Pixels:
    """What an array or a view stands on. numpy asks for __array_interface__, and keeps this as the array's base: an
    object that offers no writable buffer, so that the array cannot be made writable."""

    __slots__ = ()

    @property
    def __array_interface__(self) -> Dict[str, Any]:
        return _exported[id(self)][2]

    def __del__(self) -> None:
        entry = _exported.pop(id(self), None)
        if entry is not None:
            try:
                entry[0].exported_no_more(id(self))
            except BaseException as why:
                entry[0].raise_later(why)


# By id: the handle and the frame's address; the handle, the hold, and what numpy asks for.
_held: Dict[int, Tuple[Handle, int]] = {}
_exported: Dict[int, Tuple[Handle, Hold, Dict[str, Any]]] = {}


def hold_frame(handle: Handle, place: ctypes.c_void_p) -> Hold:
    """A Hold of the frame that the library put there, and which is taken from there. No call stands between the last
    lines, so that no signal's exception comes between them."""
    hold = Hold()
    _untrack(hold)
    key = id(hold)
    address = place.value
    assert address is not None
    place.value = None
    _held[key] = (handle, address)
    return hold


def give_up(hold: Hold) -> None:
    """Give back what the caller alone has; else leave that to the others."""
    if sys.getrefcount(hold) <= GIVER_REFERENCES:
        give_back(id(hold))


def give_back(key: int) -> None:
    """The frame of the Hold with this id, unless it was. Nothing is called between the lines that take it from there and
    queue it, see hold_frame()."""
    if key in _held:
        handle, address = _held[key]
        queue = handle.returns
        del _held[key]
        queue.append(address)
        handle.settle()


class Frame:
    """One grey frame. Made by a Stream.

    Its pixels are there until it is released: by release(), at the end of `with frame:`, by the next iteration of the
    loop that it came from, when its stream is closed, or when nothing refers to it any more. To ask for them afterwards
    raises ReleasedError (ClosedError after the stream was closed). What describes the frame, all attributes but `array`
    and `view`, stays readable.

    Arrays and views made of it, and what is made of those without a copy (slices, transposed ones), stay true as long
    as you keep them, also after the release: the frame is then given back when the last one is gone. Each such frame is
    one of the `frames_max` that a stream holds at most; two are pinned in the ring, more are copies that the library
    makes. To keep pixels for long, keep a copy().

    A frame may be read by any thread. In a child made by fork() it raises ForkedError, and arrays made before the fork are
    not protected there.
    """

    __slots__ = ("stream", "_hold", "_meta", "__weakref__")

    stream: Stream
    """The stream it came from."""

    def __init__(self, stream: Stream, hold: Hold) -> None:
        self.stream = stream
        self._hold: Optional[Hold] = hold
        self._meta = lumaring_frame.from_buffer_copy(lumaring_frame.from_address(_held[id(hold)][1]))

    # --- pixels ------------------------------------------------------------------------------------------------------

    def _held(self, what: str) -> Hold:
        hold = self._hold
        if hold is None:
            raise errors.ReleasedError(errno.EBADF, f"frame {self.sequence} was released, its {what} is gone: ask before "
                                       "the loop goes on, or keep a copy()")
        return hold

    def _export(self, what: str, interface: Dict[str, Any]) -> Pixels:
        pixels, hold, handle = Pixels(), self._held(what), self.stream.handle
        _untrack(pixels)
        _exported[id(pixels)] = (handle, hold, interface)
        handle.exports.add(id(pixels))
        handle.check_open()  # only now: a close() from now on waits for these pixels
        return pixels

    @property
    def array(self) -> numpy.typing.NDArray[numpy.unsignedinteger[Any]]:
        """The pixels, in place: a read-only numpy array of shape (height, width), uint8, or uint16 ("<u2") when `format`
        is "R16". Rows are `stride` bytes apart. Pixel (x, y) is array[y, x].

        Valid as long as you keep it, see the class. Makes a new array each time. Raises ReleasedError, ClosedError,
        ForkedError; ImportError without numpy. A write to it raises ValueError, and it cannot be made writable.
        """
        asarray = numpy_module("Frame.array").asarray
        meta = self._meta
        wide = meta.fourcc == FORMAT_R16
        array: numpy.typing.NDArray[numpy.unsignedinteger[Any]] = asarray(self._export("array", {
            "shape": (meta.height, meta.width), "strides": (meta.stride, 2 if wide else 1),
            "typestr": "<u2" if wide else "|u1", "data": (meta.pixels, True), "version": 3}))
        return array

    def __array__(self, dtype: Any = None, copy: Optional[bool] = None) -> numpy.typing.NDArray[Any]:
        """For numpy and what uses it, where a frame is given for an array: numpy.asarray(frame) is `array`."""
        array = self.array
        if dtype is not None and dtype != array.dtype:
            if copy is False:
                raise ValueError(f"a frame of {array.dtype} is no array of {dtype} without a copy")
            return array.astype(dtype)
        return array.copy() if copy else array

    @property
    def view(self) -> memoryview:
        """The pixels, in place, without numpy: a read-only memoryview of two dimensions and format "B" ("H" when `format`
        is "R16"), whole rows with what pads them: its shape is (height, stride // bytes per pixel). Pixel (x, y) is
        view[y, x]; columns from `width` on mean nothing. Its `obj` is nobody's business: memory that this process may not
        write to, and a write to which ends it.

        Valid as long as you keep it, see the class. Raises ReleasedError, ClosedError, ForkedError; a write, TypeError.
        """
        meta = self._meta
        pixels = self._export("view", {})
        memory = (ctypes.c_ubyte * (meta.height * meta.stride)).from_address(meta.pixels)
        setattr(memory, "pixels", pixels)
        flat = memoryview(memory).toreadonly().cast("B")
        if meta.fourcc == FORMAT_R16:
            return flat.cast("H", (meta.height, meta.stride // 2))
        return flat.cast("B", (meta.height, meta.stride))

    def row(self, y: int) -> memoryview:
        """Row `y`, in place: a read-only memoryview of `width` pixels. Valid and raises as `view`; IndexError when there
        is no such row."""
        meta = self._meta
        try:
            y = operator.index(y)
        except TypeError:
            raise TypeError(f"row is {y!r}; it must be a whole number") from None
        if not -meta.height <= y < meta.height:
            raise IndexError(f"row {y} of a frame of {meta.height} rows")
        memory = (ctypes.c_ubyte * (meta.width * self._pixel_bytes)).from_address(
            meta.pixels + y % meta.height * meta.stride)
        setattr(memory, "pixels", self._export("row", {}))
        return memoryview(memory).toreadonly().cast("B").cast("H" if meta.fourcc == FORMAT_R16 else "B")

    def copy(self) -> numpy.typing.NDArray[numpy.unsignedinteger[Any]]:
        """The pixels as an array of your own, writable, without padding. Raises as `array`."""
        array: numpy.typing.NDArray[numpy.unsignedinteger[Any]] = self.array.copy()
        return array

    def tobytes(self) -> bytes:
        """The pixels as bytes of your own, row after row without padding, 16-bit ones little endian. Raises as `view`."""
        meta = self._meta
        pixels = self._export("bytes", {})
        row_bytes = meta.width * self._pixel_bytes
        if row_bytes == meta.stride:
            data = ctypes.string_at(meta.pixels, row_bytes * meta.height)
        else:
            data = b"".join(ctypes.string_at(meta.pixels + y * meta.stride, row_bytes) for y in range(meta.height))
        del pixels
        return data

    def release(self) -> None:
        """Give the frame back, or leave that to the arrays and views of it that are alive. May be called again."""
        hold, self._hold = self._hold, None
        if hold is not None:
            give_up(hold)

    @property
    def released(self) -> bool:
        """Whether the pixels can no longer be asked for."""
        return self._hold is None or not self.stream.handle.is_open

    def __enter__(self) -> Frame:
        self._held("array")
        self.stream.handle.check_open()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                 trace: Optional[types.TracebackType]) -> None:
        self.release()

    # --- what it is --------------------------------------------------------------------------------------------------

    @property
    def _pixel_bytes(self) -> int:
        return 2 if self._meta.fourcc == FORMAT_R16 else 1

    @property
    def width(self) -> int:
        """Pixels of a row."""
        return self._meta.width

    @property
    def height(self) -> int:
        """Rows."""
        return self._meta.height

    @property
    def shape(self) -> Tuple[int, int]:
        """(height, width), as of `array`."""
        return self._meta.height, self._meta.width

    @property
    def stride(self) -> int:
        """Bytes from one row to the next."""
        return self._meta.stride

    @property
    def format(self) -> str:
        """"R8": a byte a pixel; "R16": two, whose samples span 0 to 65535 whatever the camera gives."""
        return self._meta.fourcc.to_bytes(4, "little").decode("ascii", "replace").rstrip()

    @property
    def epoch(self) -> int:
        """The life of the ring; with `sequence` it names the frame for good, see Stream.exact()."""
        return self._meta.epoch

    @property
    def sequence(self) -> int:
        """Number of the captured frame, from 1; only rises within an epoch."""
        return self._meta.sequence

    @property
    def publication(self) -> int:
        """Counts the frames of this stream that were published, from 1."""
        return self._meta.publication

    @property
    def camera_sequence(self) -> int:
        """The camera's own number."""
        return self._meta.camera_sequence

    @property
    def sensor_ns(self) -> int:
        """Start of exposure or of the first row, in ns of the clock that Stream.info.sensor_clock names; 0: unknown."""
        return self._meta.sensor_ns

    @property
    def ready_ns(self) -> int:
        """When the frame was complete in the capture buffer, as time.monotonic_ns()."""
        return self._meta.ready_ns

    @property
    def publish_ns(self) -> int:
        """When it was published in the ring, as time.monotonic_ns()."""
        return self._meta.publish_ns

    @property
    def region(self) -> Region:
        """Where the pixels come from: (x, y, width, height) in pixels of the captured image."""
        region = self._meta.region
        return Region(region.x, region.y, region.width, region.height)

    @property
    def image_width(self) -> int:
        """Width of the captured image, pixels."""
        return self._meta.image_width

    @property
    def image_height(self) -> int:
        """Height of the captured image, pixels."""
        return self._meta.image_height

    @property
    def bin(self) -> int:
        """1; or 2, where each pixel is the mean of 2x2: array[y, x] then comes from the image's pixels from
        (region.x + x * bin, region.y + y * bin) on."""
        return self._meta.bin

    @property
    def generation(self) -> int:
        """Counts changes of width, height, stride or format within an epoch."""
        return self._meta.generation

    @property
    def frame_duration_us(self) -> int:
        """Time from frame to frame, microseconds; 0: unknown."""
        return self._meta.frame_duration_us

    @property
    def exposure_us(self) -> int:
        """Exposure time, microseconds; 0: unknown."""
        return self._meta.exposure_us

    @property
    def analogue_gain(self) -> float:
        """Factor, 1.0: none; 0.0: unknown."""
        return self._meta.analogue_gain_milli / 1000

    @property
    def pinned(self) -> bool:
        """Whether it lies in the ring; else it is a copy that the library made."""
        return bool(self._meta.pinned)

    @property
    def missed(self) -> int:
        """Frames between the one that the stream handed out before and this one. 0 for the first one, after a restart of
        the daemon, and of exact(); within the frames of one last() counted from the one before."""
        return self._meta.missed

    @property
    def missed_by(self) -> Dict[str, int]:
        """All that are missing since the one before, by cause; causes that did not occur are left out. "skipped": this
        reader was too late, or wanted a newer one; the others are the daemon's and the camera's: "unread" (nobody read
        the stream), "no_slot", "copy_late", "reconfigure", "error", "sensor", "camera", "cancelled", "startup"."""
        return {CAUSES[cause] or f"cause {cause}": count for cause, count in enumerate(self._meta.missed_by) if count}

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        """Raises TypeError: a frame is a place in shared memory, which copy and pickle cannot give to another one."""
        raise TypeError("a frame can be neither copied nor pickled: frame.copy() is an array of its own")

    def __repr__(self) -> str:
        meta = self._meta
        return (f"<lumaring.Frame {meta.sequence} {meta.width}x{meta.height} {self.format} at "
                f"{meta.region.x},{meta.region.y}{', released' if self.released else ''}>")
