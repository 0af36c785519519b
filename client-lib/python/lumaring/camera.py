# SPDX-License-Identifier: BSD-2-Clause
"""Cameras: where streams are opened, and what control.py and capture.py add."""
from __future__ import annotations

import ctypes
import errno
import os
import time
import types
import weakref
from typing import Iterable, Optional, Type, Union

from . import errors
from ._library import load, lumaring_options, to_ms
from .capture import CaptureMixin
from .stream import Stream

RETRY_S = 0.05
ANSWER_MS = 2000  # what a daemon that is there has at least for its answer


class Camera(CaptureMixin):
    """A camera, which a daemon serves. Made by lumaring.open(); `with` closes it.

    Streams of it are opened by stream(). Everything else asks the daemon over its control socket, when it is first used.
    """

    name: str
    """Its name, "cam0"."""
    runtime_dir: Optional[str]
    """Where its sockets were said to be; None: where the library looks."""

    def __init__(self, name: Optional[str] = None, *, runtime_dir: Union[None, str, os.PathLike[str]] = None,
                 wait: Optional[float] = 0.0) -> None:
        self.name = name if name is not None else os.environ.get("LUMARING_CAMERA") or "cam0"
        self.runtime_dir = None if runtime_dir is None else _path(runtime_dir)
        self._streams: weakref.WeakSet[Stream] = weakref.WeakSet()
        self._is_closed = False
        if not isinstance(self.name, str):
            raise TypeError(f"the camera's name is {self.name!r}; it must be a string, as \"cam0\"")
        if "\0" in self.name or "\0" in (self.runtime_dir or ""):
            raise errors.InvalidError(errno.EINVAL, "a camera's name and runtime_dir have no NUL in them")
        self._find_daemon(wait)

    def _find_daemon(self, wait: Optional[float]) -> None:
        """Raises what keeps one from talking to it."""
        deadline = None if wait is None else time.monotonic() + to_ms(wait) / 1000
        while True:
            try:
                self._knock()
                return
            except errors.InterruptedError:
                pass
            except errors.ConnectionRefusedError:
                left = RETRY_S if deadline is None else deadline - time.monotonic()
                if left <= 0:
                    raise
                time.sleep(min(left, RETRY_S))

    def _knock(self) -> None:
        library = load()
        sentence = ctypes.create_string_buffer(512)
        options = lumaring_options(timeout_ms=ANSWER_MS, error_text=ctypes.addressof(sentence), error_bytes=len(sentence))
        if self.runtime_dir is not None:
            options.runtime_dir = os.fsencode(self.runtime_dir)
        control = ctypes.c_void_p()
        name = self.name.encode(errors="replace")
        try:
            r = library.lumaring_control_open(name, ctypes.byref(options), ctypes.byref(control))
        finally:
            library.lumaring_control_close(control)  # also where a signal's exception came in between
        if r in (-errno.ECONNREFUSED, -errno.EACCES, -errno.EINVAL, -errno.EINTR, -errno.ENOMEM, -errno.EMFILE, -errno.ENFILE):
            raise errors.error(r, sentence.value.decode(errors="replace"))
        # For all else there is a daemon. What it has against a stream or a change, it says then.

    def stream(self, name: Optional[str] = None, *, newest: bool = False, follow: bool = False,
               timeout: Optional[float] = None, region: Optional[Iterable[int]] = None,
               max_size: Optional[Iterable[int]] = None, format: Optional[str] = None, bin: Optional[int] = None,
               slots: Optional[int] = None, copy: bool = False, oldest: bool = False, futex: bool = False,
               cursors: int = 2, frames_max: int = 16, wait: Optional[float] = 2.0) -> Stream:
        """Open a stream. It is closed with the camera, by its own close(), or when nothing refers to it any more.

        name        a stream that all share; left out: "main", or, with one of the next five, a private stream
        region      private: (x, y, width, height), pixels of the captured image; width or height 0: up to the edge
        max_size    private: (width, height) of the largest region it can be moved to; left out: those of the first
        format      private: "R8" (the default), a byte a pixel, or "R16"
        bin         private: 2: each pixel the mean of 2x2
        slots       private: frames that its ring holds; left out: as the daemon has it
        newest      iteration takes the newest frame each time, instead of each in order
        follow      waits go on after the source ended or the daemon was stopped
        timeout     how long an iteration waits for a frame, seconds; None: for ever
        oldest      begin with what is in the ring already, instead of the first frame published later
        copy        copy each frame out, and pin none
        futex       wait on a word of shared memory instead of messages: cheapest where many programs read one camera;
                    not for asyncio and fileno(); a daemon that was killed is noticed up to 100 ms later
        cursors     pins wanted, 0 to 8; fewer may be granted
        frames_max  frames held at once, pinned and copied, 1 to 4096
        wait        how long the daemon may take to have a ring, seconds; None: for ever

        Raises InvalidError (a name, an option or a region is out of range), NotFoundError (no such stream),
        ConnectionRefusedError (no daemon any more), PermissionError, TooManyClientsError, LimitError (the private ring is
        beyond the daemon's limit), BusyError (your user opens too often), NoRoomError (/dev/shm is full), ProtocolError
        (daemon and library have no version in common, or the daemon is older than `format` and `bin`), NotSupportedError
        (`futex`), TimeoutError, BadMessageError, OutOfDescriptorsError, ClosedError (the camera was closed).
        """
        self._check_open()
        stream = Stream(self, name, newest=newest, follow=follow, timeout=timeout, region=region, max_size=max_size,
                        format=format, bin=bin, slots=slots, copy=copy, oldest=oldest, futex=futex, cursors=cursors,
                        frames_max=frames_max, wait=wait)
        self._streams.add(stream)
        if self._is_closed:  # by another thread meanwhile
            stream.close()
        return stream

    def _check_open(self) -> None:
        if self._is_closed:
            raise errors.ClosedError(errno.EBADF, f"camera {self.name} was closed")

    def close(self) -> None:
        """Close all of its streams, see Stream.close(), and disconnect. May be called again."""
        self._is_closed = True
        for stream in list(self._streams):
            stream.close()
        self._close_capture()
        self._close_control()

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._is_closed

    def __enter__(self) -> Camera:
        self._check_open()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                 trace: Optional[types.TracebackType]) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<lumaring.Camera {self.name}{', closed' if self.closed else ''}>"


def _path(runtime_dir: Union[str, os.PathLike[str]]) -> str:
    try:
        path = os.fsdecode(runtime_dir)
        os.fsencode(path)
        return path
    except TypeError:
        raise TypeError(f"runtime_dir is {runtime_dir!r}; it must be a path") from None
    except UnicodeEncodeError as why:
        raise errors.InvalidError(errno.EINVAL, f"runtime_dir is {runtime_dir!r}, which can be no path: {why}") from None


def open(name: Optional[str] = None, *, runtime_dir: Union[None, str, os.PathLike[str]] = None,
         wait: Optional[float] = 0.0) -> Camera:
    """A camera by its name; left out: $LUMARING_CAMERA, else "cam0".

    runtime_dir  where the daemon has its directory; left out: $LUMARING_RUNTIME_DIR, else /run/lumaring if the camera is
                 there, else $XDG_RUNTIME_DIR/lumaring
    wait         how long to wait for a daemon where there is none, seconds; None: for ever

    Raises ConnectionRefusedError (no daemon serves it), PermissionError (you are not in the daemon's group; the sentence has
    what makes you a member), InvalidError (no name of a camera), LibraryError (liblumaring.so.0 is missing),
    OutOfDescriptorsError.
    """
    return Camera(name, runtime_dir=runtime_dir, wait=wait)
