# SPDX-License-Identifier: BSD-2-Clause
"""
A connection to the daemon's control socket: one question at a time, whichever thread asks.

It is made by the first question, and anew when the daemon was restarted or when this process is a child of the one that
made it. A connection on which a call with many replies goes on takes no other question, and is of no use to a child.
"""
from __future__ import annotations

import ctypes
import errno
import json
import os
import time
from typing import Any, Callable, Dict, Mapping, Optional, Tuple, Union

from ._library import ERROR_BYTES, load, lumaring_options, to_float, to_ms
from .errors import BadMessageError, ClosedError, ForkedError, InvalidError, error
from .refused import Busy, refused
from .single import Single
from .turns import Turns

BUSY_MIN_S, BUSY_MAX_S = 0.005, 0.5  # between asking a busy daemon and asking it again
SLICE_S = 0.25


class Deadline:
    """Time that several waits have together."""

    def __init__(self, timeout: Optional[float]):
        to_ms(timeout)
        self.end = None if timeout is None else time.monotonic() + to_float(timeout)

    def left(self) -> Optional[float]:
        return None if self.end is None else max(0.0, self.end - time.monotonic())

    def pause(self, seconds: float) -> bool:
        """False, and no pause, when the time is over."""
        left = self.left()
        if left == 0:
            return False
        time.sleep(seconds if left is None else min(seconds, left))
        return True


class Connection(Single):
    """To the control socket of one camera."""

    def __init__(self, camera: str, runtime_dir: Optional[str] = None):
        self._camera, self._runtime_dir = camera, runtime_dir
        self._handle: Optional[ctypes.c_void_p] = None
        self._pid = os.getpid()
        self._is_closed = False
        self.turns = Turns("the control of this camera is in the midst of a call that a signal interrupted: open the camera "
                           "once more for its handler")

    def _in_turn(self, body: Callable[..., Any], *arguments: Any) -> Any:
        """One thread at a time. What the library hands out is good until its next call, so none may come in between."""
        try:
            return self.turns.take(body, *arguments)
        finally:
            if self._is_closed:
                self._settle()

    def _open(self, deadline: Deadline) -> ctypes.c_void_p:
        """In turn."""
        if self._is_closed:
            raise ClosedError(errno.EBADF, f"camera {self._camera} was closed")
        if not self._handle:
            sentence = ctypes.create_string_buffer(ERROR_BYTES)
            options = lumaring_options(timeout_ms=to_ms(deadline.left()), error_text=ctypes.addressof(sentence),
                                       error_bytes=ERROR_BYTES)
            if self._runtime_dir is not None:
                options.runtime_dir = os.fsencode(self._runtime_dir)
            handle = self._handle = ctypes.c_void_p()  # before it is made, so that a signal's exception loses none
            camera = self._camera.encode(errors="replace")
            r = load().lumaring_control_open(camera, ctypes.byref(options), ctypes.byref(handle))
            if r < 0:
                self._handle = None
                raise error(r, sentence.value.decode(errors="replace"))
            return handle
        return self._handle

    def _forget_parents(self) -> None:
        """A connection is not shared with the process that this one was forked from, nor is what it was doing."""
        if self._pid != os.getpid():
            self._pid, self._handle = os.getpid(), None

    def _check_ours(self) -> None:
        """What goes on there is read by one process: a reply that a child takes is missing in its parent."""
        if self._pid != os.getpid():
            raise ForkedError(errno.ECHILD, "it belongs to the process that this one was forked from: watch anew here")

    def _failure(self, r: int) -> Exception:
        """What happened, as an exception; in turn."""
        library = load()
        sentence = library.lumaring_control_error_text(self._handle).decode(errors="replace")
        name = library.lumaring_control_error_name(self._handle).decode(errors="replace")
        if not name:
            return error(r, sentence)
        return refused(-r, sentence, name, self._parse(library.lumaring_control_error_json(self._handle)))

    def call(self, method: str, parameters: Optional[Mapping[str, Any]] = None, timeout: Optional[float] = None,
             again: bool = False, patient: bool = False) -> Dict[str, Any]:
        """The reply's parameters. `again`: asking twice does no harm, so that a signal does not end the wait.
        `patient`: ask again while the daemon is busy."""
        deadline = Deadline(timeout)
        name, text = _name(method), _text(method, parameters)
        self._forget_parents()
        while True:
            try:
                reply: Dict[str, Any] = self._in_turn(self._ask, name, text, deadline)
                return reply
            except InterruptedError:
                if not again:
                    raise
            except Busy as busy:
                pause_s = min(max(busy.retry_after_us / 1e6, BUSY_MIN_S), BUSY_MAX_S)
                if not patient or not deadline.pause(pause_s):
                    raise

    def _ask(self, name: bytes, text: bytes, deadline: Deadline) -> Dict[str, Any]:
        handle = self._open(deadline)
        reply = ctypes.c_char_p()
        r = load().lumaring_control_call(handle, name, text, to_ms(deadline.left()), ctypes.byref(reply))
        if r < 0:
            raise self._failure(r)
        return self._parse(reply.value)

    @staticmethod
    def _parse(text: Optional[bytes]) -> Dict[str, Any]:
        try:
            parameters: Dict[str, Any] = json.loads(text or b"{}")
        except (ValueError, RecursionError) as why:  # which the library, who has looked at it, let pass
            raise BadMessageError(errno.EBADMSG, f"the daemon's answer makes no sense: {why}") from why
        return parameters

    def begin(self, method: str, parameters: Mapping[str, Any], timeout: Optional[float]) -> None:
        """A call with many replies, which next() takes."""
        self._in_turn(self._begin, _name(method), _text(method, parameters), Deadline(timeout))

    def _begin(self, name: bytes, text: bytes, deadline: Deadline) -> None:
        handle = self._open(deadline)
        r = load().lumaring_control_watch(handle, name, text, to_ms(deadline.left()))
        if r < 0:
            raise self._failure(r)

    def next(self, timeout: Optional[float]) -> Tuple[Dict[str, Any], bool]:
        """A reply, and if it was the last. Waits in slices, so that a signal that came just before is seen, and other
        threads find their turn. Raises ClosedError, within a slice, when another thread has closed it."""
        deadline = Deadline(timeout)
        while True:
            self._check_ours()
            left = deadline.left()
            got = self._in_turn(self._next, SLICE_S if left is None else min(left, SLICE_S))
            if not isinstance(got, int):
                parameters, is_last = got
                return parameters, is_last
            if deadline.left() == 0 and got != -errno.EINTR:
                raise error(-errno.ETIMEDOUT, f"nothing came within {float(timeout or 0):g} s")

    def _next(self, slice_s: float) -> Union[int, Tuple[Dict[str, Any], bool]]:
        if self._is_closed:
            raise ClosedError(errno.EBADF, "it was closed, and has no more replies")
        reply = ctypes.c_char_p()
        r: int = load().lumaring_control_next(self._handle, to_ms(slice_s), ctypes.byref(reply))
        if r >= 0:
            return self._parse(reply.value), r > 0
        if r not in (-errno.EINTR, -errno.EAGAIN, -errno.ETIMEDOUT):
            raise self._failure(r)
        return r

    def fileno(self) -> int:
        self._check_ours()
        if self._is_closed:
            raise ClosedError(errno.EBADF, "it was closed, and has no more replies")
        r: int = self._in_turn(lambda: load().lumaring_control_fd(self._handle) if self._handle else -errno.EINVAL)
        if r < 0:
            raise error(r, "no call with many replies was begun, or it is over")
        return r

    def close(self) -> None:
        """For good. What is under way, of another thread or of one that a signal handler interrupted, closes it when it
        ends, and is not waited for."""
        self._is_closed = True
        self._settle()

    def _settle(self) -> None:
        self._forget_parents()
        while self._handle and not self.turns.busy:
            self.turns.take(self._finish)

    def _finish(self) -> None:
        handle, self._handle = self._handle, None
        if handle:
            load().lumaring_control_close(handle)

    def __del__(self) -> None:
        handle, self._handle = self._handle, None
        if handle and self._pid == os.getpid():
            load().lumaring_control_close(handle)


def _name(method: str) -> bytes:
    """The library says which names there can be."""
    if not isinstance(method, str):
        raise TypeError(f"the method is {method!r}; it must be a name, as \"GetStatus\"")
    if "\0" in method:
        raise InvalidError(errno.EINVAL, f"the method is {method!r}; a name has no NUL in it")
    return method.encode(errors="replace")


def _text(method: str, parameters: Optional[Mapping[str, Any]]) -> bytes:
    try:
        return json.dumps(dict(parameters or {}), allow_nan=False).encode()
    except (TypeError, RecursionError) as why:
        raise TypeError(f"a parameter of {method} is nothing that JSON has: {why}") from None
    except ValueError as why:  # not a number, without end, or part of itself
        raise InvalidError(errno.EINVAL, f"a parameter of {method} is nothing that JSON has: {why}") from None
