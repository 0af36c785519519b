# SPDX-License-Identifier: BSD-2-Clause
"""
Habits of picamera2 and of OpenCV, for programs that have them.

    with lumaring.open("cam0") as camera:           # picamera2's
        array = camera.capture_array()              # grey: of shape (height, width)
        print(camera.capture_metadata()["ExposureTime"])
        camera.set_controls({"ExposureTime": 5000, "AnalogueGain": 2.0})

    capture = lumaring.VideoCapture(0)              # OpenCV's; 0 is "cam0"
    while capture.isOpened():
        ok, image = capture.read()                  # the newest frame, an array of your own
        if not ok:
            break
        print(image.mean())

What they get is a copy: 2304x1296 take a few hundred microseconds each. camera.stream() has the same frames without one.
"""
from __future__ import annotations

import errno
import math
import operator
import os
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, NamedTuple, Optional, Tuple, Union

from . import errors
from ._library import to_float, to_ms
from .connection import Deadline
from .control import ControlledCamera
from .frame import Frame, numpy_module
from .settings import Region, rate_of_limits
from .single import Single
from .turns import Turns

if TYPE_CHECKING:
    import numpy.typing

    from .camera import Camera
    from .stream import Stream

    Array = numpy.typing.NDArray[Any]

TIMEOUT_S = 10.0

# picamera2's names of controls and ours.
_PICAMERA2 = {"ExposureTime": "exposure_us", "AnalogueGain": "analogue_gain", "AeEnable": "auto_exposure",
              "ExposureValue": "exposure_value", "Brightness": "brightness", "Contrast": "contrast",
              "Sharpness": "sharpness", "ScalerCrop": "scaler_crop", "FrameRate": "framerate",
              "FrameDurationLimits": "framerate"}


def metadata_of(frame: Frame, scaler_crop: Optional[Region] = None) -> Dict[str, Any]:
    """What is known of a frame, under picamera2's names; what is not known is left out."""
    known = {"SensorTimestamp": frame.sensor_ns, "ExposureTime": frame.exposure_us, "AnalogueGain": frame.analogue_gain,
             "FrameDuration": frame.frame_duration_us, "ScalerCrop": scaler_crop and tuple(scaler_crop)}
    return {key: value for key, value in known.items() if value}


class CaptureMixin(ControlledCamera):
    """What lumaring.Camera inherits of picamera2's habits."""
    _captures: Dict[str, "Stream"]
    _captures_turns: Turns

    def _stream_to_capture(self, name: str) -> "Stream":
        """The one stream of that name that all captures read."""
        if not isinstance(name, str):
            raise TypeError(f"the stream's name is {name!r}; it must be a string, as \"main\"")
        turns: Turns = self.__dict__.setdefault("_captures_turns", Turns(
            "capturing is in the midst of opening a stream, which a signal interrupted: open a stream before the handler "
            "can run, or the camera once more in it"))
        stream: "Stream" = turns.take(self._open_to_capture, name)
        return stream

    def _open_to_capture(self, name: str) -> "Stream":
        captures: Dict[str, Stream] = self.__dict__.setdefault("_captures", {})
        if name not in captures or captures[name].closed:
            captures[name] = self.stream(name, newest=True)  # type: ignore[attr-defined]
        return captures[name]

    def _close_capture(self) -> None:
        captures = self.__dict__.pop("_captures", {})
        for stream in captures.values():
            stream.close()

    def start(self, *names: str) -> None:
        """
        Attach to streams ("main" unless named), so that the daemon copies their frames for capture_array() from now on.

        The camera itself is the daemon's, and runs for everybody. capture_array() attaches by itself, and stays attached:
        stop() ends that.
        """
        for name in names or ("main",):
            self._stream_to_capture(name)

    def stop(self) -> None:
        """Detach from what start() and the captures attached to: for a stream that nobody reads nothing is copied."""
        self._close_capture()

    def capture_array(self, name: str = "main", *, copy: bool = True, timeout: Optional[float] = TIMEOUT_S) -> "Array":
        """
        The newest frame of a shared stream that no capture has returned yet, as a numpy array of shape (height, width):
        uint8, or uint16 where the stream is R16.

        It is a copy of your own. copy=False: in place and read-only; such a frame is held until you drop the array. Waits
        at most `timeout` seconds (None: for ever), then raises lumaring.TimeoutError; EndedError when the source has ended;
        InUseError in a signal handler that interrupted a capture of this stream; otherwise what Camera.stream() and
        Stream.latest() raise.
        """
        with self._stream_to_capture(name).latest(timeout) as frame:
            array: Array = frame.copy() if copy else frame.array
            return array

    def capture_metadata(self, name: str = "main", *, timeout: Optional[float] = TIMEOUT_S) -> Dict[str, Any]:
        """
        What is known of the newest frame, waited for as by capture_array(), under picamera2's names:

        SensorTimestamp  ns; which clock, Stream.info.sensor_clock says
        ExposureTime     us
        AnalogueGain     a factor
        FrameDuration    us
        ScalerCrop       (x, y, width, height) of the sensor, as it is set

        What the source does not tell is left out. A Frame has all of this, and its pixels, at once.
        """
        with self._stream_to_capture(name).latest(timeout) as frame:
            return metadata_of(frame, self.get().controls.scaler_crop)

    def set_controls(self, controls: Mapping[str, Any]) -> None:
        """
        Change controls by picamera2's names: ExposureTime, AnalogueGain, AeEnable, ExposureValue, Brightness, Contrast,
        Sharpness, ScalerCrop, FrameRate and FrameDurationLimits; for all who read this camera. As set(), which says what
        was taken. Raises NotSupportedError for a name that lumaring does not have, such as AwbEnable.
        """
        if not isinstance(controls, Mapping):
            raise TypeError(f"controls is {controls!r}; it must be a dictionary, as {{\"ExposureTime\": 5000}}")
        wanted: Dict[str, Any] = {}
        for name, value in controls.items():
            if name not in _PICAMERA2:
                raise errors.NotSupportedError(errno.EOPNOTSUPP, f"there is no control {name}, only {', '.join(_PICAMERA2)}")
            if name == "FrameDurationLimits":
                value = rate_of_limits(name, value)
            if value is None:
                raise TypeError(f"{name} is None; leave it out, or say what it is to be")
            wanted[_PICAMERA2[name]] = value
        if wanted:
            self.set(**wanted)

    @property
    def camera_controls(self) -> Dict[str, Tuple[float, float, float]]:
        """(minimum, maximum, default) of the controls that this source has, by picamera2's names."""
        ranges = self.capabilities().controls
        return {name: tuple(ranges[ours]) for name, ours in _PICAMERA2.items() if ours in ranges}  # type: ignore[misc]


# --- OpenCV ----------------------------------------------------------------------------------------------------------

# As in cv2.
CAP_PROP_POS_MSEC = 0
CAP_PROP_POS_FRAMES = 1
CAP_PROP_FRAME_WIDTH = 3
CAP_PROP_FRAME_HEIGHT = 4
CAP_PROP_FPS = 5
CAP_PROP_FOURCC = 6
CAP_PROP_FORMAT = 8
CAP_PROP_BRIGHTNESS = 10
CAP_PROP_CONTRAST = 11
CAP_PROP_GAIN = 14
CAP_PROP_EXPOSURE = 15
CAP_PROP_CONVERT_RGB = 16
CAP_PROP_SHARPNESS = 20
CAP_PROP_AUTO_EXPOSURE = 21
CAP_PROP_READ_TIMEOUT_MSEC = 54

_CONTROLS = {CAP_PROP_BRIGHTNESS: "brightness", CAP_PROP_CONTRAST: "contrast", CAP_PROP_GAIN: "analogue_gain",
             CAP_PROP_EXPOSURE: "exposure_us", CAP_PROP_SHARPNESS: "sharpness", CAP_PROP_AUTO_EXPOSURE: "auto_exposure"}
# Of the backend for V4L2, today's and that of old.
_AUTO_EXPOSURE = {3.0: True, 0.75: True, 1.0: False, 0.25: False, 0.0: False}
_CV_8U, _CV_16U, _CV_CHANNELS_3 = 0, 2, 16
OLD_FRAMES_MAX = 64  # after a change of size, until one of that size has to be there


class _Known(NamedTuple):
    """The newest frame that was seen: what it is, without its pixels."""
    width: int
    height: int
    image_width: int
    image_height: int
    sensor_ns: int
    ready_ns: int
    sequence: int
    format: str


def _property(prop: Any) -> int:
    try:
        return operator.index(prop)
    except TypeError:
        raise TypeError(f"the property is {prop!r}; it must be a number of cv2's, as CAP_PROP_FPS") from None


def _camera_name(source: Any) -> str:
    """0 and what numpy has for it is "cam0"; True is no number."""
    if isinstance(source, str):
        return source
    try:
        number = operator.index(source) if not isinstance(source, bool) else None
    except TypeError:
        number = None
    if number is None:
        raise TypeError(f"the camera is {source!r}; it must be a whole number, 0 for \"cam0\", a name, or a "
                        "lumaring.Camera")
    if number < 0:
        raise errors.InvalidError(errno.EINVAL, f"the camera is {number}; it must be a whole number from 0 on")
    return f"cam{number}"


class VideoCapture(Single):
    """
    A camera as cv2.VideoCapture has it; cv2 is not needed for it.

        capture = lumaring.VideoCapture("cam0")         # or 0 for "cam0", 1 for "cam1" ...; or a lumaring.Camera
        capture.set(cv2.CAP_PROP_FPS, 56)
        ok, image = capture.read()

    read() gives the newest frame that it has not given yet, grey, of shape (height, width), as an array of your own. It
    waits for one at most `timeout` seconds (10 unless given; CAP_PROP_READ_TIMEOUT_MSEC); (False, None) stands for all
    that can go wrong, as with cv2, and .error has the exception that says what it was. setExceptionMode(True) raises it.

    get() and set() know these, and 0.0 or False stand for all others:

    CAP_PROP_FRAME_WIDTH, _HEIGHT   of the frames that are read; set: of the captured image, once both are given
    CAP_PROP_FPS              frames a second, the fastest where it is a range; 0.0 where there is no rate
    CAP_PROP_POS_MSEC         when the frame was taken, ms of the sensor's clock
    CAP_PROP_POS_FRAMES       its sequence
    CAP_PROP_FOURCC           GREY, or "Y16 " of 16 bits
    CAP_PROP_FORMAT           CV_8UC1 or CV_16UC1; with CAP_PROP_CONVERT_RGB of three channels
    CAP_PROP_CONVERT_RGB      0; set to 1, for programs that cannot do without, read() repeats the grey in three channels
    CAP_PROP_EXPOSURE         microseconds
    CAP_PROP_AUTO_EXPOSURE    3 (or 0.75) is automatic, 1 (or 0.25) is not, as for V4L2
    CAP_PROP_GAIN             a factor
    CAP_PROP_BRIGHTNESS, _CONTRAST, _SHARPNESS   as Camera.set()

    What is set is set for all who read this camera, and stays when this program ends.
    """
    camera: Optional["Camera"] = None
    """The lumaring.Camera behind it, None while not opened."""
    error: Optional[errors.Error] = None
    """Why the last call that failed did."""

    def __init__(self, source: Union[None, int, str, "Camera"] = None, apiPreference: int = 0, *,
                 stream: Optional[str] = None, timeout: Optional[float] = TIMEOUT_S,
                 runtime_dir: Union[None, str, "os.PathLike[str]"] = None, **options: Any) -> None:
        """`stream`: "main" unless given; `options`: more of Camera.stream(), such as region=(x, y, width, height) for a
        private one. `apiPreference` is there for programs that give one."""
        self._stream: Optional["Stream"] = None
        self._frame: Optional[Frame] = None  # the one that was grabbed
        self._known: Optional[_Known] = None
        self._options = options
        self._stream_name, self._timeout, self._runtime_dir = stream, timeout, runtime_dir
        self._own_camera = self._raises = self._three_channels = False
        self._wanted = {CAP_PROP_FRAME_WIDTH: 0, CAP_PROP_FRAME_HEIGHT: 0}
        self._size: Optional[Tuple[int, int]] = None  # of the images to come, when it was changed
        to_ms(timeout)
        if source is not None:
            self.open(source)

    def _failed(self, why: errors.Error) -> bool:
        """To be called while it is handled."""
        self.error = why
        if self._raises:
            raise why
        return False

    # --- opening

    def open(self, source: Union[int, str, "Camera"], apiPreference: int = 0) -> bool:
        """Open another one; what was open is released."""
        from .camera import Camera
        self.release()
        try:
            self._own_camera = not isinstance(source, Camera)
            if isinstance(source, Camera):
                self.camera = source
            else:
                self.camera = Camera(_camera_name(source), runtime_dir=self._runtime_dir)
            self._stream = self._its_camera().stream(self._stream_name, newest=True, **self._options)
        except errors.Error as why:
            self.release()
            return self._failed(why)
        except BaseException:
            self.release()
            raise
        return True

    def _its_camera(self) -> "Camera":
        """Also where another thread releases it meanwhile: then ClosedError."""
        camera = self.camera
        if camera is None:
            raise errors.ClosedError(errno.EBADF, "no camera is open")
        return camera

    def isOpened(self) -> bool:
        """Until release(), also while the camera or its daemon is away."""
        return self._stream is not None

    def release(self) -> None:
        """Close it; a Camera that was given stays open. What another thread waits for in it fails then."""
        stream, camera = self._stream, self.camera
        self.camera = self._stream = None
        self._let_go()
        self._known = self._size = None
        if stream is not None:
            stream.close()
        if camera is not None and self._own_camera:
            camera.close()

    def __enter__(self) -> "VideoCapture":
        return self

    def __exit__(self, *why: object) -> None:
        self.release()

    # --- frames

    def _take(self, timeout: Optional[float]) -> Frame:
        stream = self._stream
        if stream is None:
            raise errors.ClosedError(errno.EBADF, "no camera is open")
        self._let_go()
        frame = stream.latest(timeout)
        self._known = _Known(*(getattr(frame, name) for name in _Known._fields))
        if self._size == (frame.image_width, frame.image_height):
            self._size = None
        return frame

    def _let_go(self) -> None:
        """Of what was grabbed; what was borrowed is its borrower's."""
        frame, self._frame = self._frame, None
        if frame is not None:
            frame.release()

    def grab(self) -> bool:
        """Take the newest frame, for retrieve(). It is held until the next grab(), read() or release()."""
        try:
            self._frame = self._take(self._timeout)
        except errors.Error as why:
            return self._failed(why)
        return True

    def retrieve(self, image: Optional["Array"] = None, flag: int = 0) -> Tuple[bool, Optional["Array"]]:
        """(True, what was grabbed), as read(). An `image` of its shape and type is filled and returned."""
        if image is not None and not hasattr(image, "__array_interface__"):
            raise TypeError(f"the image to be filled is {image!r}; it must be a numpy array")
        frame = self._frame
        if frame is None:
            return False, None
        try:
            grey: Array = frame.array
        except errors.Error as why:
            return self._failed(why), None
        if self._three_channels:
            grey = numpy_module("CAP_PROP_CONVERT_RGB").broadcast_to(grey[:, :, None], (*grey.shape, 3))
        if image is None or image.shape != grey.shape or image.dtype != grey.dtype:
            return True, grey.copy(order="C")
        image[...] = grey
        return True, image

    def read(self, image: Optional["Array"] = None) -> Tuple[bool, Optional["Array"]]:
        """(True, the newest frame that was not read yet), or (False, None). An `image` of its shape and type is filled
        and returned, otherwise it is a new array."""
        try:
            return self.retrieve(image) if self.grab() else (False, None)
        finally:
            self._let_go()

    def borrow(self, timeout: Optional[float] = TIMEOUT_S) -> Frame:
        """
        The newest frame in place, without a copy:

            with capture.borrow() as frame:
                work_on(frame.array)                    # read-only

        Raises what Stream.latest() raises.
        """
        return self._take(timeout)

    # --- properties

    def _describe(self) -> _Known:
        """The newest frame that was seen, of the size that was set; waits for one where there is none. Somebody else may
        have set another size meanwhile: that one shows when those of before are through."""
        deadline = Deadline(self._timeout)
        for _ in range(OLD_FRAMES_MAX):
            known = self._known
            if known is not None and self._size is None:
                return known
            self._take(deadline.left()).release()
        self._size = None
        return self._known or self._describe()

    def get(self, propId: int) -> float:
        """The value of a property, 0.0 for those that are not known."""
        prop = _property(propId)
        try:
            return float(self._get(prop)) if self.isOpened() else 0.0
        except errors.Error as why:
            return float(self._failed(why))

    def _get(self, prop: int) -> float:
        if prop == CAP_PROP_FPS:
            rate = self._its_camera().framerate
            return (rate[1] if isinstance(rate, tuple) else rate) or 0.0
        if prop in _CONTROLS:
            value = getattr(self._its_camera().controls, _CONTROLS[prop])
            if prop == CAP_PROP_AUTO_EXPOSURE and value is not None:
                return 3.0 if value else 1.0
            return value or 0.0
        if prop == CAP_PROP_CONVERT_RGB:
            return self._three_channels
        if prop == CAP_PROP_READ_TIMEOUT_MSEC:
            return -1.0 if self._timeout is None else self._timeout * 1000
        return self._of_frame(prop)

    def _of_frame(self, prop: int) -> float:
        values: Dict[int, Callable[[_Known], float]] = {
            CAP_PROP_FRAME_WIDTH: lambda f: f.width,
            CAP_PROP_FRAME_HEIGHT: lambda f: f.height,
            CAP_PROP_POS_MSEC: lambda f: (f.sensor_ns or f.ready_ns) / 1e6,
            CAP_PROP_POS_FRAMES: lambda f: f.sequence,
            CAP_PROP_FOURCC: lambda f: int.from_bytes(b"Y16 " if f.format == "R16" else b"GREY", "little"),
            CAP_PROP_FORMAT: lambda f: (_CV_16U if f.format == "R16" else _CV_8U) + _CV_CHANNELS_3 * self._three_channels,
        }
        return values[prop](self._describe()) if prop in values else 0.0

    def set(self, propId: int, value: float) -> bool:
        """Change a property. False, and nothing is changed: it is not known, cannot be changed, or was refused."""
        prop = _property(propId)
        try:
            number = to_float(value)
        except TypeError:
            raise TypeError(f"property {prop} is to be {value!r}; it must be a number") from None
        try:
            return self.isOpened() and math.isfinite(number) and self._set(prop, number)
        except errors.Error as why:
            return self._failed(why)

    def _set(self, prop: int, value: float) -> bool:
        if prop in self._wanted:
            return self._set_extent(prop, round(value))
        if prop == CAP_PROP_FPS:
            self._its_camera().configure(framerate=value)
        elif prop == CAP_PROP_AUTO_EXPOSURE:
            if value not in _AUTO_EXPOSURE:
                return False
            self._its_camera().set(auto_exposure=_AUTO_EXPOSURE[value])
        elif prop in _CONTROLS:
            self._its_camera().set(**{_CONTROLS[prop]: value})  # type: ignore[arg-type]
        elif prop == CAP_PROP_CONVERT_RGB:
            self._three_channels = bool(value)
        elif prop == CAP_PROP_READ_TIMEOUT_MSEC:
            self._timeout = None if value < 0 else value / 1000
        else:
            return False
        return True

    def _set_extent(self, prop: int, pixels: int) -> bool:
        """A size is changed when both its numbers are known, as by cv2's backend for V4L2."""
        self._wanted[prop] = pixels
        if pixels <= 0 or 0 in self._wanted.values():
            return pixels > 0
        size = (self._wanted[CAP_PROP_FRAME_WIDTH], self._wanted[CAP_PROP_FRAME_HEIGHT])
        self._wanted = dict.fromkeys(self._wanted, 0)
        self._size = self._its_camera().configure(size=size).size
        return True

    # --- the rest of cv2's

    def setExceptionMode(self, enable: bool) -> None:
        """True: what fails raises a lumaring.Error."""
        self._raises = bool(enable)

    def getExceptionMode(self) -> bool:
        return self._raises

    def getBackendName(self) -> str:
        return "LUMARING"

    def __repr__(self) -> str:
        return f"<lumaring.VideoCapture of {self._stream}>" if self._stream else "<lumaring.VideoCapture, not opened>"
