# SPDX-License-Identifier: BSD-2-Clause
"""liblumaring.so.0 for ctypes: every struct, constant and function of lumaring.h and control.h, under its name in C.

Nothing is loaded by an import: load() does it at the first use. Structs are those of version 0.1.0; fields are only ever
added at their ends, so a newer library works with them. tests/e2e/test_python_library.py compares all of this with the
headers. The functions let go of the interpreter's lock while they run.
"""
import ctypes
import enum
import errno
import math
import os
from ctypes import (POINTER, Structure, c_char, c_char_p, c_int, c_int32, c_int64, c_size_t, c_uint, c_uint8, c_uint32,
                    c_uint64, c_void_p)
from typing import Any, Dict, Optional, Tuple

from . import errors

SONAME = "liblumaring.so.0"
VERSION_MIN = (0, 1, 0)


# --- lumaring.h ------------------------------------------------------------------------------------------------------

class Event(enum.IntEnum):
    """What can happen between two frames, enum lumaring_event."""

    GEOMETRY = 1
    """Width, height, stride or format of the frames after this point differ from those before."""
    REPLACED = 2
    """The daemon replaced the ring: the next frame has a new epoch. What is lost by it is counted in `missed`."""
    RESTARTED = 3
    """Connected anew after the daemon had gone; what was captured in between is not known."""
    SOURCE_LOST = 4
    """The camera is gone; the daemon looks for it."""
    SOURCE_BACK = 5
    """Frames come again after SOURCE_LOST."""
    CLOSED = 6
    """The source ended or the daemon was stopped, and every frame has been handed out."""
    DISCONNECTED = 7
    """The daemon vanished without a word; calls wait for one to come back."""


class Missed(enum.IntEnum):
    """Why frames are missing: indices of lumaring_frame.missed_by."""

    UNREAD = 0
    NO_SLOT = 1
    COPY_LATE = 2
    RECONFIGURE = 3
    ERROR = 4
    SENSOR = 8
    CAMERA = 9
    CANCELLED = 10
    STARTUP = 11
    SKIPPED = 16


MISSED_CAUSES = 17

# Flags of lumaring_options.
COPY = 1
PRIVATE = 2
OLDEST = 4
FUTEX = 8


class lumaring_region(Structure):
    _fields_ = [("x", c_uint32), ("y", c_uint32), ("width", c_uint32), ("height", c_uint32)]


class lumaring_frame(Structure):
    _fields_ = [
        ("pixels", c_void_p),
        ("width", c_uint32),
        ("height", c_uint32),
        ("stride", c_uint32),
        ("fourcc", c_uint32),
        ("epoch", c_uint64),
        ("sequence", c_uint64),
        ("publication", c_uint64),
        ("camera_sequence", c_uint64),
        ("sensor_ns", c_uint64),
        ("ready_ns", c_uint64),
        ("publish_ns", c_uint64),
        ("region", lumaring_region),
        ("image_width", c_uint32),
        ("image_height", c_uint32),
        ("bin", c_uint32),
        ("generation", c_uint32),
        ("frame_duration_us", c_uint32),
        ("exposure_us", c_uint32),
        ("analogue_gain_milli", c_uint32),
        ("pinned", c_uint32),
        ("missed", c_uint64),
        ("missed_by", c_uint64 * MISSED_CAUSES),
    ]


class lumaring_options(Structure):
    """Made with what LUMARING_OPTIONS_INIT has."""

    _fields_ = [
        ("size", c_size_t),
        ("runtime_dir", c_char_p),
        ("flags", c_uint32),
        ("cursors", c_uint32),
        ("frames_max", c_uint32),
        ("timeout_ms", c_int32),
        ("region", lumaring_region),
        ("width_max", c_uint32),
        ("height_max", c_uint32),
        ("slots", c_uint32),
        ("error_text", c_void_p),
        ("error_bytes", c_size_t),
        ("fourcc", c_uint32),
        ("bin", c_uint32),
    ]

    def __init__(self, **fields: Any) -> None:
        super().__init__(size=ctypes.sizeof(lumaring_options), cursors=2, frames_max=16, timeout_ms=2000)
        for name, value in fields.items():
            setattr(self, name, value)


class lumaring_info(Structure):
    _fields_ = [
        ("epoch", c_uint64),
        ("boot_id", c_uint8 * 16),
        ("ring_bytes", c_uint64),
        ("published", c_uint64),
        ("slot_count", c_uint32),
        ("width_max", c_uint32),
        ("height_max", c_uint32),
        ("image_width", c_uint32),
        ("image_height", c_uint32),
        ("frame_duration_us", c_uint32),
        ("cursors", c_uint32),
        ("state", c_uint32),
        ("luma_range", c_uint32),
        ("sensor_clock", c_uint32),
        ("daemon_pid", c_uint32),
        ("connected", c_uint32),
        ("stream", c_char * 33),
        ("futex", c_uint32),
    ]


# --- what lumaring.h takes from layout.h -----------------------------------------------------------------------------

FORMAT_R8 = int.from_bytes(b"R8  ", "little")
FORMAT_R16 = int.from_bytes(b"R16 ", "little")


class RingState(enum.IntEnum):
    """enum lumaring_ring_state."""

    PAUSED = 0
    LIVE = 1
    SOURCE_LOST = 2
    REPLACED = 3
    CLOSED = 4


class LumaRange(enum.IntEnum):
    """What a luma sample means, enum lumaring_luma_range: FULL 0..255, LIMITED 16..235."""

    UNKNOWN = 0
    FULL = 1
    LIMITED = 2


class Clock(enum.IntEnum):
    """Clock of sensor_ns, enum lumaring_clock."""

    UNKNOWN = 0
    MONOTONIC = 1
    BOOTTIME = 2


# --- control.h -------------------------------------------------------------------------------------------------------

# Flags of its calls.
DRY_RUN = 1
STRICT = 2
FORCE = 4

KEEP = -(1 << 63)


class lumaring_stream(Structure):
    """Made with what LUMARING_STREAM_INIT has."""

    _fields_ = [
        ("size", c_size_t),
        ("name", c_char_p),
        ("region", lumaring_region),
        ("width_max", c_uint32),
        ("height_max", c_uint32),
        ("slots", c_uint32),
        ("fourcc", c_uint32),
        ("bin", c_uint32),
        ("always", c_int32),
    ]

    def __init__(self, **fields: Any) -> None:
        super().__init__(size=ctypes.sizeof(lumaring_stream), always=-1)
        for name, value in fields.items():
            setattr(self, name, value)


class lumaring_configuration(Structure):
    """Made with what LUMARING_CONFIGURATION_INIT has."""

    _fields_ = [
        ("size", c_size_t),
        ("width", c_uint32),
        ("height", c_uint32),
        ("frame_duration_min_us", c_uint32),
        ("frame_duration_max_us", c_uint32),
        ("pixel_format", c_char_p),
        ("streams", POINTER(lumaring_stream)),
        ("stream_count", c_size_t),
    ]

    def __init__(self, **fields: Any) -> None:
        super().__init__(size=ctypes.sizeof(lumaring_configuration))
        for name, value in fields.items():
            setattr(self, name, value)


class lumaring_applied(Structure):
    _fields_ = [
        ("width", c_uint32),
        ("height", c_uint32),
        ("frame_duration_min_us", c_uint32),
        ("frame_duration_max_us", c_uint32),
        ("pixel_format", c_char_p),
        ("adjustments", c_uint32),
        ("replaced", c_uint32),
        ("restarted", c_uint32),
        ("gap_us", c_int64),
        ("gap_frames", c_int64),
    ]


class lumaring_controls(Structure):
    """Made with what LUMARING_CONTROLS_INIT has."""

    _fields_ = [
        ("size", c_size_t),
        ("exposure_us", c_int64),
        ("analogue_gain_milli", c_int64),
        ("auto_exposure", c_int64),
        ("exposure_value_milli", c_int64),
        ("brightness_milli", c_int64),
        ("contrast_milli", c_int64),
        ("sharpness_milli", c_int64),
        ("scaler_crop_x", c_int64),
        ("scaler_crop_y", c_int64),
        ("scaler_crop_width", c_int64),
        ("scaler_crop_height", c_int64),
    ]

    def __init__(self, **fields: Any) -> None:
        super().__init__(size=ctypes.sizeof(lumaring_controls), **{name: KEEP for name, _ in self._fields_[1:]})
        for name, value in fields.items():
            setattr(self, name, value)


# --- functions -------------------------------------------------------------------------------------------------------

# Handles, and frames on their way through, are addresses: c_void_p. A result that must be freed is one as well.
_handle = c_void_p
_out = POINTER(c_void_p)
_frame = c_void_p

# Result and arguments of each function.
PROTOTYPES: Dict[str, Tuple[Any, Tuple[Any, ...]]] = {
    "lumaring_version": (c_char_p, ()),
    "lumaring_open": (c_int, (c_char_p, c_char_p, POINTER(lumaring_options), _out)),
    "lumaring_close": (None, (_handle,)),
    "lumaring_fd": (c_int, (_handle,)),
    "lumaring_next": (c_int, (_handle, c_int, _out)),
    "lumaring_latest": (c_int, (_handle, c_int, _out)),
    "lumaring_exact": (c_int, (_handle, c_uint64, c_uint64, _out)),
    "lumaring_last": (c_int, (_handle, c_uint, _out, POINTER(c_uint))),
    "lumaring_release": (c_int, (_handle, _frame)),
    "lumaring_set_region": (c_int, (_handle, POINTER(lumaring_region))),
    "lumaring_info": (POINTER(lumaring_info), (_handle,)),
    "lumaring_error_text": (c_char_p, (_handle,)),
    "lumaring_status": (c_int, (c_char_p, POINTER(lumaring_options), _out)),
    "lumaring_strerror": (c_char_p, (c_int,)),
    "lumaring_event_name": (c_char_p, (c_int,)),
    "lumaring_missed_name": (c_char_p, (c_uint,)),
    "lumaring_control_open": (c_int, (c_char_p, POINTER(lumaring_options), _out)),
    "lumaring_control_close": (None, (_handle,)),
    "lumaring_control_error_text": (c_char_p, (_handle,)),
    "lumaring_control_error_name": (c_char_p, (_handle,)),
    "lumaring_control_error_json": (c_char_p, (_handle,)),
    "lumaring_control_call": (c_int, (_handle, c_char_p, c_char_p, c_int, POINTER(c_char_p))),
    "lumaring_control_reply": (c_char_p, (_handle,)),
    "lumaring_control_watch": (c_int, (_handle, c_char_p, c_char_p, c_int)),
    "lumaring_control_next": (c_int, (_handle, c_int, POINTER(c_char_p))),
    "lumaring_control_fd": (c_int, (_handle,)),
    "lumaring_control_stop": (None, (_handle,)),
    "lumaring_configure": (c_int, (_handle, POINTER(lumaring_configuration), c_uint32, c_int,
                                   POINTER(POINTER(lumaring_applied)))),
    "lumaring_set_controls": (c_int, (_handle, POINTER(lumaring_controls), c_int,
                                      POINTER(POINTER(lumaring_controls)))),
    "lumaring_add_stream": (c_int, (_handle, POINTER(lumaring_stream), c_int)),
    "lumaring_remove_stream": (c_int, (_handle, c_char_p, c_uint32, c_int)),
    "lumaring_set_stream_region": (c_int, (_handle, c_char_p, POINTER(lumaring_region), c_int,
                                           POINTER(lumaring_region))),
}

ERROR_BYTES = 512  # of a sentence that a function which opens writes

_loaded: Optional[ctypes.CDLL] = None


def load() -> ctypes.CDLL:
    """The library with its prototypes: $LUMARING_LIBRARY if that is set, else as the dynamic linker finds it.

    Raises LibraryError.
    """
    global _loaded
    if _loaded is None:
        _loaded = _open(os.environ.get("LUMARING_LIBRARY") or SONAME)
    return _loaded


def _open(name: str) -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(name)
    except OSError as why:
        raise errors.LibraryError(errno.ELIBACC, f"the library of lumaring cannot be loaded: {why}; install "
                                  "liblumaring0, or set LUMARING_LIBRARY to the path of liblumaring.so.0") from None
    try:
        for function, (result, arguments) in PROTOTYPES.items():
            prototype = getattr(library, function)
            prototype.restype, prototype.argtypes = result, arguments
    except AttributeError:
        raise errors.LibraryError(errno.ELIBACC, f"{name} has no {function}: it is older than this package, or another "
                                  "library") from None
    version = library.lumaring_version().decode()
    if tuple(int(part) for part in version.split(".")) < VERSION_MIN:
        raise errors.LibraryError(errno.ELIBACC, f"{name} is version {version}, this package needs "
                                  f"{'.'.join(map(str, VERSION_MIN))}")
    return library


_free = ctypes.CDLL(None).free
_free.restype, _free.argtypes = None, (c_void_p,)


def take_text(address: c_void_p) -> str:
    """Text that the library allocated for us, freed."""
    try:
        return ctypes.string_at(address.value or 0).decode(errors="replace")
    finally:
        _free(address)


def to_ms(seconds: Optional[float]) -> int:
    """A time limit of ours as one of the library's: None is for ever; what is above 0 is at least a millisecond."""
    if seconds is None:
        return -1
    try:
        number = to_float(seconds)
    except TypeError:
        raise TypeError(f"a timeout of {seconds!r}: give a number of seconds, or None for ever") from None
    if not number >= 0:
        raise errors.InvalidError(errno.EINVAL, f"a timeout of {seconds} s: give seconds from 0 on, or None for ever")
    return -int(-number * 1000 // 1) if number * 1000 < 0x7fffffff else 0x7fffffff


def to_float(value: Any) -> float:
    """What is one number, and no text or array with one in it; too large ones are without end. Raises TypeError."""
    if isinstance(value, (str, bytes, type)) or getattr(value, "shape", ()) != () or not hasattr(value, "__float__"):
        raise TypeError
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except ValueError:  # as of a Decimal that is none
        raise TypeError from None
