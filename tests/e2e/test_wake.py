# SPDX-License-Identifier: BSD-2-Clause
"""Clients that wait on the wake word of their page: woken for each frame and each message, without a notice; and what is
in the words harms nobody. They wait without the short time that layout.h gives them, so a lost wake is seen."""
import threading

import clips
import raw
from lib import Daemon, wait_until

WIDTH, HEIGHT = 64, 48


def replay(frames, *options):
    """A clip in a ring that holds all of it."""
    with open("clip.y4m", "wb") as file:
        file.write(clips.y4m(WIDTH, HEIGHT, frames))
    return Daemon("--source", "replay:clip.y4m", "--slots", frames + 2, *options).wait_ready()


def messages(client):
    """What is in the socket up to its end, without a NOTICE among it."""
    kinds = []
    while (message := client.take()) is not None:
        kinds.append(message.type)
    return kinds


def test_words_count():
    """One more in `word` for each frame and message, one more in `events` for each message; no notice."""
    frames = 50
    with replay(frames, "--framerate", 500, "--wait-clients", 1) as daemon, raw.Client(daemon) as client:
        client.attach_by_futex()
        welcome = client.welcome
        assert welcome.wake_offset and welcome.account_offset
        wait_until(lambda: client.ring.state == raw.CLOSED, "the clip ends")
        assert client.ring.published == frames
        assert daemon.stop() == 0
        told = messages(client)
        assert told and set(told) == {raw.STATE}, told
        word, waiting, events = client.page.wake
        assert events == len(told) + 1, (events, told)  # and the WELCOME
        assert (word, waiting) == (frames + events, 0), (word, frames, events)
        assert "dropped" not in daemon.log()


def test_every_frame_wakes():
    """Three clients in both manners see what is published, to the end, each at its own pace."""
    frames = 300
    with replay(frames, "--framerate", 200, "--wait-clients", 3) as daemon:
        seen, threads = {}, []

        def read(name, by_futex):
            with raw.Client(daemon) as client:
                (client.attach_by_futex if by_futex else client.attach)()
                seen[name] = [d.publication for _, d, _ in client.frames()]

        for name in ("futex", "futex too", "socket"):
            threads.append(threading.Thread(target=read, args=(name, name != "socket"), daemon=True))
            threads[-1].start()
        for thread in threads:
            thread.join()
        for name in ("futex", "futex too", "socket"):
            assert seen.get(name) == list(range(1, frames + 1)), (name, seen.get(name))
        assert daemon.stop() == 0


def test_late_client_is_woken():
    """Who comes when nothing is to come any more is told of what there is."""
    with replay(5, "--unpaced", "--wait-clients", 1) as daemon:
        with raw.Client(daemon) as first:
            assert len(list(first.attach_by_futex().frames())) == 5
        with raw.Client(daemon) as late:
            late.attach_by_futex()
            assert not list(late.frames()) and late.ring.state == raw.CLOSED
        assert daemon.stop() == 0


def test_private_stream():
    with Daemon("--source", "synthetic", "--size", "64x48", "--framerate", 200) as daemon:
        with raw.Client(daemon.wait_ready()) as client:
            client.by_futex = True
            client.ask(raw.hello("", flags=raw.HELLO_PRIVATE | raw.HELLO_FUTEX, region=(8, 8, 16, 16)))
            frames = client.newest()
            for _ in range(20):
                _, d, pixels = next(frames)
                assert len(pixels) == 256, d
        assert daemon.stop() == 0


def test_garbage_in_the_words():
    """Whatever a client writes: it is added to, and the others see every frame."""
    frames = 200
    with replay(frames, "--framerate", 200, "--wait-clients", 3) as daemon:
        with raw.Client(daemon) as liar, raw.Client(daemon) as wrapped, raw.Client(daemon) as honest:
            liar.attach_by_futex(cursors=0)
            wrapped.attach_by_futex(cursors=0)
            wrapped.page.set_wake(2**32 - 3, 2**32 - 1, 2**32 - 1)  # says that it waits, and never does
            before = wrapped.page.wake
            count = 0
            for _, d, _ in honest.attach_by_futex().frames():
                count += 1
                assert d.publication == count
                liar.page.set_wake((count * 2654435761) % 2**32, count % 3, count)
            assert count == frames
            assert (wrapped.page.wake[0] - before[0]) % 2**32 >= frames  # round the end of 32 bits
            assert wrapped.page.wake[1] == 2**32 - 1
        assert daemon.stop() == 0


def test_gone_while_it_waits():
    """A client that goes and still says that it waits: nothing of it stays behind in the daemon."""
    with Daemon("--source", "synthetic", "--size", "64x48", "--framerate", 500) as daemon:
        before = raw.descriptors_at_rest(daemon.wait_ready())
        with raw.Client(daemon) as witness:
            seen = witness.attach_by_futex().newest()
            for _ in range(50):
                with raw.Client(daemon) as client:
                    frames = client.attach_by_futex().newest()
                    next(frames)
                    frames.close()
                    client.page.set_wake(0, 1, 0)
                next(seen)
            seen.close()
        wait_until(lambda: daemon.fd_count() == before, f"{before} descriptors as before")
        assert daemon.stop() == 0
