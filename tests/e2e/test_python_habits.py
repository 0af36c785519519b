# SPDX-License-Identifier: BSD-2-Clause
"""The Python package for who comes from picamera2 or OpenCV, and the lines of Python that are shown, run as they are."""
import os
import pydoc
import re
import signal
import subprocess
import sys

import numpy

import lumaring
from control import Camera as Daemon
from lib import DEADLINE_S, ROOT, wait_until
from lumaring import capture as cv

# Written out once more: what cv2 calls by these names never changes.
CV2 = {"POS_MSEC": 0, "POS_FRAMES": 1, "FRAME_WIDTH": 3, "FRAME_HEIGHT": 4, "FPS": 5, "FOURCC": 6, "FORMAT": 8,
       "BRIGHTNESS": 10, "CONTRAST": 11, "GAIN": 14, "EXPOSURE": 15, "CONVERT_RGB": 16, "SHARPNESS": 20,
       "AUTO_EXPOSURE": 21, "READ_TIMEOUT_MSEC": 54}


def camera(*options, **keywords):
    daemon = Daemon("--source", "synthetic", "--size", "640x480", "--framerate", 100, "--stream", "main", "--stream",
                    "deep=0,0,64,32,format=R16", *options, **keywords)
    return daemon.wait_ready()


def refused(kind, call):
    try:
        call()
    except kind as why:
        return why
    raise AssertionError(f"not refused as {kind}")


def test_picamera2():
    with camera() as daemon, lumaring.open(daemon.camera, runtime_dir=daemon.runtime_dir) as c:
        c.start()
        wait_until(lambda: [client.state for client in c.clients()] == ["reading"], "it is attached")
        array = c.capture_array()
        assert array.shape == (480, 640) and array.dtype == numpy.uint8 and array.flags.writeable and array.flags.owndata
        deep = c.capture_array("deep", copy=False)
        assert deep.shape == (32, 64) and deep.dtype == numpy.dtype("<u2") and not deep.flags.writeable
        kept = array.copy()
        assert (c.capture_array() != array).any() and (array == kept).all(), "each is another frame, and one's own"
        c.stop()
        kept_client, = wait_until(lambda: len(there := c.clients()) == 1 and there, "it is detached")
        assert kept_client.stream == "deep", "where an array in place is alive, it stays"
        del deep
        wait_until(lambda: not c.clients(), "so is that")
        assert set(c.camera_controls) == {"ExposureTime", "AnalogueGain", "AeEnable"}, c.camera_controls
        assert c.camera_controls["AnalogueGain"] == (1.0, 16.0, 1.0)
        c.set_controls({"ExposureTime": 3000, "AnalogueGain": 2.0, "FrameDurationLimits": (20000, 20000)})
        metadata = wait_until(lambda: (m := c.capture_metadata())["ExposureTime"] == 3000 and m["FrameDuration"] == 20000
                              and m, "it is in force")
        assert set(metadata) == {"SensorTimestamp", "ExposureTime", "AnalogueGain", "FrameDuration"}, metadata
        assert metadata["AnalogueGain"] == 2.0 and metadata["SensorTimestamp"] > 1e9, metadata
        assert "AwbEnable" in str(refused(lumaring.NotSupportedError, lambda: c.set_controls({"AwbEnable": True})))
        c.stop()
        wait_until(lambda: not c.clients(), "nothing is attached")
        assert c.capture_array().shape == (480, 640), "it attaches by itself"
        daemon.process.send_signal(signal.SIGSTOP)
        refused(lumaring.TimeoutError, lambda: [c.capture_array(timeout=0.02) for _ in range(9)])
        daemon.process.send_signal(signal.SIGCONT)
        assert c.capture_array().shape == (480, 640), "no failure lasts"
        c.close()
        refused(lumaring.ClosedError, c.capture_array)


def test_opencv():
    assert {name: getattr(cv, "CAP_PROP_" + name) for name in CV2} == CV2
    with camera() as daemon:
        capture = lumaring.VideoCapture(daemon.camera, runtime_dir=daemon.runtime_dir)
        assert capture.isOpened() and capture.error is None
        assert (capture.get(cv.CAP_PROP_FRAME_WIDTH), capture.get(cv.CAP_PROP_FRAME_HEIGHT)) == (640.0, 480.0)
        assert (capture.get(cv.CAP_PROP_FPS), capture.get(cv.CAP_PROP_FORMAT)) == (100.0, 0.0)
        assert int(capture.get(cv.CAP_PROP_FOURCC)).to_bytes(4, "little") == b"GREY"
        ok, image = capture.read()
        assert ok and image.shape == (480, 640) and image.dtype == numpy.uint8 and image.flags.writeable
        sequence, ms = capture.get(cv.CAP_PROP_POS_FRAMES), capture.get(cv.CAP_PROP_POS_MSEC)
        before = image.copy()
        again, same = capture.read(image)
        assert again and same is image and (image != before).any(), "what is given is filled"
        assert capture.get(cv.CAP_PROP_POS_FRAMES) > sequence and capture.get(cv.CAP_PROP_POS_MSEC) > ms
        # What is grabbed is retrieved, as often as wanted; what was read is not there any more.
        assert capture.retrieve() == (False, None)
        assert capture.grab() and (capture.retrieve()[1] == capture.retrieve()[1]).all()
        with capture.borrow() as frame:
            assert frame.array.shape == (480, 640) and not frame.array.flags.writeable
        # As cv2 has it: a size is set when both are known; what is grey has three channels for who must have them.
        assert capture.set(cv.CAP_PROP_FRAME_WIDTH, 320) and capture.get(cv.CAP_PROP_FRAME_WIDTH) == 640.0
        assert capture.set(cv.CAP_PROP_FRAME_HEIGHT, 240)
        assert (capture.get(cv.CAP_PROP_FRAME_WIDTH), capture.get(cv.CAP_PROP_FRAME_HEIGHT)) == (320.0, 240.0)
        assert capture.set(cv.CAP_PROP_FRAME_WIDTH, 160) and capture.read()[1].shape == (240, 320), "one is none"
        assert capture.set(cv.CAP_PROP_CONVERT_RGB, 1) and capture.get(cv.CAP_PROP_FORMAT) == 16.0
        image = capture.read()[1]
        assert image.shape == (240, 320, 3) and (image == image[:, :, :1]).all() and image.flags.c_contiguous
        for prop, value in (("FPS", 50), ("EXPOSURE", 2000), ("GAIN", 2.5), ("AUTO_EXPOSURE", 3), ("AUTO_EXPOSURE", 1),
                            ("READ_TIMEOUT_MSEC", 20)):
            assert capture.set(CV2[prop], value) and capture.get(CV2[prop]) == value, prop
        # Unknown, not to be had, out of range, not to be changed: False, and why.
        for prop, value, why in ((999, 1, None), (CV2["CONTRAST"], 1, lumaring.NotSupported),
                                 (CV2["GAIN"], 99, lumaring.OutOfRange), (CV2["AUTO_EXPOSURE"], 2, None),
                                 (CV2["FOURCC"], 1, None), (CV2["FPS"], 0, ValueError)):
            capture.error = None
            assert capture.set(prop, value) is False and isinstance(capture.error, why or type(None)), (prop, capture.error)
        assert capture.get(999) == capture.get(CV2["CONTRAST"]) == 0.0
        daemon.process.send_signal(signal.SIGSTOP)
        assert [capture.read()[0] for _ in range(9)][-1] is False and isinstance(capture.error, TimeoutError), capture.error
        assert capture.isOpened()
        capture.setExceptionMode(True)
        refused(lumaring.TimeoutError, lambda: [capture.read() for _ in range(9)])
        daemon.process.send_signal(signal.SIGCONT)
        capture.release()
        assert not capture.isOpened()
        # Another program has changed the size that was set here; and one frame held is enough to read on.
        second = lumaring.VideoCapture(daemon.camera, runtime_dir=daemon.runtime_dir, frames_max=1)
        assert second.set(cv.CAP_PROP_FRAME_WIDTH, 160) and second.set(cv.CAP_PROP_FRAME_HEIGHT, 120)
        with lumaring.open(daemon.camera, runtime_dir=daemon.runtime_dir) as other:
            other.configure(width=320, height=240)
        assert second.get(cv.CAP_PROP_FRAME_WIDTH) == 320.0
        assert all(second.read()[0] for _ in range(3)) and not second.set(cv.CAP_PROP_FRAME_WIDTH, float("nan"))
        second.release()
        refused(lumaring.ClosedError, capture.read)


def test_opencv_opens():
    with camera(camera="cam7") as daemon, lumaring.open("cam7", runtime_dir=daemon.runtime_dir) as c:
        capture = lumaring.VideoCapture(7, 200, runtime_dir=daemon.runtime_dir, stream="deep")
        assert capture.read()[1].dtype == numpy.dtype("<u2") and capture.get(cv.CAP_PROP_FORMAT) == 2.0
        # Anew, with another camera: one of the caller's, which stays open.
        assert lumaring.VideoCapture(c).read()[1].shape == (480, 640) and not c.closed
        with lumaring.VideoCapture(c, region=(10, 20, 30, 40), bin=2) as private:
            assert private.read()[1].shape == (20, 15) and private.get(cv.CAP_PROP_FRAME_WIDTH) == 15.0
        for name, stream, why in ((8, None, lumaring.ConnectionRefusedError), ("cam7", "dee", lumaring.NotFoundError),
                                  ("Cam", None, lumaring.InvalidError)):
            closed = lumaring.VideoCapture(name, runtime_dir=daemon.runtime_dir, stream=stream)
            assert not closed.isOpened() and isinstance(closed.error, why), repr(closed.error)
            assert closed.read() == (False, None) and closed.get(cv.CAP_PROP_FPS) == 0.0 and not closed.set(5, 30)
        assert closed.open(c) is False and isinstance(closed.error, lumaring.InvalidError) or closed.isOpened()


def shown():
    """Where Python is shown, and what: in the READMEs, and in what help() says of the package and its modules."""
    for name in ("README.md", "client-lib/python/README.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        yield from ((name, code) for code in re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S))
    for module in (lumaring, lumaring.control, cv):
        code = re.findall(r"^    .*\n(?:(?:    .*)?\n)*", module.__doc__, re.M)[0]
        yield module.__name__, re.sub(r"^    ", "", code, flags=re.M)


def test_what_is_shown_runs():
    """Each program prints three lines, and nothing is wrong until then."""
    manual = pydoc.render_doc(lumaring, renderer=pydoc.plaintext)
    assert "with lumaring.open(\"cam0\") as camera:" in manual and len(manual.splitlines()) > 300, manual
    with camera() as daemon:
        examples = list(shown())
        assert len(examples) > 3, examples
        running = []
        for where, code in examples:
            code = code.replace('"cam0"', f'"{daemon.camera}"').replace("VideoCapture(0)", f'VideoCapture("{daemon.camera}")')
            running.append((where, subprocess.Popen(
                [sys.executable, "-uc", f"import lumaring\n{code}"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True, env={**os.environ, "LUMARING_RUNTIME_DIR": daemon.runtime_dir})))
        for where, program in running:
            lines = [program.stdout.readline() for _ in range(3)]
            program.kill()
            talk = program.communicate(timeout=DEADLINE_S)[1]
            assert all(lines) and not talk, (where, lines, talk)
