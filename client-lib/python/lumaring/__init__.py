# SPDX-License-Identifier: BSD-2-Clause
"""lumaring: the newest grey frames of a camera, from shared memory, as numpy arrays without a copy.

    import lumaring

    with lumaring.open("cam0") as camera:
        for frame in camera.stream("main"):
            print(frame.sequence, frame.array.mean())

open() gives a Camera, Camera.stream() a Stream, and that Frames: see help() of each. All errors are lumaring.Error.
"""
from ._library import Clock, Event, LumaRange, RingState
from ._version import __version__
from .camera import Camera, open
from .capture import VideoCapture
from .control import Streams, Watch
from .errors import *  # noqa: F401,F403
from .frame import Frame
from .refused import (Adjusted, BadConfiguration, Busy, InvalidField, LimitReached, NoRoom, NoSuchStream, NotSupported,
                      OutOfRange, PermissionDenied, Refused, SourceRefused, StreamExists, StreamInUse)
from .settings import (Adjustment, Applied, CameraInfo, Capabilities, Client, Controls, Metric, Mode, Range, Region,
                       Reloaded, Settings, StreamSettings, WatchEvent)
from .stream import Stream, StreamInfo
