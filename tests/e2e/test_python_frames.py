# SPDX-License-Identifier: BSD-2-Clause
"""Frames of the Python package: their pixels are ffmpeg's, byte for byte, nobody can write to them, and they stay what they
are for as long as somebody has an array of them.

Where a ring holds the whole clip and the source waits for its readers, no machine is too slow.
"""
import copy
import gc
import os
import pickle
import subprocess
import sys

import lumaring
import numpy

import clips
import raw
from lib import Daemon, wait_until

SLOTS = 8  # of a ring, where nothing else is said


def open_camera(daemon):
    return lumaring.open(daemon.wait_ready().camera, runtime_dir=daemon.runtime_dir)


def replay(path, frames, clients, *options):
    return Daemon("--source", f"replay:{path}", "--slots", max(frames + 4, 4), "--wait-clients", clients, "--unpaced",
                  *options)


def synthetic(size="333x217", framerate=100, *options):
    return Daemon("--source", "synthetic", "--size", size, "--framerate", framerate, *options)


def raises(kind, call, *words):
    """`call` raises that, and its sentence has these words."""
    try:
        call()
    except kind as why:
        assert all(word in str(why) for word in words) and "\n" not in str(why), str(why)
        return why
    raise AssertionError(f"{kind.__name__} was not raised")


def same_pixels(frame, expected):
    """Every way to read a frame gives these bytes."""
    array, view = frame.array, frame.view
    pixel_bytes = 2 if frame.format == "R16" else 1
    assert array.shape == frame.shape == (frame.height, frame.width) and array.dtype == f"<u{pixel_bytes}"
    assert array.strides == (frame.stride, pixel_bytes)
    assert view.shape == (frame.height, frame.stride // pixel_bytes) and view.format == " BH"[pixel_bytes] and view.readonly
    copy = frame.copy()
    assert copy.flags.writeable and copy.flags.owndata and copy.flags.c_contiguous
    rows = [frame.row(y) for y in range(frame.height)]
    assert all(len(row) == frame.width and row.readonly for row in rows)
    assert numpy.array_equal(numpy.asarray(view)[:, :frame.width], array)
    return array.tobytes() == copy.tobytes() == frame.tobytes() == b"".join(rows) == expected


# --- pixels ----------------------------------------------------------------------------------------------------------

def test_footage():
    """Full frames and a region of each clip, frame for frame; an iteration keeps nothing of what it handed out."""
    for name, path, width, height, frames in clips.real():
        region = (width // 3 | 1, height // 5 | 1, 151, 99)
        expected, part = clips.reference(path), clips.reference(path, region)
        with replay(path, frames, 2) as daemon, open_camera(daemon) as camera:
            main, private = camera.stream(), camera.stream(region=region)
            for stream, luma in ((main, expected), (private, part)):
                frame_bytes = len(luma) // frames
                for number, frame in enumerate(stream):
                    at = number * frame_bytes
                    assert frame.array.tobytes() == luma[at:at + frame_bytes], f"{name}: frame {number + 1} differs"
                    assert (frame.sequence, frame.missed, frame.missed_by) == (number + 1, 0, {})
                assert stream.seen == frames and stream.missed == 0 and number + 1 == frames
                assert list(stream.events) == [lumaring.Event.CLOSED]
            assert daemon.stop() == 0
        os.unlink(path)
        print(f"figure: {name}: {frames} frames of {width}x{height}, and of 151x99 of it, equal ffmpeg's")


def test_shapes():
    """Odd sizes, with rows that are padded and rows that are not, and the smallest; one with numpy and one without."""
    for width, height, colourspace in ((333, 217, "422"), (1, 3, "420"), (64, 48, "444"), (65, 1, "mono")):
        clips.noise("clip.y4m", width, height, 5, colourspace)
        expected = clips.reference("clip.y4m")
        with replay("clip.y4m", 5, 1) as daemon, open_camera(daemon) as camera:
            for number, frame in enumerate(camera.stream()):
                assert (frame.width, frame.height, frame.format, frame.bin) == (width, height, "R8", 1)
                at = number * width * height
                assert same_pixels(frame, expected[at:at + width * height]), (width, height, number)
                assert frame.stride % 64 == 0 and frame.region == (0, 0, width, height)
                raises(IndexError, lambda: frame.row(height), "row")
        os.unlink("clip.y4m")


def test_sixteen_bits():
    """Samples of 16 bits come out as they went in, whole and of a region; as 8 bits they are the upper ones."""
    width, height, frames, region = 131, 73, 4, (5, 3, 58, 31)
    data = clips.ffmpeg("-f", "lavfi", "-i", f"nullsrc=size={width}x{height},format=gray16le,"
                        "geq=lum='mod(X*2011+Y*977+N*4093,65536)'", "-frames:v", frames, "-f", "rawvideo", "-")
    with open("clip.raw", "wb") as file:
        file.write(data)
    whole = numpy.frombuffer(data, "<u2").reshape(frames, height, width)
    assert len(numpy.unique(whole >> 8)) > 200 and len(numpy.unique(whole & 255)) > 200
    x, y, w, h = region
    with Daemon("--source", "raw:clip.raw", "--size", f"{width}x{height}", "--pixel-format", "R16", "--unpaced",
                "--wait-clients", 3, "--stream", "main,format=R16") as daemon, open_camera(daemon) as camera:
        streams = camera.stream(), camera.stream(region=region, format="R16"), camera.stream(region=region)
        for stream, picture in zip(streams, (whole, whole[:, y:y + h, x:x + w], whole[:, y:y + h, x:x + w] >> 8)):
            for number, frame in enumerate(stream):
                assert same_pixels(frame, picture[number].astype(frame.array.dtype).tobytes()), (stream, number)
            assert number + 1 == frames, stream
        print(f"figure: {frames} frames of {width}x{height} of 16 bits equal ffmpeg's")


def test_nobody_writes():
    with synthetic() as daemon, open_camera(daemon) as camera:
        for frame in (camera.stream().next(), camera.stream(copy=True).next(), camera.stream(format="R16").next()):
            array, before = frame.array, frame.tobytes()
            for view in (array, array[3:9, 1:], array.T, array.ravel(order="K"), array[::-1], numpy.asarray(frame.view)):
                if view.flags.owndata:
                    continue  # numpy made a copy
                assert not view.flags.writeable
                raises(ValueError, lambda: view.__setitem__((0,) * view.ndim, 1), "read-only")
                raises(ValueError, lambda: setattr(view.flags, "writeable", True), "WRITEABLE")
                raises(ValueError, lambda: view.setflags(write=True), "WRITEABLE")
            raises(ValueError, lambda: numpy.add(array, 1, out=array), "read-only")
            raises(TypeError, lambda: memoryview(array.base))
            for memory in (frame.view, frame.row(0), memoryview(array)):
                raises(TypeError, lambda: memory.__setitem__((0,) * memory.ndim, 1), "read-only")
            assert frame.tobytes() == before


# --- what a frame says -----------------------------------------------------------------------------------------------

def test_attributes():
    """Each attribute is what the ring's descriptor has."""
    with synthetic("200x100", 100, "--slots", 64) as daemon, raw.Client(daemon.wait_ready()) as client:
        client.attach_private(region=(11, 7, 100, 51), bin=2)
        with open_camera(daemon) as camera:
            whole, part = camera.stream().next(), camera.stream(region=(11, 7, 101, 51), bin=2).next()
            ring, d, pixels = next(client.frames())
            assert part.bin == d.bin == 2 and part.shape == (25, 50) and part.region[:3] == (11, 7, 100), part.region
        client = raw.Client(daemon).attach()
        with client, open_camera(daemon) as camera:
            stream = camera.stream()
            ring, d, pixels = next(client.frames())
            frame = wait_until(lambda: find(stream, client.ring.epoch, d.word >> 2), "the frame is there")
            assert frame.tobytes() == pixels and frame.epoch == ring.epoch and frame.pinned is True
            assert frame.sequence == d.word >> 2
            for name in ("publication camera_sequence sensor_ns ready_ns publish_ns width height stride image_width "
                         "image_height bin generation frame_duration_us exposure_us").split():
                assert getattr(frame, name) == getattr(d, name), name
            assert frame.analogue_gain == d.analogue_gain_milli / 1000
            assert frame.region == (d.region_x, d.region_y, d.region_width, d.region_height)
            assert frame.region.width == d.region_width
            info = stream.info
            assert (info.epoch, info.slot_count, info.ring_bytes) == (ring.epoch, 64, client.welcome.ring_bytes)
            assert (info.stream, info.connected, info.state) == ("main", True, lumaring.RingState.LIVE)
            assert info.image_size == info.max_size == (200, 100) and info.daemon_pid == daemon.pid
            with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
                assert info.boot_id == file.read().strip()
            frame.release()
            assert frame.sequence == d.word >> 2 and "released" in repr(frame)  # all but the pixels


def find(stream, epoch, sequence):
    try:
        return stream.exact(epoch, sequence)
    except lumaring.NotFoundError:
        return None


def test_exact_last_latest():
    width, height, frames = 33, 17, 12
    with open("clip.y4m", "wb") as file:
        file.write(clips.y4m(width, height, frames))
    with replay("clip.y4m", frames, 1) as daemon, open_camera(daemon) as camera:
        stream = camera.stream()
        daemon.wait_log("ended")
        def number_of(frame):
            assert frame.tobytes() == clips.picture(frame.sequence, width, height)
            return frame.sequence
        latest = stream.latest()
        assert number_of(latest) == frames and latest.missed == 0
        assert [number_of(frame) for frame in stream.last(5)] == [8, 9, 10, 11, 12]
        assert len(stream.last(15)) == frames
        assert number_of(stream.exact(latest.epoch, 3)) == 3
        raises(FileNotFoundError, lambda: stream.exact(latest.epoch, 99), "99")
        raises(lumaring.NotFoundError, lambda: stream.exact(1, 3), "epoch 1")
        raises(lumaring.InvalidError, lambda: stream.last(0), "at least 1")
        raises(lumaring.TooManyFramesError, lambda: stream.last(99), "frames_max")
        again = camera.stream(oldest=True)
        assert number_of(again.next()) == 1 and number_of(again.next()) == 2
        frame = again.latest()
        assert (number_of(frame), frame.missed, frame.missed_by) == (12, 9, {"skipped": 9})
        assert (again.seen, again.missed) == (3, 9)
        raises(lumaring.EndedError, again.next, "ended")
        assert list(again.events) == [lumaring.Event.CLOSED]
        assert [frame.sequence for frame in camera.stream(oldest=True, newest=True)] == [12]


def test_moving_region():
    """One assignment moves a private stream's region; each frame says what it shows."""
    with synthetic("320x240", 200) as daemon, open_camera(daemon) as camera:
        stream = camera.stream(region=(0, 0, 64, 48), max_size=(64, 48), slots=16)
        for asked, taken in (((10, 20, 64, 48), (10, 20, 64, 48)), ((numpy.int64(11), 21, 3, 1), (11, 21, 3, 1)),
                             ((310, 230, 64, 48), (256, 192, 64, 48)), ((0, 0, 0, 0), (0, 0, 64, 48))):
            stream.region = asked
            assert stream.region == asked and stream.region.x == asked[0]
            frame = next(frame for frame in stream if frame.region == taken)
            assert frame.shape == (taken[3], taken[2]) and frame.array.shape == frame.shape
        for wrong in ((-1, 0, 8, 8), (0, 0, 65536, 8), (0, 0, 8), (0.5, 0, 8, 8)):
            raises((lumaring.InvalidError, TypeError), lambda: setattr(stream, "region", wrong))
        assert stream.region == (0, 0, 0, 0)
        assert lumaring.Event.GEOMETRY in stream.events


# --- how long it is there --------------------------------------------------------------------------------------------

def test_released():
    """Who asks a released frame for pixels is told; what was taken before stays true while the ring goes round."""
    with synthetic("64x48", 200) as daemon, open_camera(daemon) as camera:
        stream = camera.stream()
        frame = stream.next()
        for give in (copy.copy, copy.deepcopy, pickle.dumps):
            raises(TypeError, lambda: give(frame), "frame.copy()")
        with frame:
            view, array, part, row = frame.view, frame.array, frame.array[5:9, ::2], frame.row(7)
        kept = [bytes(view), array.tobytes(), part.tobytes(), bytes(row)]
        assert frame.released
        for ask in (lambda: frame.array, lambda: frame.view, frame.copy, frame.tobytes, lambda: frame.row(0), frame.__enter__):
            raises(lumaring.ReleasedError, ask, f"frame {frame.sequence} was released")
        frame.release()
        for _ in range(4 * SLOTS):
            later = stream.next()
            assert not frame.sequence == later.sequence
        assert kept == [bytes(view), array.tobytes(), part.tobytes(), bytes(row)]
        # Two pins: the array has one of them until the last that is made of it is gone.
        other = stream.next()
        assert other.pinned and not stream.next().pinned
        del array, view, row
        gc.collect()
        assert not stream.next().pinned and kept[2] == part.tobytes()
        del part
        assert stream.next().pinned
        # The next iteration releases the frame of the one before, others it leaves alone.
        kept = []
        for frame in stream:
            assert all(before.released for before in kept) and not frame.released and not other.released
            kept.append(frame)
            if len(kept) == 3:
                break
        assert frame.array.any() and not frame.released  # as a loop leaves it


def test_released_without_counts():
    """The same where Python's count of references is not asked, as from 3.14 on."""
    before = lumaring.frame.GIVER_REFERENCES
    assert before == (3 if sys.version_info < (3, 14) else 0)
    lumaring.frame.GIVER_REFERENCES = 0
    try:
        test_released()
    finally:
        lumaring.frame.GIVER_REFERENCES = before


def test_too_many():
    """Frames that are kept are bounded; the sentence says who keeps them, and letting one go is enough."""
    with synthetic("64x48", 200) as daemon, open_camera(daemon) as camera:
        stream = camera.stream(frames_max=5)
        frames = [stream.next() for _ in range(3)]
        arrays = [stream.next().array for _ in range(2)]
        why = raises(lumaring.TooManyFramesError, stream.next, "frames_max is 5", "2 arrays or views are alive")
        assert isinstance(why, BufferError) and why.code == "ENOBUFS"
        frames.pop()
        frames.append(stream.next())
        arrays.pop()
        arrays.append(stream.latest().array)
        raises(lumaring.TooManyFramesError, stream.latest)
        frames.clear()
        assert len(stream.last(3)) == 3


def test_without_numpy():
    """All but arrays is there, and the sentence says what to install."""
    script = """if True:
        import sys
        sys.modules["numpy"] = None
        import lumaring
        with lumaring.open(sys.argv[1], runtime_dir=sys.argv[2]) as camera:
            for frame in camera.stream():
                data = b"".join(bytes(frame.row(y)) for y in range(frame.height))
                assert frame.tobytes() == data and frame.view[3, 5] == data[3 * frame.width + 5]
                for ask in (lambda: frame.array, frame.copy):
                    try:
                        ask()
                    except ImportError as why:
                        assert "python3-numpy" in str(why), why
                    else:
                        raise AssertionError
                break
        """
    with synthetic() as daemon:
        subprocess.run([sys.executable, "-c", script, daemon.wait_ready().camera, daemon.runtime_dir], check=True)


# --- errors ----------------------------------------------------------------------------------------------------------

def test_refused():
    """Each error is a class of its own, a built-in one where that fits, with a sentence."""
    raises(lumaring.ConnectionRefusedError, lambda: lumaring.open("nobody", runtime_dir="/nowhere"), "nobody")
    raises(ConnectionRefusedError, lambda: lumaring.open("nobody", runtime_dir="/nowhere", wait=0.1))
    raises(ValueError, lambda: lumaring.open("Not A Name"))
    raises(lumaring.InvalidError, lambda: lumaring.open("cam0\0x"), "NUL")
    raises(TypeError, lambda: lumaring.open(0), "name is 0")
    with synthetic("64x48", 100) as daemon, open_camera(daemon) as camera:
        for name in (5, b"main"):
            raises(TypeError, lambda: camera.stream(name), "name is")
        for name in ("", "main\0x"):
            raises(lumaring.InvalidError, lambda: camera.stream(name), "name is")
        stream = camera.stream()
        frame = stream.next()
        for epoch, sequence in (("a", 1), (frame.epoch, 1.5)):
            raises(TypeError, lambda: stream.exact(epoch, sequence), "whole number")
        raises(lumaring.InvalidError, lambda: stream.exact(frame.epoch, frame.sequence + (1 << 64)), "sequence is")
        assert stream.exact(numpy.uint64(frame.epoch), numpy.int64(frame.sequence)).sequence == frame.sequence
        assert len(stream.last(numpy.int64(1))) == 1 and bytes(frame.row(numpy.int64(3))) == bytes(frame.row(3))
        for count in ("a", 1.5):
            raises(TypeError, lambda: stream.last(count), "count is")
        raises(lumaring.TooManyFramesError, lambda: stream.last(10**9))
    with synthetic("64x48", 100, "--private-streams", 1) as daemon, open_camera(daemon) as camera:
        raises(FileNotFoundError, lambda: camera.stream("other"), "other")
        raises(lumaring.InvalidError, lambda: camera.stream("main", region=(0, 0, 8, 8)), "main")
        raises(lumaring.InvalidError, lambda: camera.stream(region=(0, 0, 8)), "region")
        raises(TypeError, lambda: camera.stream(region=(0, 0, 8.5, 8)), "region is")
        raises(ValueError, lambda: camera.stream(format="RGB"), "R16")
        raises(ValueError, lambda: camera.stream(frames_max=5000), "frames_max")
        raises(ValueError, lambda: camera.stream(timeout=-1), "timeout")
        raises(ValueError, lambda: camera.stream(region=(60, 0, 0, 0), bin=3), "bin")
        private = camera.stream(slots=4)
        raises(lumaring.LimitError, lambda: camera.stream(slots=4), "private")
        futex = camera.stream(futex=True)
        assert futex.info.futex and futex.next().array.any()
        raises(NotImplementedError, futex.fileno, "futex=True", "asyncio")
        camera.close()
        for use in (private.next, futex.latest, lambda: private.info, lambda: iter(private).__next__(), private.__enter__):
            raises(lumaring.ClosedError, use, "closed")
        raises(ValueError, camera.stream, "closed")
        camera.close()


def test_waiting_for_nothing():
    """A source that says nothing: no wait where none was asked for, and the sentence says why nothing came."""
    os.mkfifo("pipe")
    with Daemon("--source", "replay:pipe", "--loop", "--unpaced", "--wait-clients", 1) as daemon:
        with open(os.open("pipe", os.O_RDWR), "wb") as pipe:
            pipe.write(clips.y4m(33, 17, 2))
            pipe.flush()
            with open_camera(daemon) as camera:
                stream = camera.stream(oldest=True, timeout=0.01)
                assert [stream.next(None).sequence, stream.next(None).sequence] == [1, 2]
                for take in (stream.next, stream.latest):
                    raises(TimeoutError, lambda: take(0), "no new frame")
                    raises(lumaring.TimeoutError, lambda: take(0.3), "no new frame", "0.3 s")
                raises(TimeoutError, lambda: next(iter(stream)), "0.01 s")
                pipe.write(b"FRAME\n" + clips.picture(3, 33, 17))
                pipe.flush()
                assert stream.next(None).sequence == 3
