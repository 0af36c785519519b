# SPDX-License-Identifier: BSD-2-Clause
"""What a wait of the Python package tells besides frames: events, ends, restarts; and waits of asyncio and of select()."""
import asyncio
import os
import select
import signal

import lumaring
from lumaring import Event

import clips
from lib import DEADLINE_S, Daemon, wait_until


def open_camera(daemon):
    return lumaring.open(daemon.wait_ready().camera, runtime_dir=daemon.runtime_dir)


def synthetic(size="64x48", framerate=200, *options):
    return Daemon("--source", "synthetic", "--size", size, "--framerate", framerate, *options)


def raises(kind, call, *words):
    try:
        call()
    except kind as why:
        assert all(word in str(why) for word in words), str(why)
        return
    raise AssertionError(f"{kind.__name__} was not raised")


class Feed:
    """A daemon that reads a pipe which we write."""

    def __init__(self, *options):
        os.mkfifo("pipe")
        self.pipe = open(os.open("pipe", os.O_RDWR), "wb")
        self.daemon = Daemon("--source", "replay:pipe", "--unpaced", "--wait-clients", 1, *options)

    def write(self, width, height, frames, first=1, header=True):
        data = clips.y4m(width, height, frames, first=first)
        self.pipe.write(data if header else data[data.index(b"\n") + 1:])
        self.pipe.flush()

    def end(self):
        self.pipe.close()

    def __enter__(self):
        self.daemon.__enter__()
        return self

    def __exit__(self, *why):
        self.pipe.close()
        self.daemon.__exit__(*why)
        os.unlink("pipe")


# --- events ----------------------------------------------------------------------------------------------------------

def test_end():
    """A loop ends with its source; a further wait is for a daemon to come back, and who follows waits at once."""
    with Feed() as feed:
        feed.write(33, 17, 3)
        with open_camera(feed.daemon) as camera:
            stream, told = camera.stream(), []
            stream.on_event = told.append
            follower = camera.stream(follow=True, oldest=True)
            first = stream.next()
            feed.end()
            assert [frame.sequence for frame in stream] == [2, 3] and first.sequence == 1
            assert told == [Event.CLOSED] == list(stream.events)
            assert [frame.sequence for _, frame in zip(range(3), follower)] == [1, 2, 3]
            for waiter in (stream, follower):
                raises(lumaring.TimeoutError, lambda: waiter.next(0.05), "0.05 s", "" if waiter is stream else "closed")
            assert list(follower.events) == [Event.CLOSED] and Event.CLOSED.name == "CLOSED"


def test_sizes():
    """Another size is an event before its first frame, in the same ring or in another; frames that are held stay."""
    with Feed("--loop") as feed:
        feed.write(64, 48, 2)
        with open_camera(feed.daemon) as camera:
            stream = camera.stream()
            frames = [stream.next(), stream.next()]
            arrays = [frame.array for frame in frames]
            feed.write(33, 17, 1, first=3)
            frames.append(stream.next())
            assert list(stream.events) == [Event.GEOMETRY] and frames[2].epoch == frames[0].epoch
            feed.write(90, 70, 2, first=4)
            frames += [stream.next(), stream.next()]
            assert Event.REPLACED in stream.events and frames[3].epoch != frames[2].epoch
            sizes = [(64, 48)] * 2 + [(33, 17)] + [(90, 70)] * 2
            for number, (frame, size) in enumerate(zip(frames, sizes), 1):
                assert (frame.sequence, frame.width, frame.height) == (number, *size)
                assert frame.tobytes() == clips.picture(number, *size)
            for number, array in enumerate(arrays, 1):
                assert array.tobytes() == clips.picture(number, 64, 48)
            assert stream.missed == 0


def test_restart():
    """A daemon that is killed, and another one in its place: a loop goes on, and is told; what is held stays."""
    with synthetic() as daemon, open_camera(daemon) as camera:
        told = []
        stream = camera.stream()
        stream.on_event = told.append
        private = camera.stream(region=(8, 8, 16, 16))
        epochs = [private.next().epoch]
        frame, array = stream.next(), stream.next().array
        before = frame.tobytes(), array.tobytes()
        epochs.append(frame.epoch)
        daemon.process.send_signal(signal.SIGKILL)
        daemon.wait_exit()
        wait_until(lambda: not is_there(stream) and told == [Event.DISCONNECTED], "it is told that the daemon is gone")
        assert not stream.info.connected
        raises(lumaring.TimeoutError, lambda: stream.next(0.05), "the daemon is away", "0.05 s")
        wait_until(lambda: not is_there(private) and not private.info.connected, "so is the other stream")
        private.region = (4, 4, 16, 16)  # asked for when it is back
        raises(lumaring.ConnectionRefusedError, lambda: lumaring.open(daemon.camera, runtime_dir=daemon.runtime_dir))
        daemon.start()
        for later in stream:
            break
        assert told == [Event.DISCONNECTED, Event.RESTARTED] and later.epoch not in epochs and later.missed == 0
        assert next(frame for frame in private if frame.epoch not in epochs).region == (4, 4, 16, 16)
        assert before == (frame.tobytes(), array.tobytes())
        assert lumaring.open(daemon.camera, runtime_dir=daemon.runtime_dir, wait=DEADLINE_S).stream().next().array.any()


def is_there(stream):
    try:
        stream.next(0)
        return True
    except lumaring.TimeoutError:
        return False


def test_what_a_callback_raises():
    """It ends the wait; the stream goes on."""
    with Feed() as feed:
        feed.write(33, 17, 1)
        with open_camera(feed.daemon) as camera:
            stream = camera.stream()
            stream.next()
            feed.end()

            def refuse(event):
                raise RuntimeError(event.name)

            stream.on_event = refuse
            raises(RuntimeError, stream.next, "CLOSED")
            raises(lumaring.TimeoutError, lambda: stream.next(0))


# --- asyncio ---------------------------------------------------------------------------------------------------------

def test_async():
    """Tasks wait side by side, each for a stream; each ends with its source."""
    with Feed() as feed:
        feed.write(33, 17, 1)

        async def read(stream, seen):
            async for frame in stream:
                assert frame.array.tobytes() == clips.picture(frame.sequence, 33, 17)
                seen.append(frame.sequence)
                assert stream.newest or seen == list(range(1, len(seen) + 1))

        async def write():
            for number in range(2, 21):
                feed.write(33, 17, 1, first=number, header=False)
                await asyncio.sleep(0.001)
            feed.end()

        async def main(camera):
            seen = [[], [], []]
            streams = [camera.stream(oldest=True), camera.stream(oldest=True), camera.stream(oldest=True, newest=True)]
            await asyncio.gather(write(), *(read(stream, into) for stream, into in zip(streams, seen)))
            return seen, streams

        with open_camera(feed.daemon) as camera:
            seen, streams = asyncio.run(main(camera))
            assert seen[0] == seen[1] == list(range(1, 21)) and seen[2][-1] == 20
            assert streams[2].seen + streams[2].missed == 20 - seen[2][0] + 1


def test_async_cancelled():
    """Who is cancelled while it waits loses no frame; nor does a time limit; two may not wait for one stream."""
    with Feed("--loop") as feed:
        feed.write(33, 17, 1)

        async def main(camera):
            stream = camera.stream(oldest=True)
            numbers = [(await stream.next_async()).sequence]
            for number in range(2, 12):
                waiter = asyncio.ensure_future(stream.next_async())
                await asyncio.sleep(0)
                try:
                    await stream.latest_async(1)
                    raise AssertionError("two wait for one stream")
                except lumaring.InUseError:
                    pass
                if number % 2:
                    feed.write(33, 17, 1, first=number, header=False)  # it is there when the task is cancelled, or is not
                waiter.cancel()
                try:
                    numbers.append((await waiter).sequence)
                except asyncio.CancelledError:
                    if not number % 2:
                        feed.write(33, 17, 1, first=number, header=False)
                    numbers.append((await stream.next_async(DEADLINE_S)).sequence)
            try:
                await stream.next_async(0.05)
                raise AssertionError("a frame that nobody wrote")
            except TimeoutError as why:
                assert "0.05 s" in str(why)
            assert not asyncio.get_running_loop().remove_reader(stream.fileno())
            return numbers

        with open_camera(feed.daemon) as camera:
            assert asyncio.run(main(camera)) == list(range(1, 12))


def test_async_closed():
    """A stream that another task closes ends the wait of this one."""
    with Feed("--loop") as feed:
        feed.write(33, 17, 1)

        async def main(camera):
            stream = camera.stream(oldest=True)
            await stream.next_async()
            waiter = asyncio.ensure_future(stream.next_async())
            while stream.info.state != lumaring.RingState.PAUSED:  # the last that wakes it but for this
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            stream.close()
            assert stream.closed
            done, _ = await asyncio.wait([waiter], timeout=DEADLINE_S)
            assert done, "it still waits"
            assert isinstance(waiter.exception(), lumaring.ClosedError)

        with open_camera(feed.daemon) as camera:
            asyncio.run(main(camera))


def test_select():
    with synthetic() as daemon, open_camera(daemon) as camera:
        stream = camera.stream()
        seen = []
        while len(seen) < 5:
            assert select.select([stream], [], [], DEADLINE_S)[0] == [stream]
            try:
                seen.append(stream.next(0).sequence)
            except lumaring.TimeoutError:
                pass
        assert stream.fileno() == stream.fileno() and seen == sorted(set(seen))
