# SPDX-License-Identifier: BSD-2-Clause
"""One struct lumaring of the library, for any number of threads.

The library wants one thread at a time for a handle. Here calls take turns, as those of turns.py, whose steps are in line
here, since there are so many; a wait gives way every SLICE_MS, which is also how soon a signal that came just before it is
seen. Frames are given back by whoever drops them, in any thread and also in the midst of a call (the garbage collector runs
anywhere): what cannot be given back at once is queued for the call that is under way. close() leaves the library's handle
open as long as there are arrays: their memory is its.
"""
from __future__ import annotations

import collections
import ctypes
import errno
import itertools
import os
import sys
import threading
import time
import weakref
from typing import Any, Callable, Deque, Dict, List, Optional, Set, Union

from . import errors
from ._library import load, lumaring_options
from .frame import Hold, hold_frame
from .single import Single
from .turns import YIELD_S

_ADDRESS_BYTES = ctypes.sizeof(ctypes.c_void_p)

SLICE_MS = 250

_get_ident = threading.get_ident
_getpid = os.getpid
_is_finalizing = sys.is_finalizing

_SENTENCES = {-errno.EAGAIN: "no new frame", -errno.EINTR: ""}  # for which the library has none


class Handle(Single):
    """Opens, or raises what the library says.

    The states: open; closing (close() was called, arrays are alive); gone. A fork() makes it gone in the child, where
    nothing is given back or closed: what the child inherited is its parent's. That is found by the number of the process,
    since a fork() of somebody's C calls nobody in Python; Python's own finds all handles at once, so that none is left as
    it is until it is used.
    """

    def __init__(self, camera: str, stream: Optional[str], options: lumaring_options, name: str) -> None:
        self.name = name
        self.exports: Set[int] = set()  # ids of the Pixels that are alive; single operations of a set are atomic
        self._native: Optional[ctypes.c_void_p] = None
        self._closing = False
        self._forked = False
        self.returns: Deque[Optional[int]] = collections.deque()  # addresses of frames, for settle() or the next call
        self._later: Optional[BaseException] = None
        self._pid = _getpid()
        self._lock: Any = threading.RLock()
        self._owner = 0                    # the thread that has the lock
        self._queue: Dict[int, None] = {}  # threads that want it or have it
        self._out = ctypes.c_void_p()      # a frame that the library handed out and nobody took yet
        self._out_place = ctypes.byref(self._out)
        self._room = (ctypes.c_void_p * 0)()  # likewise, many
        library = load()
        self._release = library.lumaring_release
        self._close = library.lumaring_close
        self._error_text = library.lumaring_error_text
        self.library = library
        sentence = ctypes.create_string_buffer(512)
        options.error_text, options.error_bytes = ctypes.addressof(sentence), len(sentence)
        # Ours before it is made, so that a signal's exception leaves it to __del__.
        native = self._native = ctypes.c_void_p()
        r = library.lumaring_open(camera.encode(errors="replace"), stream.encode(errors="replace") if stream else None,
                                  ctypes.byref(options), ctypes.byref(native))
        if r < 0:
            self._native = None
            raise errors.error(r, sentence.value.decode(errors="replace") or library.lumaring_strerror(r).decode())
        _handles.add(self)

    # --- calls -------------------------------------------------------------------------------------------------------

    def call(self, body: Callable[..., Any], *arguments: Any) -> Any:
        """body(native handle, *arguments) when it is this thread's turn. Raises ClosedError, ForkedError, StaleError;
        InUseError in a signal handler that interrupted a call of the same thread."""
        if self._pid != _getpid():
            self._disown()
        if self._lock._is_owned():
            raise errors.InUseError(errno.EDEADLK, f"{self.name} is in the midst of a call that a signal interrupted: its "
                                    "handler may close the stream, and use others")
        if self._queue:
            time.sleep(YIELD_S)
        me = _get_ident()
        try:
            self._queue[me] = None
            with self._lock:
                self._owner = me
                try:
                    self.check_open()
                    if self.returns:
                        self._give_all_back()
                    if self._later is not None:
                        self._raise_now()
                    return body(self._native, *arguments)
                finally:
                    self._owner = 0
        finally:
            self._queue.pop(me, None)
            if self.returns or self._closing:
                self.settle()

    def take(self, function: Callable[..., int], in_order: bool, timeout_ms: int) -> Union[Hold, int, str]:
        """The next frame, held; or an event; or why none came in time, "" after a signal."""
        result: Union[Hold, int, str] = self.call(self._take, function, in_order, timeout_ms)
        return result

    def _take(self, native: ctypes.c_void_p, function: Callable[..., int], in_order: bool,
              timeout_ms: int) -> Union[Hold, int, str]:
        r = 0
        # A frame is there already where an exception, as of Ctrl-C, came between the library's return and ours.
        if self._out.value is None or not in_order:
            self._drop(native)
            r = function(native, timeout_ms, self._out_place)
        if r == 0:
            return hold_frame(self, self._out)
        if r > 0:
            return r
        if r in _SENTENCES:
            return _SENTENCES[r]
        text: str = self._error_text(native).decode(errors="replace")
        if r != -errno.ETIMEDOUT:
            raise errors.error(r, self._explain(r, text))
        return text

    def _drop(self, native: ctypes.c_void_p) -> None:
        address, self._out.value = self._out.value, None
        if address is not None:
            self._release(native, address)

    def exact(self, epoch: int, sequence: int) -> Hold:
        """Raises NotFoundError and others."""
        hold: Hold = self.call(self._exact, epoch, sequence)
        return hold

    def _exact(self, native: ctypes.c_void_p, epoch: int, sequence: int) -> Hold:
        self._drop(native)
        self.check(native, self.library.lumaring_exact(native, epoch, sequence, self._out_place))
        return hold_frame(self, self._out)

    def last(self, count: int) -> List[Hold]:
        """The newest ones, oldest first."""
        holds: List[Hold] = self.call(self._last, count)
        return holds

    def _last(self, native: ctypes.c_void_p, count: int) -> List[Hold]:
        room = self._make_room(count)
        self.check(native, self.library.lumaring_last(native, count, room, ctypes.byref(ctypes.c_uint())))
        places = [ctypes.c_void_p.from_buffer(room, at * _ADDRESS_BYTES) for at in range(count)]
        return [hold_frame(self, place) for place in places if place.value is not None]

    def _make_room(self, count: int) -> ctypes.Array[ctypes.c_void_p]:
        """For so many frames; what an exception left there is given back."""
        for at, address in enumerate(self._room):
            self._room[at] = None
            if address is not None:
                self.returns.append(address)
        self._give_all_back()
        self._room = (ctypes.c_void_p * count)()
        return self._room

    def check(self, native: ctypes.c_void_p, r: int) -> int:
        """`r`, or what the library says when that is negative."""
        if r < 0:
            raise errors.error(r, self._explain(r, self._error_text(native).decode(errors="replace")))
        return r

    def _explain(self, r: int, text: str) -> str:
        if r == -errno.ENOBUFS and self.exports:
            return (f"{text}; {len(self.exports)} arrays or views are alive, and each keeps its frame: let them go, or "
                    "keep a copy()")
        return text or str(self.library.lumaring_strerror(r).decode())

    # --- giving back -------------------------------------------------------------------------------------------------

    def exported_no_more(self, pixels: int) -> None:
        """From any thread, at any point of any code."""
        self.exports.discard(pixels)
        if self._closing:
            self.settle()

    def settle(self) -> None:
        """Give back and close what is due, unless a call is under way: that does it when it ends. Never waits for one."""
        if self._pid != _getpid():
            self._disown()
        while (self.returns or self._close_is_due()) and not self._owner:
            with self._lock:
                self._owner = _get_ident()
                try:
                    self._give_all_back()
                    if self._close_is_due():
                        native, self._native = self._native, None
                        self._close(native)
                finally:
                    self._owner = 0

    def _give_all_back(self) -> None:
        """With the lock held. Each is taken from the queue and given back in one go, without a line of Python between, so
        that no signal's exception leaves it given back and queued, or neither."""
        if self._native is None:
            self.returns.clear()
        while self.returns:
            self.returns.append(None)
            results = list(map(self._release, itertools.repeat(self._native), iter(self.returns.popleft, None)))
            if min(results, default=0) < 0:
                text = self._error_text(self._native).decode(errors="replace")
                self._later = errors.error(min(results), text)

    def raise_later(self, why: BaseException) -> None:
        """By the next call: where it came up, an exception would be ignored."""
        self._later = why

    def _raise_now(self) -> None:
        why, self._later = self._later, None
        assert why is not None
        raise why

    def _close_is_due(self) -> bool:
        return self._closing and self._native is not None and not self.exports

    # --- closing -----------------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        return self._native is not None and not self._closing and self._pid == _getpid()

    def check_open(self) -> None:
        """Raises ClosedError or ForkedError."""
        if self._forked or self._pid != _getpid():
            raise errors.ForkedError(errno.ECHILD, f"{self.name} belongs to the process that this one was forked from: "
                                     "open it anew here")
        if self._closing:
            raise errors.ClosedError(errno.EBADF, f"{self.name} was closed")

    def __del__(self) -> None:
        if getattr(self, "_native", None):  # it has none, or an empty one, where it could not be opened
            self._closing = True
            self.settle()

    def close(self) -> None:
        """Close. A wait of another thread ends, with ClosedError, before this returns."""
        self._closing = True
        if self._pid != _getpid():
            self._disown()
        # At the interpreter's end a thread that has the lock may never come back with it.
        if not _is_finalizing():
            with self._lock:
                pass
        self.settle()

    def _disown(self) -> None:
        """In a child of the process that opened it."""
        self._forked, self._native, self._pid = True, None, _getpid()
        self._lock, self._owner, self._queue = threading.RLock(), 0, {}
        self.returns.clear()


_handles: weakref.WeakSet[Handle] = weakref.WeakSet()


def _disown_all() -> None:
    for handle in list(_handles):
        handle._disown()


os.register_at_fork(after_in_child=_disown_all)
