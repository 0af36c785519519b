# SPDX-License-Identifier: BSD-2-Clause
"""
What the daemon refuses, an exception for each error of its control socket.

    try:
        camera.set(analogue_gain=17)
    except lumaring.OutOfRange as why:
        print(why)                                       # analogue_gain_milli 17000 is out of range: 1000 to 16000
        camera.set(analogue_gain=why.maximum / 1000)

Each has the daemon's sentence as its text, .name ("OutOfRange") and .parameters, all that the daemon said with it, in the
daemon's units; what is documented of a kind of error is there as attributes. A change that was refused was not made, in
whole or in part; SourceRefused says itself how things are.
"""
from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple, Type

from . import errors
from .settings import Adjustment, Applied, adjustments_told

__all__ = ["Refused", "OutOfRange", "InvalidField", "NotSupported", "NoSuchStream", "StreamExists", "StreamInUse", "Adjusted",
           "Busy", "NoRoom", "SourceRefused", "BadConfiguration", "LimitReached", "PermissionDenied"]

INTERFACE = "io.lumaring.Camera."


class Refused(errors.Error):
    """The daemon refused a call. Errors that have no class of their own have this one."""
    name: str = ""
    """as in io.lumaring.Camera; others with their interface, "org.varlink.service.MethodNotFound\""""
    parameters: Dict[str, Any]
    applied: Optional[Applied] = None
    """what set() had changed before, and stays"""

    def _text(self, key: str) -> str:
        value = self.parameters.get(key)
        return value if isinstance(value, str) else ""

    def _number(self, key: str) -> int:
        value = self.parameters.get(key)
        return value if isinstance(value, int) else int(value) if isinstance(value, str) and value.isdecimal() else 0

    def _texts(self, key: str) -> Tuple[str, ...]:
        value = self.parameters.get(key)
        return tuple(value) if isinstance(value, list) and all(isinstance(v, str) for v in value) else ()

    def _field(self) -> str:
        """As the caller knows it: not by which parameter it went."""
        field = self._text("field")
        for part in ("configuration.", "controls."):
            if field.startswith(part):
                return field[len(part):]
        return field


class OutOfRange(Refused, ValueError):
    """A number is out of range."""

    @property
    def field(self) -> str:
        """for example "size.width" or "analogue_gain_milli\""""
        return self._field()

    @property
    def minimum(self) -> int:
        return self._number("minimum")

    @property
    def maximum(self) -> int:
        return self._number("maximum")

    @property
    def given(self) -> int:
        return self._number("given")


class InvalidField(Refused, errors.InvalidError):
    """A field is missing, unknown, of another type, or makes no sense."""

    @property
    def field(self) -> str:
        return self._field()

    @property
    def reason(self) -> str:
        return self._text("reason")


class NotSupported(Refused, errors.NotSupportedError):
    """This source cannot do that."""

    @property
    def field(self) -> str:
        return self._field()

    @property
    def reason(self) -> str:
        return self._text("reason")


class NoSuchStream(Refused, errors.NotFoundError, KeyError):
    """There is no shared stream of that name; also of camera.streams["name"]."""

    @property
    def stream(self) -> str:
        return self._text("stream")

    @property
    def streams(self) -> Tuple[str, ...]:
        """those that there are"""
        return self._texts("streams")


class StreamExists(Refused, FileExistsError):
    """There is a stream of that name already."""

    @property
    def stream(self) -> str:
        return self._text("stream")


class StreamInUse(Refused):
    """The stream has clients, and `force` was not given."""

    @property
    def stream(self) -> str:
        return self._text("stream")

    @property
    def clients(self) -> int:
        return self._number("clients")


class Adjusted(Refused):
    """`strict` was given, and the source cannot do exactly that."""

    @property
    def adjustments(self) -> Tuple[Adjustment, ...]:
        value = self.parameters.get("adjustments")
        return adjustments_told(value) if isinstance(value, list) else ()


class Busy(Refused, errors.BusyError):
    """Another change is under way, or the size changes too often; also when asked again until the time was over."""

    @property
    def reason(self) -> str:
        return self._text("reason")

    @property
    def retry_after_us(self) -> int:
        return self._number("retry_after_us")


class NoRoom(Refused, errors.NoRoomError):
    """No shared memory for the ring of a stream."""

    @property
    def stream(self) -> str:
        return self._text("stream")

    @property
    def reason(self) -> str:
        return self._text("reason")

    @property
    def needed_bytes(self) -> int:
        return self._number("needed_bytes")

    @property
    def available_bytes(self) -> int:
        return self._number("available_bytes")


class SourceRefused(Refused):
    """The source refused while it was changed."""

    @property
    def step(self) -> str:
        """stop, configure or start"""
        return self._text("step")

    @property
    def reason(self) -> str:
        return self._text("reason")

    @property
    def restored(self) -> bool:
        """it runs as before"""
        return self.parameters.get("restored") is True


class BadConfiguration(Refused):
    """The daemon's configuration files have faults."""

    @property
    def faults(self) -> Tuple[str, ...]:
        """a sentence each"""
        return self._texts("faults")


class LimitReached(Refused, errors.LimitError):
    """More connections or requests than the daemon allows."""

    @property
    def limit(self) -> str:
        """the name of the setting"""
        return self._text("limit")

    @property
    def maximum(self) -> int:
        return self._number("maximum")

    @property
    def retry_after_us(self) -> int:
        return self._number("retry_after_us")


class PermissionDenied(Refused, errors.PermissionError):
    """You may not call this. The text has the line that makes you one who may."""

    @property
    def method(self) -> str:
        return self._text("method")

    @property
    def group(self) -> str:
        """whose members may; "" where only root and the daemon's own user may"""
        return self._text("group")


CLASSES: List[Type[Refused]] = [OutOfRange, InvalidField, NotSupported, NoSuchStream, StreamExists, StreamInUse, Adjusted,
                                Busy, NoRoom, SourceRefused, BadConfiguration, LimitReached, PermissionDenied]
_BY_NAME = {kind.__name__: kind for kind in CLASSES}


def refused(number: int, sentence: str, name: str, parameters: Dict[str, Any]) -> Refused:
    """The exception for an error of the daemon; `number`: of <errno.h>."""
    short = name[len(INTERFACE):] if name.startswith(INTERFACE) else name
    error = _BY_NAME.get(short, Refused)(number, sentence)
    error.name = short
    error.parameters = parameters
    return error
