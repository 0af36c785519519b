# SPDX-License-Identifier: BSD-2-Clause
"""Streams: frames in order, the newest ones, or those of a while ago; by waiting, by iteration, by asyncio."""
from __future__ import annotations

import asyncio
import ctypes
import errno
import operator
import os
import re
import time
import types
from collections import deque
from typing import (TYPE_CHECKING, Any, AsyncIterator, Callable, Deque, Iterable, Iterator, List, NamedTuple, Optional,
                    Tuple, Type)

from . import errors
from ._library import (COPY, FORMAT_R8, FORMAT_R16, FUTEX, OLDEST, PRIVATE, Clock, Event, LumaRange, RingState,
                       lumaring_options, lumaring_region, to_ms)
from .frame import Frame, Hold
from .handle import SLICE_MS, Handle
from .settings import Region
from .single import Single

if TYPE_CHECKING:
    from .camera import Camera

FORMATS = {"R8": FORMAT_R8, "R16": FORMAT_R16}
EVENTS_MAX = 64  # that a stream remembers
FRAMES_MAX = 4096  # that a stream may hold, the library's limit
OPEN_SLICE_MS = 2000

_OWN: Any = object()  # as a timeout: the stream's own
_EVENTS = {int(event): event for event in Event}
_TIME_IN_TEXT = re.compile(r",? (?:within \d+ ms|\(asked again for \d+ ms\))$")
_monotonic = time.monotonic


class StreamInfo(NamedTuple):
    """What is known of a stream now."""

    stream: str
    """Name, also of a private stream."""
    connected: bool
    """Whether the daemon is there."""
    state: RingState
    """LIVE: frames come; PAUSED: none yet, or the source waits; SOURCE_LOST: the camera is gone; CLOSED, REPLACED."""
    epoch: int
    """Of the ring in use."""
    boot_id: str
    """Of the machine's boot the epoch belongs to, as /proc/sys/kernel/random/boot_id."""
    published: int
    """Newest publication in the ring, 0: none yet."""
    slot_count: int
    """Frames that fit."""
    ring_bytes: int
    """Size of the shared memory."""
    max_size: Tuple[int, int]
    """Capacity: largest width and height of a frame, pixels."""
    image_size: Tuple[int, int]
    """Width and height of the captured image when the ring was handed over, pixels."""
    frame_duration_us: int
    """From frame to frame when the connection was made, microseconds; 0: unpaced or unknown."""
    cursors: int
    """Pins that the daemon granted."""
    luma_range: LumaRange
    """What a sample means."""
    sensor_clock: Clock
    """Clock of Frame.sensor_ns."""
    daemon_pid: int
    """Its process."""
    futex: bool
    """Whether it is waited on a word of shared memory, without messages."""


def _pair(name: str, values: Iterable[int], count: int) -> Tuple[int, ...]:
    """Whole numbers from 0 to 65535; what numpy has for one is one."""
    wanted = f"it must be {count} whole numbers from 0 to 65535"
    try:
        numbers = tuple(operator.index(value) for value in values)
    except TypeError:
        raise TypeError(f"{name} is {values!r}; {wanted}") from None
    if len(numbers) != count or not all(0 <= number <= 65535 for number in numbers):
        raise errors.InvalidError(errno.EINVAL, f"{name} is {numbers!r}; {wanted}")
    return numbers


def _region(region: Iterable[int]) -> lumaring_region:
    return lumaring_region(*_pair("region", region, 4))


class Stream(Single):
    """A reader of one stream. Made by Camera.stream().

        for frame in camera.stream("main"):             # each frame in order; newest=True: the newest each time
            ...
        async for frame in camera.stream("main"):       # the same with asyncio
            ...

    A loop ends when the source has ended, or the daemon was stopped, and every frame has been handed out; with
    follow=True it waits for the daemon to come back instead. When the daemon was killed, and when the camera is gone, it
    waits in any case. What happened between two frames stands in `events`, and `on_event` is called with it.

    Each iteration releases the frame of the one before. Frames of next(), latest(), exact() and last() are released by
    you, or when nothing refers to them any more. At most `frames_max` frames are held at once.

    Times are in seconds, None being for ever. Waits can be interrupted by Ctrl-C and other signals, within 0.25 s also
    where one came just before; they let other threads run. Any thread may use a stream: calls take turns, so that one
    that does not wait may have to, for the wait of another thread to give way, up to 0.25 s; of two that wait each gets
    frames the other does not. A stream for each thread is better. After a fork() the child's use raises ForkedError.

    Every call raises ClosedError after close().
    """

    camera: Camera
    """The camera it is of."""
    name: str
    """Its name; "private" for one of your own."""
    private: bool
    """Whether it is one of your own."""
    newest: bool
    """Whether iteration takes the newest frame each time, instead of each in order."""
    follow: bool
    """Whether waits go on after the source ended or the daemon was stopped."""
    timeout: Optional[float]
    """How long an iteration, and a call that is not told, waits for a frame, seconds; None: for ever."""
    on_event: Optional[Callable[[Event], None]]
    """Called with each event, by the thread that waits, before it waits on. What it raises ends that wait."""
    events: Deque[Event]
    """The last events, up to 64, the newest at the right end. Yours to clear."""
    seen: int
    """Frames handed out by iteration, next() and latest()."""
    missed: int
    """Sum of Frame.missed over those."""

    def __init__(self, camera: Camera, name: Optional[str], *, newest: bool, follow: bool, timeout: Optional[float],
                 region: Optional[Iterable[int]], max_size: Optional[Iterable[int]], format: Optional[str],
                 bin: Optional[int], slots: Optional[int], copy: bool, oldest: bool, futex: bool, cursors: int,
                 frames_max: int, wait: Optional[float]) -> None:
        to_ms(timeout)
        if name is not None and not isinstance(name, str):
            raise TypeError(f"the stream's name is {name!r}; it must be a string, as \"main\"")
        if name is not None and (not name or "\0" in name):
            raise errors.InvalidError(errno.EINVAL, f"the stream's name is {name!r}; it must be 1 to 32 of a-z 0-9 _ -")
        self.private = any(option is not None for option in (region, max_size, format, bin, slots))
        if self.private and name is not None:
            raise errors.InvalidError(errno.EINVAL, f'region, max_size, format, bin and slots make a stream of your own: '
                                      f'leave out the name "{name}", or change that stream by camera.streams')
        if format is not None and (not isinstance(format, str) or format not in FORMATS):
            raise errors.InvalidError(errno.EINVAL, f'format is "{format}"; it must be "R8" or "R16"')
        self.camera, self.name = camera, "private" if self.private else name if name is not None else "main"
        self.newest, self.follow, self.timeout = newest, follow, timeout
        self.events, self.on_event = deque(maxlen=EVENTS_MAX), None
        self.seen = self.missed = 0
        self._asked = _region(region if region is not None else (0, 0, 0, 0)) if self.private else None
        self._awaited: Optional[_Waiter] = None
        self._format, self._bin = FORMATS[format] if format else 0, _count("bin", bin) if bin is not None else 0
        width_max, height_max = _pair("max_size", max_size, 2) if max_size is not None else (0, 0)
        options = lumaring_options(
            flags=(PRIVATE if self.private else 0) | (COPY if copy else 0) | (OLDEST if oldest else 0)
            | (FUTEX if futex else 0), cursors=_count("cursors", cursors), frames_max=_count("frames_max", frames_max),
            width_max=width_max, height_max=height_max, slots=_count("slots", slots) if slots is not None else 0,
            fourcc=self._format, bin=self._bin)
        if self._asked is not None:
            options.region = self._asked
        if camera.runtime_dir is not None:
            options.runtime_dir = os.fsencode(camera.runtime_dir)
        self.handle = self._open(options, wait)
        self._next, self._latest = self.handle.library.lumaring_next, self.handle.library.lumaring_latest

    def _open(self, options: lumaring_options, wait: Optional[float]) -> Handle:
        deadline = None if wait is None else _monotonic() + to_ms(wait) / 1000
        title = "private stream" if self.private else f'stream "{self.name}"'
        while True:
            left = None if deadline is None else max(0.0, deadline - _monotonic())
            options.timeout_ms = OPEN_SLICE_MS if left is None else min(to_ms(left), OPEN_SLICE_MS)
            try:
                return Handle(self.camera.name, None if self.private else self.name, options,
                              f"{title} of {self.camera.name}")
            except errors.InterruptedError:
                pass
            except (errors.TimeoutError, errors.BusyError) as why:
                if left is not None and left * 1000 <= OPEN_SLICE_MS:
                    raise _within(why, wait)

    # --- frames ------------------------------------------------------------------------------------------------------

    def next(self, timeout: Optional[float] = _OWN) -> Frame:
        """The next frame in order: the oldest one in the ring that is newer than the last one returned.

        Raises TimeoutError when none came within `timeout` seconds (left out: the stream's own; 0: do not wait);
        EndedError, unless `follow`, when the source ended or the daemon was stopped, after the last frame: a further call
        waits for a daemon to come back; TooManyFramesError when `frames_max` frames are held; StaleError when a frame
        given back before was not valid till then; BadMessageError when ring or daemon make no sense; and when a daemon
        that came back refuses, what Camera.stream() raises. After each of these a call may be repeated.
        """
        return self._wait(self._next, True, self.timeout if timeout is _OWN else timeout)

    def latest(self, timeout: Optional[float] = _OWN) -> Frame:
        """The newest frame, when it is newer than the last one returned; else the next. What lies between is counted as
        missed, "skipped". The first one is published after the stream was opened, unless `oldest` was given. Raises as
        next()."""
        return self._wait(self._latest, False, self.timeout if timeout is _OWN else timeout)

    def exact(self, epoch: int, sequence: int) -> Frame:
        """One frame by its identity, if it is still in the ring; does not wait, and does not change what next() returns
        next. Raises NotFoundError when it is not, too old or not published yet; TooManyFramesError, BadMessageError."""
        return Frame(self, self.handle.exact(_count("epoch", epoch, 64), _count("sequence", sequence, 64)))

    def last(self, count: int) -> List[Frame]:
        """The newest `count` frames in the ring, oldest first, fewer when it holds fewer; does not wait, and does not
        change what next() returns next. Raises InvalidError (count below 1), TooManyFramesError (with those held already
        they would be more than `frames_max`), BadMessageError."""
        count = _whole("count", count)
        if count < 1:
            raise errors.InvalidError(errno.EINVAL, f"last({count}): give a count of at least 1")
        return [Frame(self, hold) for hold in self.handle.last(min(count, FRAMES_MAX + 1))]

    def __iter__(self) -> Iterator[Frame]:
        """Frames until the end. Each is released when the next one is asked for."""
        return Frames(self)

    def _wait(self, function: Callable[..., int], in_order: bool, timeout: Optional[float]) -> Frame:
        take = self.handle.take
        deadline = None if timeout is None else _monotonic() + to_ms(timeout) / 1000
        while True:
            wait_ms, last = SLICE_MS, False
            if deadline is not None:
                left_ms = max(0, -int((_monotonic() - deadline) * 1000 // 1))
                wait_ms, last = min(left_ms, SLICE_MS), left_ms <= SLICE_MS
            got = take(function, in_order, wait_ms)
            if isinstance(got, Hold):
                return self._frame(got)
            if isinstance(got, int):
                self._happened(got)
            elif last and got:
                raise _within(errors.TimeoutError(errno.ETIMEDOUT, self._why_none(got)), timeout)

    def _frame(self, hold: Hold) -> Frame:
        frame = Frame(self, hold)
        meta = frame._meta
        self.seen += 1
        self.missed += meta.missed
        if self._format and meta.fourcc != self._format or self._bin and meta.bin != self._bin:
            raise errors.ProtocolError(errno.EPROTONOSUPPORT, f"the daemon is older than format and bin of a private stream: "
                                       f"frames are {frame.format}, bin {meta.bin}")
        return frame

    def _happened(self, number: int) -> None:
        event = _EVENTS.get(number)
        if event is None:
            return  # of a library that knows more than this package
        self.events.append(event)
        if self.on_event is not None:
            self.on_event(event)
        if event is Event.CLOSED and not self.follow:
            raise errors.EndedError(errno.ENODATA, f"{self.handle.name} has ended: the source came to its end, or the "
                                    "daemon was stopped")

    def _why_none(self, text: str) -> str:
        """The library's words, and what the ring says of itself."""
        reasons = {RingState.PAUSED: ": the source is paused", RingState.SOURCE_LOST: ": the camera is gone",
                   RingState.CLOSED: ": the stream is closed"}
        try:
            info = self.info
        except errors.Error:
            return text
        return f"{text}{reasons.get(info.state, '') if info.connected else ''}"

    # --- asyncio -----------------------------------------------------------------------------------------------------

    def fileno(self) -> int:
        """A descriptor for select() and the like, readable when next(0) or latest(0) may return something: call until
        TimeoutError, then wait for it. It belongs to the stream. Raises NotSupportedError with `futex`,
        OutOfDescriptorsError."""
        handle = self.handle
        try:
            fd: int = handle.call(lambda native: handle.check(native, handle.library.lumaring_fd(native)))
        except errors.NotSupportedError as why:
            raise errors.error(why.errno, f"{handle.name} was opened with futex=True, and has no descriptor: leave that out "
                               "for asyncio and select()") from None
        return fd

    async def next_async(self, timeout: Optional[float] = _OWN) -> Frame:
        """As next(), for asyncio: other tasks run meanwhile. Cancelling it loses no frame. Raises also InUseError when
        another task waits for this stream."""
        return await self._wait_async(self.next, self.timeout if timeout is _OWN else timeout)

    async def latest_async(self, timeout: Optional[float] = _OWN) -> Frame:
        """As latest(), likewise."""
        return await self._wait_async(self.latest, self.timeout if timeout is _OWN else timeout)

    def __aiter__(self) -> AsyncIterator[Frame]:
        """As iteration, for `async for`. Each frame is released when the next one is asked for."""
        return AsyncFrames(self)

    async def _wait_async(self, take: Callable[[float], Frame], timeout: Optional[float]) -> Frame:
        self.handle.check_open()
        if self._awaited is not None and self._awaited.is_there:
            raise errors.InUseError(errno.EDEADLK, f"{self.handle.name} is awaited by another task: give each a stream")
        deadline = None if timeout is None else _monotonic() + to_ms(timeout) / 1000
        waiter = self._awaited = _Waiter(asyncio.get_running_loop())
        self.handle.exports.add(id(waiter))  # the descriptor stays open until nobody waits for it
        try:
            fd = self.fileno()
            while True:
                try:
                    return take(0)  # and nothing that could be cancelled after it
                except errors.TimeoutError as why:
                    left = None if deadline is None else deadline - _monotonic()
                    if left is not None and left <= 0:
                        raise _within(why, timeout)
                await waiter.wait(fd, left)
        finally:
            if self._awaited is waiter:
                self._awaited = None
            self.handle.exported_no_more(id(waiter))

    # --- region and state --------------------------------------------------------------------------------------------

    @property
    def region(self) -> Region:
        """The region, (x, y, width, height) in pixels of the captured image. Of a private stream: what was asked for
        last; what each frame shows is its own `region`. Of a shared one: what the daemon says.

        To set it moves it: of a private stream by one store to memory, effective with the next captured frame, and kept
        while the daemon is away; of a shared one by the daemon, for all who read it (camera.streams.move(), which says
        what it raises). Width or height 0: up to the edge, or to the capacity. Raises InvalidError beyond 0 to 65535; the
        daemon clamps to the image and to the capacity, max_size. Of a shared stream that was removed, to ask for it raises
        NoSuchStream as well.
        """
        if self._asked is None:
            x, y, width, height = self.camera.streams[self.name].region or (0, 0, 0, 0)
            return Region(x, y, width, height)
        asked = self._asked
        return Region(asked.x, asked.y, asked.width, asked.height)

    @region.setter
    def region(self, region: Iterable[int]) -> None:
        if self._asked is None:
            self.camera.streams.move(self.name, region)
            return
        wanted = _region(region)
        self.handle.call(self._move, wanted)
        self._asked = wanted

    def _move(self, native: ctypes.c_void_p, wanted: lumaring_region) -> None:
        r = self.handle.library.lumaring_set_region(native, ctypes.byref(wanted))
        if r != -errno.ENOTCONN:  # kept, and asked for when the daemon is back
            self.handle.check(native, r)

    @property
    def info(self) -> StreamInfo:
        """What is known of the stream now."""
        info: StreamInfo = self.handle.call(self._info)
        return info

    def _info(self, native: ctypes.c_void_p) -> StreamInfo:
        info = self.handle.library.lumaring_info(native).contents
        boot_id = bytes(info.boot_id).hex()
        return StreamInfo(
            info.stream.decode(errors="replace"), bool(info.connected), RingState(info.state), info.epoch,
            "-".join((boot_id[:8], boot_id[8:12], boot_id[12:16], boot_id[16:20], boot_id[20:])), info.published,
            info.slot_count, info.ring_bytes, (info.width_max, info.height_max), (info.image_width, info.image_height),
            info.frame_duration_us, info.cursors, LumaRange(info.luma_range), Clock(info.sensor_clock), info.daemon_pid,
            bool(info.futex))

    # --- end ---------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Disconnect. Frames are released; arrays and views that are alive stay true, and as long as there are some the
        connection stays open for them. A wait of another thread or task ends with ClosedError. May be called again."""
        self.handle.close()
        waiter = self._awaited
        if waiter is not None:
            waiter.end()
            if not waiter.is_there:
                self._awaited = None

    @property
    def closed(self) -> bool:
        """Whether close() was called, or this is a child of the process that opened it."""
        return not self.handle.is_open

    def __enter__(self) -> Stream:
        self.handle.check_open()
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                 trace: Optional[types.TracebackType]) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<lumaring.Stream: {self.handle.name}{', closed' if self.closed else ''}>"


class Frames(Single, Iterator[Frame]):
    """A loop over a stream: releases a frame when it is asked for the next one."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._frame: Optional[Frame] = None

    def __next__(self) -> Frame:
        frame, self._frame = self._frame, None
        if frame is not None:
            frame.release()
        stream = self._stream
        try:
            frame = stream.latest() if stream.newest else stream.next()
        except errors.EndedError:
            raise StopIteration from None
        self._frame = frame
        return frame


class AsyncFrames(Single, AsyncIterator[Frame]):
    """Likewise, for `async for`."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._frame: Optional[Frame] = None

    async def __anext__(self) -> Frame:
        frame, self._frame = self._frame, None
        if frame is not None:
            frame.release()
            await asyncio.sleep(0)  # where frames are always there, others have their turn all the same
        stream = self._stream
        try:
            frame = await (stream.latest_async() if stream.newest else stream.next_async())
        except errors.EndedError:
            raise StopAsyncIteration from None
        self._frame = frame
        return frame


class _Waiter:
    """For a descriptor, in a task. The task's loop may be closed before it: what is left of the task then ends when nothing
    refers to it any more, and waits for nothing."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ready: asyncio.Future[None] = loop.create_future()

    @property
    def is_there(self) -> bool:
        """Whether it can still be woken."""
        return not self._loop.is_closed()

    def _wake(self) -> None:
        if not self._ready.done():
            self._ready.set_result(None)

    async def wait(self, fd: int, timeout: Optional[float]) -> None:
        """Until it is readable, the time is over, or end() was called."""
        loop = self._loop
        self._ready = loop.create_future()
        loop.add_reader(fd, self._wake)
        timer = None if timeout is None else loop.call_later(timeout, self._wake)
        try:
            await self._ready
        finally:
            if self.is_there:
                loop.remove_reader(fd)
            if timer is not None:
                timer.cancel()

    def end(self) -> None:
        """From any thread."""
        try:
            self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:  # the loop was closed, also at this moment
            if self.is_there:
                raise


def _whole(name: str, value: int) -> int:
    """What numpy has for a whole number is one."""
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}; it must be a whole number") from None


def _count(name: str, value: int, bits: int = 32) -> int:
    number = _whole(name, value)
    if not 0 <= number < 1 << bits:
        raise errors.InvalidError(errno.EINVAL, f"{name} is {number}; it must be a whole number from 0 on")
    return number


def _within(why: errors.Error, timeout: Optional[float]) -> errors.Error:
    """The same, with the time that we were given instead of the library's."""
    text = _TIME_IN_TEXT.sub("", why.strerror)
    return errors.error(why.errno, f"{text} (waited {float(timeout):g} s)" if timeout else text)
