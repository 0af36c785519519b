# SPDX-License-Identifier: BSD-2-Clause
"""
What a camera is set to, and what was made of a change: plain values, with units in their names.

All of them are made by lumaring.Camera. StreamSettings is also what configure() takes. Times are microseconds, lengths
are pixels of the captured image, gains and other factors are plain numbers (1.0 is none). None stands for what is not
known, or for what a source does not have.
"""
from __future__ import annotations

import dataclasses
import errno
import operator
from typing import Any, Dict, Iterable, Mapping, NamedTuple, Optional, Tuple, Union

from ._library import to_float
from .errors import InvalidError

__all__ = ["Region", "Range", "StreamSettings", "Controls", "Settings", "Adjustment", "Applied", "CameraInfo", "Mode",
           "Capabilities", "Client", "Metric", "Reloaded", "WatchEvent"]

Framerate = Union[float, Tuple[float, float]]

# Of set() and of Controls, and as the daemon has them; what are thousandths there are numbers here.
FACTORS = {"analogue_gain": "analogue_gain_milli", "exposure_value": "exposure_value_milli",
           "brightness": "brightness_milli", "contrast": "contrast_milli", "sharpness": "sharpness_milli"}
HOUR_US = 3_600_000_000  # the longest time from frame to frame
NUMBER_MAX = 1e15  # what a thousandth of still fits the daemon's 64 bits
CROP = ("scaler_crop_x", "scaler_crop_y", "scaler_crop_width", "scaler_crop_height")


class Region(NamedTuple):
    """A rectangle in pixels of the captured image. Width or height 0: up to its edge."""
    x: int
    y: int
    width: int
    height: int


class Range(NamedTuple):
    """What a control can be."""
    minimum: float
    maximum: float
    default: float


@dataclasses.dataclass(frozen=True)
class StreamSettings:
    """
    A stream that all clients share. Of what is None, it has the default, or stays as it is.

    region    (x, y, width, height); all 0: all of the image
    max_size  (width, height): regions up to this need no new ring
    slots     frames that its ring holds
    format    "R8", a byte a pixel, or "R16", two
    bin       1, or 2: each pixel the rounded mean of 2x2
    always    copied also when nobody reads, so that its ring has a history
    """
    name: str
    region: Optional[Tuple[int, int, int, int]] = None
    max_size: Optional[Tuple[int, int]] = None
    slots: Optional[int] = None
    format: Optional[str] = None
    bin: Optional[int] = None
    always: Optional[bool] = None


@dataclasses.dataclass(frozen=True)
class Controls:
    """
    Of the sensor, as they are in force. None: this source has no such control.

    exposure_value  stops that auto exposure aims above its own idea
    brightness      -1 to 1; 0 is none
    scaler_crop     the part of the sensor that becomes the image, in pixels of the sensor
    """
    exposure_us: Optional[int] = None
    analogue_gain: Optional[float] = None
    auto_exposure: Optional[bool] = None
    exposure_value: Optional[float] = None
    brightness: Optional[float] = None
    contrast: Optional[float] = None
    sharpness: Optional[float] = None
    scaler_crop: Optional[Region] = None


@dataclasses.dataclass(frozen=True)
class Settings:
    """
    What the camera is set to.

    size               (width, height) of the captured image, pixels
    frame_duration_us  the shortest and the longest time from frame to frame; the same twice is a fixed rate
    pixel_format       how the source delivers pixels
    """
    size: Optional[Tuple[int, int]]
    frame_duration_us: Optional[Tuple[int, int]]
    pixel_format: Optional[str]
    streams: Tuple[StreamSettings, ...]
    controls: Controls

    @property
    def width(self) -> Optional[int]:
        return self.size[0] if self.size else None

    @property
    def height(self) -> Optional[int]:
        return self.size[1] if self.size else None

    @property
    def framerate(self) -> Optional[Framerate]:
        """Frames a second, or the slowest and the fastest as a tuple; None: the source has no rate. To two places; the
        exact time is frame_duration_us."""
        if not self.frame_duration_us:
            return None
        shortest_us, longest_us = self.frame_duration_us
        if shortest_us == longest_us:
            return _rate(shortest_us)
        return _rate(longest_us), _rate(shortest_us)

    def __str__(self) -> str:
        parts = [f"{self.width}x{self.height}" if self.size else "", self.pixel_format or ""]
        rate = self.framerate
        parts.append("" if rate is None else f"{rate[0]:g}-{rate[1]:g} frames/s" if isinstance(rate, tuple)
                     else f"{rate:g} frames/s")
        return " ".join(part for part in parts if part)


class Adjustment(NamedTuple):
    """
    What the source made of a number that was asked for.

    field  for example "size.width"
    """
    field: str
    asked: int
    got: int


@dataclasses.dataclass(frozen=True)
class Applied(Settings):
    """
    What is in force after a change (or would be, with dry_run), and what it cost.

    adjustments  what the source took otherwise than asked
    restarted    the camera was stopped and started for it
    replaced     names of streams whose clients were handed a new ring
    gap_us       from the last frame before the change to the first after it; 0 where only controls changed; None: not known
    gap_frames   frames of the new rate that would have fitted in between
    dry_run      nothing was changed
    """
    adjustments: Tuple[Adjustment, ...]
    restarted: bool
    replaced: Tuple[str, ...]
    gap_us: Optional[int]
    gap_frames: Optional[int]
    dry_run: bool

    def __str__(self) -> str:
        parts = [("would be " if self.dry_run else "") + super().__str__()]
        parts += [f"the source made of {a.field} {a.asked}: {a.got}" for a in self.adjustments]
        if self.restarted and not self.dry_run:
            parts.append("the camera was stopped and started")
        if self.gap_us:
            parts.append(f"no frame for {self.gap_us / 1000:.1f} ms")
        return "; ".join(parts)


@dataclasses.dataclass(frozen=True)
class CameraInfo:
    """
    A camera of the machine that the daemon runs on.

    served  it is the one of this daemon
    """
    id: str
    model: Optional[str]
    location: Optional[str]
    served: bool


@dataclasses.dataclass(frozen=True)
class Mode:
    """
    Sizes that the source can have, in steps from the smallest to the largest, and how fast they can be.

    frame_duration_us  shortest and longest; 0: not known
    """
    minimum: Tuple[int, int]
    maximum: Tuple[int, int]
    step: Tuple[int, int]
    pixel_formats: Tuple[str, ...]
    frame_duration_us: Tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Capabilities:
    """
    What the source can do.

    controls      by the names of Controls, and scaler_crop_x, _y, _width, _height; True and False are 1 and 0
    size_changes  size and pixel format can change while it runs
    """
    cameras: Tuple[CameraInfo, ...]
    modes: Tuple[Mode, ...]
    controls: Dict[str, Range]
    size_changes: bool
    rate_changes: bool


@dataclasses.dataclass(frozen=True)
class Client:
    """
    A process that reads.

    state    greeting, reporting, attaching, reading or leaving
    cursors  pins granted; 0: it copies frames out
    """
    pid: int
    uid: int
    stream: Optional[str]
    state: str
    private: bool
    cursors: int
    futex: bool
    notices_dropped: int


@dataclasses.dataclass(frozen=True)
class Metric:
    """
    A number for a monitoring system.

    kind  counter or gauge
    """
    name: str
    kind: str
    labels: Dict[str, str]
    value: int


@dataclasses.dataclass(frozen=True)
class Reloaded:
    """
    What reading the daemon's configuration files anew has changed.

    needs_restart  keys that differ from what is in force, and stay so until the daemon is started anew
    """
    changed: Tuple[str, ...]
    needs_restart: Tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class WatchEvent:
    """
    Something that changed; of the fields after time_us those of its kind are there.

    kind           state, configuration, controls or losses
    time_us        CLOCK_MONOTONIC
    state          paused, live, lost, ended or failed
    configuration  its .controls are all None: they have a kind of their own
    lost           frames of the stream that were lost since the event before, by cause
    """
    kind: str
    time_us: int
    state: Optional[str] = None
    configuration: Optional[Settings] = None
    controls: Optional[Controls] = None
    stream: Optional[str] = None
    lost: Optional[Dict[str, int]] = None


# --- what is asked for -----------------------------------------------------------------------------------------------

def _invalid(sentence: str) -> InvalidError:
    return InvalidError(errno.EINVAL, sentence)


def whole(name: str, value: Any) -> int:
    """Also numpy's integers; a number with a fraction is no number of pixels. The daemon says which are out of range, of
    those that it can be told."""
    if isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}; it must be a whole number")
    try:
        number = operator.index(value)
    except TypeError:
        if not isinstance(value, float) or not value.is_integer():
            raise TypeError(f"{name} is {value!r}; it must be a whole number") from None
        number = int(value)
    if abs(number) >= 1 << 63:
        raise _invalid(f"{name} is {number}; it must be a whole number from 0 on that is no larger than 65535")
    return number


def _several(name: str, values: Any, parts: Tuple[str, ...]) -> Tuple[Any, ...]:
    """So many values, whatever they are."""
    wanted = f"it must be ({', '.join(parts)})"
    try:
        several = tuple(values) if not isinstance(values, (str, bytes)) else None
    except TypeError:
        several = None
    if several is None:
        raise TypeError(f"{name} is {values!r}; {wanted}")
    if len(several) != len(parts):
        raise _invalid(f"{name} is {values!r}; {wanted}")
    return several


def region_json(name: str, region: Iterable[Any]) -> Dict[str, int]:
    numbers = _several(name, region, Region._fields)
    return {key: whole(f"{key} of {name}", n) for key, n in zip(Region._fields, numbers)}


def size_json(name: str, size: Iterable[Any]) -> Dict[str, int]:
    parts = ("width", "height")
    return {key: whole(f"{key} of {name}", n) for key, n in zip(parts, _several(name, size, parts))}


def rate_json(framerate: Any) -> Dict[str, int]:
    """Of a number of frames a second, or the slowest and the fastest."""
    rates = framerate if isinstance(framerate, (tuple, list)) else (framerate, framerate)
    if len(rates) != 2:
        raise _invalid(f"framerate is {framerate!r}; it must be frames a second, or (slowest, fastest)")
    durations = sorted(_duration(rate) for rate in rates)
    return {"minimum": durations[0], "maximum": durations[1]}


def _duration(framerate: Any) -> int:
    rate = _float("framerate", framerate)
    if not 1 / 3600 <= rate <= 1e6:
        raise _invalid(f"framerate is {framerate!r}; it must be frames a second, from one an hour to 1000000")
    return round(1e6 / rate)


def rate_of_limits(name: str, limits: Any) -> Tuple[float, float]:
    """Of the shortest and the longest time from frame to frame, microseconds, as picamera2 has it."""
    shortest, longest = _several(name, limits, ("shortest", "longest"))
    rates = []
    for limit in (longest, shortest):
        us = _float(name, limit)
        if not 1 <= us <= HOUR_US:
            raise _invalid(f"{name} is {limits!r}; it must be the shortest and the longest time, from 1 to {HOUR_US} "
                           "microseconds")
        rates.append(1e6 / us)
    return rates[0], rates[1]


def interval_us(interval: Any) -> int:
    """Of seconds."""
    seconds = _float("interval", interval)
    if not 0.1 <= seconds <= 3600:
        raise _invalid(f"interval is {interval!r}; it must be seconds from 0.1 to 3600")
    return round(seconds * 1e6)


def _float(name: str, value: Any) -> float:
    try:
        if not isinstance(value, bool):
            return to_float(value)
    except TypeError:
        pass
    raise TypeError(f"{name} is {value!r}; it must be a number")


def _number(name: str, value: Any) -> float:
    number = _float(name, value)
    if not abs(number) < NUMBER_MAX:  # nor is what is not a number
        raise _invalid(f"{name} is {value!r}; it must be a number between -{NUMBER_MAX:g} and {NUMBER_MAX:g}")
    return number


def _truth(name: str, value: Any) -> bool:
    """True and False, and what numpy or C have for them; a word is neither."""
    try:
        is_truth = not isinstance(value, (str, bytes)) and value in (False, True)
    except ValueError:  # as an array has it
        is_truth = False
    if not is_truth:
        raise TypeError(f"{name} is {value!r}; it must be True or False")
    return bool(value)


def stream_json(stream: Union[str, StreamSettings, Mapping[str, Any]]) -> Dict[str, Any]:
    if isinstance(stream, str):
        stream = StreamSettings(stream)
    elif not isinstance(stream, StreamSettings):
        stream = _stream_of(stream)
    asked: Dict[str, Any] = {"name": stream.name}
    if stream.region is not None:
        asked["region"] = region_json("region", stream.region)
    if stream.max_size is not None:
        asked["max_size"] = size_json("max_size", stream.max_size)
    for key in ("slots", "bin"):
        value = getattr(stream, key)
        if value is not None:
            asked[key] = whole(key, value)
    if stream.format is not None:
        asked["format"] = str(stream.format)
    if stream.always is not None:
        asked["always"] = _truth("always", stream.always)
    return asked


def _stream_of(fields: Any) -> StreamSettings:
    names = [field.name for field in dataclasses.fields(StreamSettings)]
    if not isinstance(fields, Mapping) or "name" not in fields or any(name not in names for name in fields):
        raise TypeError(f"a stream is {fields!r}; it must be a name, a StreamSettings, or a dictionary with \"name\" and "
                        f"any of {', '.join(names[1:])}")
    return StreamSettings(**fields)


def controls_json(wanted: Mapping[str, Any]) -> Dict[str, Any]:
    """Of the names of Controls to those of the daemon."""
    asked: Dict[str, Any] = {}
    for name, value in wanted.items():
        if name == "exposure_us":
            asked[name] = round(_number(name, value))
        elif name == "auto_exposure":
            asked[name] = _truth(name, value)
        elif name == "scaler_crop":
            asked.update(("scaler_crop_" + key, n) for key, n in region_json(name, value).items())
        else:
            asked[FACTORS[name]] = round(_number(name, value) * 1000)
    return asked


# --- what is told ----------------------------------------------------------------------------------------------------

def _rate(duration_us: int) -> float:
    """30 for 33333 us; what is slower than one a second needs more places."""
    return round(1e6 / duration_us, 2 if duration_us <= 1_000_000 else 6) if duration_us > 0 else 0.0


def _size(told: Optional[Mapping[str, Any]]) -> Optional[Tuple[int, int]]:
    return (int(told["width"]), int(told["height"])) if told else None


def region_told(told: Mapping[str, Any]) -> Region:
    return Region(*(int(told[key]) for key in Region._fields))


def stream_told(told: Mapping[str, Any]) -> StreamSettings:
    region = told.get("region")
    return StreamSettings(told["name"], region_told(region) if region else None, _size(told.get("max_size")),
                          told.get("slots"), told.get("format"), told.get("bin"), told.get("always"))


def controls_told(told: Mapping[str, Any]) -> Controls:
    factors = {name: told[key] / 1000 for name, key in FACTORS.items() if told.get(key) is not None}
    crop = [told.get(key) for key in CROP]
    return Controls(exposure_us=told.get("exposure_us"), auto_exposure=told.get("auto_exposure"), **factors,
                    scaler_crop=None if None in crop else Region(*map(int, crop)))  # type: ignore[arg-type]


def settings_fields(configuration: Mapping[str, Any], controls: Mapping[str, Any]) -> Dict[str, Any]:
    durations = configuration.get("frame_duration_us")
    return {"size": _size(configuration.get("size")),
            "frame_duration_us": (int(durations["minimum"]), int(durations["maximum"])) if durations else None,
            "pixel_format": configuration.get("pixel_format"),
            "streams": tuple(stream_told(stream) for stream in configuration.get("streams") or ()),
            "controls": controls_told(controls)}


def adjustments_told(told: Iterable[Mapping[str, Any]]) -> Tuple[Adjustment, ...]:
    return tuple(Adjustment(a["field"], int(a["asked"]), int(a["got"])) for a in told)


def applied_told(told: Mapping[str, Any], controls: Mapping[str, Any], dry_run: bool) -> Applied:
    return Applied(**settings_fields(told["configuration"], controls),
                   adjustments=adjustments_told(told.get("adjustments") or ()), restarted=bool(told["restarted"]),
                   replaced=tuple(told.get("replaced") or ()), gap_us=told.get("gap_us"),
                   gap_frames=told.get("gap_frames"), dry_run=dry_run)


def _range_told(name: str, told: Mapping[str, Any]) -> Tuple[str, Range]:
    factor = 1000 if name in FACTORS.values() else 1
    numbers = (told["minimum"], told["maximum"], told["default"])
    return (name[:-len("_milli")] if factor == 1000 else name,
            Range(*(n / 1000 if factor == 1000 else n for n in numbers)))


def _mode_told(told: Mapping[str, Any]) -> Mode:
    sizes = {key: (int(told[key]["width"]), int(told[key]["height"])) for key in ("minimum", "maximum", "step")}
    durations = told["frame_duration_us"]
    return Mode(**sizes, pixel_formats=tuple(told["pixel_formats"]),
                frame_duration_us=(int(durations["minimum"]), int(durations["maximum"])))


def capabilities_told(told: Mapping[str, Any]) -> Capabilities:
    cameras = tuple(CameraInfo(c["id"], c.get("model"), c.get("location"), bool(c["served"])) for c in told["cameras"])
    return Capabilities(cameras, tuple(map(_mode_told, told["modes"])),
                        dict(_range_told(name, told["controls"][name]) for name in told["controls"]),
                        bool(told["size_changes"]), bool(told["rate_changes"]))


def client_told(told: Mapping[str, Any]) -> Client:
    return Client(stream=told.get("stream"),
                  **{f.name: told[f.name] for f in dataclasses.fields(Client) if f.name != "stream"})


def event_told(told: Mapping[str, Any]) -> WatchEvent:
    configuration, controls = told.get("configuration"), told.get("controls")
    return WatchEvent(told["kind"], int(told["time_us"]), told.get("state"),
                      Settings(**settings_fields(configuration, {})) if configuration else None,
                      controls_told(controls) if controls is not None else None, told.get("stream"), told.get("lost"))
