# SPDX-License-Identifier: BSD-2-Clause
"""
A connection to the daemon's control socket: one question at a time, whichever thread asks.

It is made by the first question, and anew when the daemon was restarted or when this process is a child of the one that
made it. A connection on which a call with many replies goes on takes no other question.
"""
from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import threading
import time
from typing import Any, Dict, Iterator, Mapping, Optional, Tuple

from ._library import ERROR_BYTES, load, lumaring_options, to_ms
from .errors import ClosedError, InUseError, error
from .refused import Busy, refused

BUSY_MIN_S, BUSY_MAX_S = 0.005, 0.5  # between asking a busy daemon and asking it again
SLICE_S = 0.25


class Deadline:
    """Time that several waits have together."""

    def __init__(self, timeout: Optional[float]):
        to_ms(timeout)
        self.end = None if timeout is None else time.monotonic() + timeout

    def left(self) -> Optional[float]:
        return None if self.end is None else max(0.0, self.end - time.monotonic())

    def pause(self, seconds: float) -> bool:
        """False, and no pause, when the time is over."""
        left = self.left()
        if left == 0:
            return False
        time.sleep(seconds if left is None else min(seconds, left))
        return True


class Connection:
    """To the control socket of one camera."""

    def __init__(self, camera: str, runtime_dir: Optional[str] = None):
        self._camera, self._runtime_dir = camera, runtime_dir
        self._handle: Optional[ctypes.c_void_p] = None
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._owner = 0  # the thread whose turn it is

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """One thread at a time. What the library hands out is good until its next call, so none may come in between."""
        if self._owner == threading.get_ident():
            raise InUseError(errno.EDEADLK, "the control of this camera is in the midst of a call that a signal interrupted: "
                             "open the camera once more for its handler")
        with self._lock:
            self._owner = threading.get_ident()
            try:
                yield
            finally:
                self._owner = 0

    def _open(self, deadline: Deadline) -> ctypes.c_void_p:
        """With the lock held."""
        if self._handle is None:
            sentence = ctypes.create_string_buffer(ERROR_BYTES)
            options = lumaring_options(timeout_ms=to_ms(deadline.left()), error_text=ctypes.addressof(sentence),
                                       error_bytes=ERROR_BYTES)
            if self._runtime_dir is not None:
                options.runtime_dir = os.fsencode(self._runtime_dir)
            handle = ctypes.c_void_p()
            r = load().lumaring_control_open(self._camera.encode(), ctypes.byref(options), ctypes.byref(handle))
            if r < 0:
                raise error(r, sentence.value.decode(errors="replace"))
            self._handle = handle
        return self._handle

    def _forget_parents(self) -> None:
        """A connection is not shared with the process that this one was forked from, nor is what it was doing."""
        if self._pid != os.getpid():
            self._pid, self._handle, self._lock = os.getpid(), None, threading.Lock()
            self._owner = 0

    def _failure(self, r: int) -> Exception:
        """What happened, as an exception; with the lock held."""
        library = load()
        sentence = library.lumaring_control_error_text(self._handle).decode(errors="replace")
        name = library.lumaring_control_error_name(self._handle).decode(errors="replace")
        if not name:
            return error(r, sentence)
        parameters = json.loads(library.lumaring_control_error_json(self._handle) or b"{}")
        return refused(-r, sentence, name, parameters)

    def call(self, method: str, parameters: Optional[Mapping[str, Any]] = None, timeout: Optional[float] = None,
             again: bool = False, patient: bool = False) -> Dict[str, Any]:
        """The reply's parameters. `again`: asking twice does no harm, so that a signal does not end the wait.
        `patient`: ask again while the daemon is busy."""
        deadline = Deadline(timeout)
        text = json.dumps(parameters or {}, allow_nan=False).encode()
        self._forget_parents()
        while True:
            try:
                return self._ask(method, text, deadline)
            except InterruptedError:
                if not again:
                    raise
            except Busy as busy:
                pause_s = min(max(busy.retry_after_us / 1e6, BUSY_MIN_S), BUSY_MAX_S)
                if not patient or not deadline.pause(pause_s):
                    raise

    def _ask(self, method: str, text: bytes, deadline: Deadline) -> Dict[str, Any]:
        with self._turn():
            handle = self._open(deadline)
            reply = ctypes.c_char_p()
            r = load().lumaring_control_call(handle, method.encode(), text, to_ms(deadline.left()),
                                                ctypes.byref(reply))
            if r < 0:
                raise self._failure(r)
            return self._parse(reply)

    @staticmethod
    def _parse(reply: ctypes.c_char_p) -> Dict[str, Any]:
        parameters: Dict[str, Any] = json.loads(reply.value or b"{}")
        return parameters

    def begin(self, method: str, parameters: Mapping[str, Any], timeout: Optional[float]) -> None:
        """A call with many replies, which next() takes."""
        deadline = Deadline(timeout)
        self._forget_parents()
        with self._turn():
            handle = self._open(deadline)
            r = load().lumaring_control_watch(handle, method.encode(), json.dumps(parameters).encode(),
                                                 to_ms(deadline.left()))
            if r < 0:
                raise self._failure(r)

    def next(self, timeout: Optional[float]) -> Tuple[Dict[str, Any], bool]:
        """A reply, and if it was the last. Waits in slices, so that a signal that came just before is seen, and close() of
        another thread finds its turn."""
        deadline = Deadline(timeout)
        while True:
            left = deadline.left()
            with self._turn():
                if self._handle is None:
                    raise ClosedError(errno.EBADF, "it was closed, and has no more replies")
                reply = ctypes.c_char_p()
                slice_s = SLICE_S if left is None else min(left, SLICE_S)
                r = load().lumaring_control_next(self._handle, to_ms(slice_s), ctypes.byref(reply))
                if r >= 0:
                    return self._parse(reply), r > 0
                if r not in (-errno.EINTR, -errno.EAGAIN, -errno.ETIMEDOUT):
                    raise self._failure(r)
            if deadline.left() == 0 and r != -errno.EINTR:
                raise error(-errno.ETIMEDOUT, f"nothing came within {timeout:g} s")

    def fileno(self) -> int:
        with self._turn():
            r: int = load().lumaring_control_fd(self._handle) if self._handle else -errno.EINVAL
        if r < 0:
            raise error(r, "no call with many replies was begun, or it is over")
        return r

    def close(self) -> None:
        self._forget_parents()
        with self._turn():
            handle, self._handle = self._handle, None
            if handle is not None:
                load().lumaring_control_close(handle)

    def __del__(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None and self._pid == os.getpid():
            load().lumaring_control_close(handle)
