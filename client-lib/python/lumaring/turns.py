# SPDX-License-Identifier: BSD-2-Clause
"""Calls that many threads make of one thing, one at a time."""
from __future__ import annotations

import errno
import os
import threading
import time
from typing import Any, Callable, Dict

from .errors import InUseError

YIELD_S = 0.0005  # for another thread to take its turn


class Turns:
    """Raises InUseError where waiting would be for ever: in a signal handler that interrupted a call of its own thread.

    Such a lock knows from the moment on that it is taken whose it is, so that no handler runs before that is known. In a
    child made by fork() nobody has it: who had it is not there.
    """

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock: Any = threading.RLock()
        self._queue: Dict[int, None] = {}  # threads that want it or have it
        self.owner = 0  # the thread whose turn it is

    @property
    def busy(self) -> bool:
        """Whether a call is under way."""
        return bool(self.owner) or bool(self._lock._is_owned())

    def take(self, body: Callable[..., Any], *arguments: Any) -> Any:
        """body(*arguments) when it is this thread's turn."""
        if self._pid != os.getpid():
            self._begin()
        if self._lock._is_owned():
            raise InUseError(errno.EDEADLK, self._sentence)
        if self._queue:
            time.sleep(YIELD_S)
        me = threading.get_ident()
        try:
            self._queue[me] = None
            with self._lock:
                self.owner = me
                try:
                    return body(*arguments)
                finally:
                    self.owner = 0
        finally:
            self._queue.pop(me, None)
