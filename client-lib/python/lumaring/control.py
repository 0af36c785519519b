# SPDX-License-Identifier: BSD-2-Clause
"""
What lumaring.Camera can change while everybody reads on: size, rate, streams, regions, exposure; and what it can tell.

    with lumaring.open("cam0") as camera:
        taken = camera.set(width=1280, height=720, framerate=50, exposure_us=5000)
        print(taken)                            # 1280x720 R8 50 frames/s; the camera was stopped and started; no frame ...
        print(camera.framerate, camera.controls.exposure_us)
        camera.streams.add("ball", region=(100, 80, 64, 64), format="R16")
        camera.streams.move("ball", (120, 80, 64, 64))
        for event in camera.watch():
            print(event.kind, event.state)

Every call is a transaction: it is done whole, or it raises and nothing was changed. Who may look may call what only looks;
to change something takes a member of the daemon's control group, root, or the daemon's own user. Each call waits at most
`timeout` seconds (10 unless given; None: for ever), also for a daemon that is busy with another change.
"""
from __future__ import annotations

import contextlib
import dataclasses
import errno
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple, Union

from . import settings as s
from .connection import Connection
from .errors import BadMessageError, ClosedError
from .refused import INTERFACE, Refused, refused
from .settings import (Applied, Capabilities, Client, Controls, Framerate, Metric, Region, Reloaded, Settings,
                       StreamSettings, WatchEvent)
from .single import Single

TIMEOUT_S = 10.0
_Stream = Union[str, StreamSettings, Mapping[str, Any]]


@contextlib.contextmanager
def _sense(method: str) -> Iterator[None]:
    """What is made of a reply in the block fails only where that is not what the interface says."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as why:
        raise BadMessageError(errno.EBADMSG, f"the daemon's answer to {method} makes no sense: {why!r}") from why


class Streams:
    """
    The streams of a camera that all clients share: camera.streams.

    `for stream in camera.streams`, len(), `"ball" in camera.streams` and camera.streams["ball"] ask the daemon each time
    and tell of StreamSettings. What is read is camera.stream("ball").
    """

    def __init__(self, camera: "ControlledCamera"):
        self._camera = camera

    def list(self) -> List[StreamSettings]:
        """All there are, as they are now."""
        return [*self._camera.get().streams]

    def __iter__(self) -> Iterator[StreamSettings]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self.list())

    def __contains__(self, name: object) -> bool:
        return any(stream.name == name for stream in self)

    def __getitem__(self, name: str) -> StreamSettings:
        there = self.list()
        for stream in there:
            if stream.name == name:
                return stream
        raise _no_such_stream(name, [stream.name for stream in there])

    def add(self, name: str, *, region: Optional[Iterable[int]] = None, max_size: Optional[Iterable[int]] = None,
            slots: Optional[int] = None, format: Optional[str] = None, bin: Optional[int] = None,
            always: Optional[bool] = None, timeout: Optional[float] = TIMEOUT_S) -> StreamSettings:
        """
        Make a stream; it can be read when this returns. Returns it as it was made.

        region     (x, y, width, height) of the captured image; all of it unless given
        max_size   (width, height): regions up to this need no new ring; the first region's unless given
        slots      frames that its ring holds, 4 to 65535
        format     "R8" or "R16"
        bin        2: each pixel the rounded mean of 2x2
        always     copied also when nobody reads, so that its ring has a history

        Raises StreamExists, NoRoom, OutOfRange, InvalidField.
        """
        stream = StreamSettings(name, region, max_size, slots, format, bin, always)  # type: ignore[arg-type]
        reply = self._camera._change("AddStream", {"stream": s.stream_json(stream)}, timeout, again=False)
        with _sense("AddStream"):
            return s.stream_told(reply["stream"])

    def remove(self, name: str, *, force: bool = False, timeout: Optional[float] = TIMEOUT_S) -> None:
        """
        Remove a stream. With clients it raises StreamInUse, unless `force`, which disconnects them.

        Raises NoSuchStream.
        """
        self._camera._change("RemoveStream", {"name": name, "force": force}, timeout, again=False)

    def move(self, name: str, region: Iterable[int], *, timeout: Optional[float] = TIMEOUT_S) -> Region:
        """
        Move a stream's region, from the next captured frame on, for all who read it. Returns the region that was taken.

        region     (x, y, width, height) of the captured image; width or height 0: up to its edge

        What reads a private stream moves its region itself, with one store: stream.region = ...
        Raises NoSuchStream, OutOfRange, InvalidField, NoRoom.
        """
        asked = {"stream": name, "region": s.region_json("region", region)}
        reply = self._camera._change("SetRegion", asked, timeout)
        with _sense("SetRegion"):
            return s.region_told(reply["region"])

    def __repr__(self) -> str:
        return f"<streams of camera {self._camera.name}>"


class Watch(Single, Iterator[WatchEvent]):
    """
    What changes at a camera, as it happens: camera.watch(). First of all its state as it is.

    An iterator, which ends by close() or at the end of a `with` block, and raises when the daemon goes away. close() by
    another thread, or by a signal handler, ends a wait within 0.25 s. It has a connection of its own, so that the camera
    can be changed meanwhile. fileno() is readable when next(0) may return something. In a child made by fork() all but
    close() raises ForkedError: watch anew there.
    """

    def __init__(self, connection: Connection, parameters: Mapping[str, Any], timeout: Optional[float]):
        self._connection, self._timeout = connection, timeout
        self._is_over = False
        connection.begin("Watch", parameters, TIMEOUT_S)

    def __next__(self) -> WatchEvent:
        return self.next(self._timeout)

    def next(self, timeout: Optional[float] = None) -> WatchEvent:
        """The next event; raises lumaring.TimeoutError when none comes within `timeout` seconds (None: for ever), and
        StopIteration after the last."""
        if self._is_over:
            raise StopIteration
        try:
            told, is_last = self._connection.next(timeout)
        except ClosedError:
            raise StopIteration from None
        if is_last:
            self._is_over = True
        with _sense("Watch"):
            return s.event_told(told)

    def fileno(self) -> int:
        return self._connection.fileno()

    def close(self) -> None:
        """End it. What has not been taken is lost."""
        self._is_over = True
        self._connection.close()

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *why: object) -> None:
        self.close()


class ControlledCamera(Single):
    """What lumaring.Camera inherits to be changed and asked."""
    name: str
    runtime_dir: Optional[str]
    _connection: Optional[Connection] = None

    # --- asking

    def _check_open(self) -> None:
        """Raises ClosedError after close()."""

    def _control(self) -> Connection:
        self._check_open()
        if self._connection is None:
            self._connection = Connection(self.name, self.runtime_dir)
        return self._connection

    def _close_control(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _ask(self, method: str, timeout: Optional[float]) -> Dict[str, Any]:
        return self._control().call(method, None, timeout, again=True)

    def _change(self, method: str, parameters: Mapping[str, Any], timeout: Optional[float],
                again: bool = True) -> Dict[str, Any]:
        return self._control().call(method, parameters, timeout, again=again, patient=True)

    def call(self, method: str, /, *, timeout: Optional[float] = TIMEOUT_S, **parameters: Any) -> Dict[str, Any]:
        """
        Call any method of the control socket; returns the reply's parameters as they came.

            camera.call("SetRegion", stream="ball", region={"x": 0, "y": 0, "width": 64, "height": 64})
            camera.call("org.varlink.service.GetInfo")

        `lumaring call org.varlink.service.GetInterfaceDescription '{"interface": "io.lumaring.Camera"}'` has all methods
        with their parameters, units and errors. A busy daemon is not asked again: that raises Busy.
        """
        return self._control().call(method, parameters, timeout)

    def get(self, *, timeout: Optional[float] = TIMEOUT_S) -> Settings:
        """What the camera is set to: size, rate, pixel format, streams and controls, asked of the daemon."""
        told = self._ask("GetConfiguration", timeout)
        with _sense("GetConfiguration"):
            return Settings(**s.settings_fields(told["configuration"], told.get("controls") or {}))

    @property
    def size(self) -> Optional[Tuple[int, int]]:
        """(width, height) of the captured image, pixels; setting it changes it. None: not known yet."""
        return self.get().size

    @size.setter
    def size(self, size: Tuple[int, int]) -> None:
        self.configure(size=size)

    @property
    def framerate(self) -> Optional[Framerate]:
        """Frames a second, or (slowest, fastest); setting it changes it. None: the source has no rate."""
        return self.get().framerate

    @framerate.setter
    def framerate(self, framerate: Framerate) -> None:
        self.configure(framerate=framerate)

    @property
    def controls(self) -> Controls:
        """The sensor's controls as they are in force; set() changes them."""
        return self.get().controls

    def capabilities(self, *, timeout: Optional[float] = TIMEOUT_S) -> Capabilities:
        """What the source can do: cameras, sizes, formats, ranges of controls."""
        told = self._ask("GetCapabilities", timeout)
        with _sense("GetCapabilities"):
            return s.capabilities_told(told)

    def status(self, *, timeout: Optional[float] = TIMEOUT_S) -> Dict[str, Any]:
        """What the daemon does, and for whom; lumaring(1) lists the keys. 64-bit ids are strings of digits."""
        told = self._ask("GetStatus", timeout)
        with _sense("GetStatus"):
            return dict(told["status"])

    def clients(self, *, timeout: Optional[float] = TIMEOUT_S) -> List[Client]:
        """Who reads."""
        told = self._ask("ListClients", timeout)
        with _sense("ListClients"):
            return [s.client_told(client) for client in told["clients"]]

    def metrics(self, *, timeout: Optional[float] = TIMEOUT_S) -> List[Metric]:
        """Numbers for a monitoring system."""
        told = self._ask("GetMetrics", timeout)
        with _sense("GetMetrics"):
            return [Metric(m["name"], m["kind"], dict(m["labels"]), m["value"]) for m in told["metrics"]]

    def watch(self, *, interval: Optional[float] = None, timeout: Optional[float] = None) -> Watch:
        """
        What changes, as it happens: an iterator of WatchEvent.

        interval   seconds between reports of losses, 0.1 to 3600; 1 unless given
        timeout    seconds that iteration waits for an event, then it raises lumaring.TimeoutError; None: for ever
        """
        self._check_open()
        parameters = {} if interval is None else {"interval_us": s.interval_us(interval)}
        return Watch(Connection(self.name, self.runtime_dir), parameters, timeout)

    # --- changing

    def configure(self, *, size: Optional[Iterable[int]] = None, width: Optional[int] = None, height: Optional[int] = None,
                  framerate: Optional[Framerate] = None, pixel_format: Optional[str] = None,
                  streams: Optional[Iterable[_Stream]] = None, dry_run: bool = False, strict: bool = False,
                  timeout: Optional[float] = TIMEOUT_S) -> Applied:
        """
        Change size, rate, pixel format and streams: everything or nothing. Returns what is in force then.

        width, height   of the captured image; or size=(width, height)
        framerate       frames a second, or (slowest, fastest)
        pixel_format    how the source delivers pixels, "YUV420": see capabilities()
        streams         all shared streams that are to be, others are removed; each a StreamSettings, a dictionary of its
                        fields, or a name; what is there and is named only stays as it is
        dry_run         change nothing: the result says what would be
        strict          raise Adjusted where the source would take something else

        A change of size or pixel format stops and starts the camera, others do not; all clients read on. What the source
        made otherwise is in .adjustments of the result, how long no frame came in .gap_us.
        Raises OutOfRange, InvalidField, NotSupported, Adjusted, Busy, NoRoom, SourceRefused, PermissionDenied.
        """
        wanted = _configuration(size, width, height, framerate, pixel_format, streams)
        if not wanted:
            raise TypeError("say what to change, for example configure(width=1280, height=720) or configure(framerate=30)")
        flags = {key: True for key, on in (("dry_run", dry_run), ("strict", strict)) if on}
        told = self._change("Configure", {"configuration": wanted, **flags}, timeout)
        controls = self._ask("GetConfiguration", timeout).get("controls") or {}
        with _sense("Configure"):
            return s.applied_told(told["applied"], controls, dry_run)

    def set(self, *, size: Optional[Iterable[int]] = None, width: Optional[int] = None, height: Optional[int] = None,
            framerate: Optional[Framerate] = None, pixel_format: Optional[str] = None,
            exposure_us: Optional[float] = None, shutter: Optional[float] = None, analogue_gain: Optional[float] = None,
            gain: Optional[float] = None, auto_exposure: Optional[bool] = None, exposure_value: Optional[float] = None,
            brightness: Optional[float] = None, contrast: Optional[float] = None, sharpness: Optional[float] = None,
            scaler_crop: Optional[Iterable[int]] = None, dry_run: bool = False, strict: bool = False,
            timeout: Optional[float] = TIMEOUT_S) -> Applied:
        """
        Change what the camera does: size, rate and format as configure(), and controls of the sensor. Returns what is in
        force then, of both.

        exposure_us     microseconds; ends auto exposure unless that is set as well. What is longer than the time between
                        frames is cut to it. shutter= is another name
        analogue_gain   a factor, 1.0 and more; ends auto exposure likewise. gain= is another name
        auto_exposure   True or False
        exposure_value  stops that auto exposure aims above its own idea
        brightness      -1 to 1; 0 is none
        contrast, sharpness   factors; 1 is none
        scaler_crop     (x, y, width, height), the part of the sensor that becomes the image, in its own pixels

        Controls take effect with one of the next frames; each frame says what it was taken with. Size, rate and format go
        first, controls then; what can be known to be refused is refused before anything is changed. Should controls be
        refused all the same, the exception's .applied says what was changed before, and stays.
        Raises what configure() raises.
        """
        first = {"size": size, "width": width, "height": height, "framerate": framerate, "pixel_format": pixel_format}
        first = {key: value for key, value in first.items() if value is not None}
        controls = s.controls_json({key: value for key, value in {
            "exposure_us": _one_of(exposure_us=exposure_us, shutter=shutter),
            "analogue_gain": _one_of(analogue_gain=analogue_gain, gain=gain), "auto_exposure": auto_exposure,
            "exposure_value": exposure_value, "brightness": brightness, "contrast": contrast, "sharpness": sharpness,
            "scaler_crop": scaler_crop}.items() if value is not None})
        if not first and not controls:
            raise TypeError("say what to set, for example set(framerate=30) or set(exposure_us=5000)")
        if controls and (first or dry_run):
            self._check(controls, timeout)
        applied = (self.configure(dry_run=dry_run, strict=strict, timeout=timeout, **first) if first  # type: ignore[arg-type]
                   else self._unchanged(dry_run, timeout))
        if controls and not dry_run:
            try:
                told = self._change("SetControls", {"controls": controls}, timeout)
            except Refused as why:
                why.applied = applied if first else None
                raise
            with _sense("SetControls"):
                applied = dataclasses.replace(applied, controls=s.controls_told(told["controls"]))
        return applied

    def _check(self, controls: Mapping[str, int], timeout: Optional[float]) -> None:
        """The daemon tries controls on nothing but the camera."""
        told = self._ask("GetCapabilities", timeout)
        with _sense("GetCapabilities"):
            ranges = {name: (int(r["minimum"]), int(r["maximum"])) for name, r in told["controls"].items()}
        for name, value in controls.items():
            if name not in ranges:
                raise _not_there(name, ranges)
            minimum, maximum = ranges[name]
            if not minimum <= value <= maximum:
                raise _out_of_range(name, value, minimum, maximum)

    def _unchanged(self, dry_run: bool, timeout: Optional[float]) -> Applied:
        """What configure() would return if it had changed nothing."""
        told = self._ask("GetConfiguration", timeout)
        with _sense("GetConfiguration"):
            applied = {"configuration": told["configuration"], "restarted": False, "gap_us": 0, "gap_frames": 0}
            return s.applied_told(applied, told.get("controls") or {}, dry_run)

    @property
    def streams(self) -> Streams:
        """The streams that all clients share: list, add, remove, move."""
        return Streams(self)

    def reload(self, *, timeout: Optional[float] = TIMEOUT_S) -> Reloaded:
        """Let the daemon read its configuration files anew. Raises BadConfiguration, and what configure() raises."""
        told = self._change("Reload", {}, timeout)
        with _sense("Reload"):
            return Reloaded(tuple(told["changed"]), tuple(told["needs_restart"]))


# --- what is asked for -----------------------------------------------------------------------------------------------

def _configuration(size: Optional[Iterable[int]], width: Optional[int], height: Optional[int],
                   framerate: Optional[Framerate], pixel_format: Optional[str],
                   streams: Optional[Iterable[_Stream]]) -> Dict[str, Any]:
    if (width is None) != (height is None):
        raise TypeError("a size is width and height: give both")
    if size is not None and width is not None:
        raise TypeError("give size, or width and height, not both")
    if width is not None and height is not None:
        size = (width, height)
    wanted: Dict[str, Any] = {}
    if size is not None:
        wanted["size"] = s.size_json("size", size)
    if framerate is not None:
        wanted["frame_duration_us"] = s.rate_json(framerate)
    if pixel_format is not None:
        wanted["pixel_format"] = str(pixel_format)
    if isinstance(streams, (str, bytes, Mapping, StreamSettings)):
        raise TypeError(f"streams is {streams!r}; it must be a list of all that are to be")
    if streams is not None:
        try:
            listed = list(streams)
        except TypeError:
            raise TypeError(f"streams is {streams!r}; it must be a list of all that are to be") from None
        wanted["streams"] = [s.stream_json(stream) for stream in listed]
    return wanted


def _one_of(**names: Optional[float]) -> Optional[float]:
    """The one that is given, of two names for the same."""
    given = [value for value in names.values() if value is not None]
    if len(given) > 1:
        raise TypeError(f"{' and '.join(names)} are two names for the same: give one")
    return given[0] if given else None


# As the daemon would say it.
def _no_such_stream(name: str, there: List[str]) -> Refused:
    return refused(errno.ENOENT, f'there is no stream "{name}", only {", ".join(there) or "none"}',
                   INTERFACE + "NoSuchStream", {"stream": name, "streams": there})


def _not_there(name: str, there: Iterable[str]) -> Refused:
    reason = f"this source has no {name}, only {', '.join(there) or 'none'}"
    return refused(errno.EOPNOTSUPP, f"{name}: {reason}", INTERFACE + "NotSupported",
                   {"field": "controls." + name, "reason": reason})


def _out_of_range(name: str, given: int, minimum: int, maximum: int) -> Refused:
    return refused(errno.ERANGE, f"{name} {given} is out of range: {minimum} to {maximum}", INTERFACE + "OutOfRange",
                   {"field": "controls." + name, "minimum": minimum, "maximum": maximum, "given": int(given)})
