# SPDX-License-Identifier: BSD-2-Clause
"""What the package raises: lumaring.Error for all of it, and a class for each error that a program may tell apart.

Every one is an OSError: `errno` is the code of liblumaring, `code` its name ("ECONNREFUSED"), and str() one sentence that
says what, where and what to do, in the daemon's words where the daemon refused something. Where a built-in exception
means the same, the class is one of those as well: `except TimeoutError` and `except PermissionError` do what they say.
"""
import errno as _errno
import os as _os
from typing import Dict, Optional, Type

__all__ = [
    "Error", "InvalidError", "NotFoundError", "ConnectionRefusedError", "PermissionError", "TooManyClientsError",
    "LimitError", "BusyError", "NoRoomError", "ProtocolError", "NotSupportedError", "BadMessageError", "TimeoutError",
    "NotConnectedError", "InterruptedError", "TooManyFramesError", "StaleError", "OutOfDescriptorsError",
    "OutOfMemoryError", "EndedError", "ReleasedError", "ClosedError", "InUseError", "ForkedError", "LibraryError",
    "error",
]

_builtin_timeout = TimeoutError
_builtin_refused = ConnectionRefusedError
_builtin_permission = PermissionError
_builtin_interrupted = InterruptedError


class Error(OSError):
    """What all errors of the package are. `errno`: a positive error number; `strerror`: the sentence."""

    errno: int
    strerror: str

    def __init__(self, number: int, sentence: str) -> None:
        super().__init__(number, sentence)

    @property
    def code(self) -> str:
        """The error's name in C, such as "ENOENT"."""
        return _errno.errorcode.get(self.errno, str(self.errno))

    def __str__(self) -> str:
        return self.strerror


class InvalidError(Error, ValueError):
    """EINVAL: a name, an option or a region is out of range."""


class NotFoundError(Error, FileNotFoundError, LookupError):
    """ENOENT: no such stream; or, of Stream.exact(), no such frame in the ring: too old, or not published yet."""


class ConnectionRefusedError(Error, _builtin_refused):
    """ECONNREFUSED: no daemon serves this camera there."""


class PermissionError(Error, _builtin_permission):
    """EACCES, EPERM: you may not connect, or may not ask for this; the sentence has what makes you one who may."""


class TooManyClientsError(Error):
    """EUSERS: the daemon has its limit of clients, of all or of your user."""


class LimitError(Error):
    """EDQUOT: beyond a limit of the daemon, of private rings, connections or requests."""


class BusyError(Error):
    """EBUSY: asked more often than the daemon allows, or another change is under way."""


class NoRoomError(Error):
    """ENOSPC: /dev/shm has no room for the ring."""


class ProtocolError(Error):
    """EPROTONOSUPPORT: daemon and library have no version of the protocol in common."""


class NotSupportedError(Error, NotImplementedError):
    """ENOTSUP, ENOSYS: this stream, source or daemon cannot do that."""


class BadMessageError(Error):
    """EBADMSG: the ring or the daemon makes no sense; the next call begins anew with a new connection."""


class TimeoutError(Error, _builtin_timeout):
    """ETIMEDOUT: nothing in the time given. A call may be repeated: nothing is lost by it."""


class NotConnectedError(Error, ConnectionError):
    """ENOTCONN: the daemon left before it answered."""


class InterruptedError(Error, _builtin_interrupted):
    """EINTR: a signal arrived. Waits for frames go on after a signal whose handler returned, and never raise this."""


class TooManyFramesError(Error, BufferError):
    """ENOBUFS: frames_max frames are held already, by frames not released or by arrays that are alive."""


class StaleError(Error):
    """ESTALE: a frame was overwritten while it was held; what was computed from it is worth nothing. The daemon promises
    that this cannot happen; it is checked all the same."""


class OutOfDescriptorsError(Error):
    """EMFILE, ENFILE: this process, or the daemon, has no free file descriptor."""


class OutOfMemoryError(Error, MemoryError):
    """ENOMEM."""


class EndedError(Error, EOFError):
    """The source has ended, or the daemon was stopped, and every frame has been handed out (ENODATA). A call after this
    one waits for a daemon to come back."""


class ReleasedError(Error, ValueError):
    """Pixels of a frame were asked for after it was released (EBADF)."""


class ClosedError(Error, ValueError):
    """A stream or a camera was used after close() (EBADF)."""


class InUseError(Error, RuntimeError):
    """A stream or a camera was used from within a call of its own, by a signal handler, or a stream is awaited by two tasks
    (EDEADLK)."""


class ForkedError(Error):
    """A stream, frame or watch of the parent was used in a child made by fork(): open another one there (ECHILD)."""


class LibraryError(Error):
    """liblumaring.so.0 was not found, could not be loaded, or is older than this package (ELIBACC)."""


_CLASSES: Dict[int, Type[Error]] = {
    _errno.EINVAL: InvalidError,
    _errno.ENOENT: NotFoundError,
    _errno.ECONNREFUSED: ConnectionRefusedError,
    _errno.EACCES: PermissionError,
    _errno.EPERM: PermissionError,
    _errno.EUSERS: TooManyClientsError,
    _errno.EDQUOT: LimitError,
    _errno.EBUSY: BusyError,
    _errno.ENOSPC: NoRoomError,
    _errno.EPROTONOSUPPORT: ProtocolError,
    _errno.ENOTSUP: NotSupportedError,
    _errno.ENOSYS: NotSupportedError,
    _errno.EBADMSG: BadMessageError,
    _errno.ETIMEDOUT: TimeoutError,
    _errno.ENOTCONN: NotConnectedError,
    _errno.EINTR: InterruptedError,
    _errno.ENOBUFS: TooManyFramesError,
    _errno.ESTALE: StaleError,
    _errno.EMFILE: OutOfDescriptorsError,
    _errno.ENFILE: OutOfDescriptorsError,
    _errno.ENOMEM: OutOfMemoryError,
}


def error(number: int, sentence: Optional[str]) -> Error:
    """The exception for a code of liblumaring, negative or positive, and its sentence; Error itself for other codes."""
    number = abs(number)
    return _CLASSES.get(number, Error)(number, sentence or _os.strerror(number))
