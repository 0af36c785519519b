# SPDX-License-Identifier: BSD-2-Clause
"""Changes of size: within a ring's capacity, beyond it (the ring is replaced under its readers), and the harshest
replacement, a daemon that is killed and started again.

The footage comes through a pipe that the test fills, so nothing here depends on who is faster.
"""
import json
import os
import signal
import time

import clips
import raw
from lib import DEADLINE_S, Daemon, shm_names, wait_until


class Feed:
    """A daemon that replays what the test writes to its standard input."""

    def __init__(self, *options, slots=64, **keywords):
        reader, writer = os.pipe()
        self.pipe = open(writer, "wb", buffering=0)
        with open(reader, "rb") as stdin:
            self.daemon = Daemon("--source", "replay:-", "--unpaced", "--slots", slots, *options, stdin=stdin,
                                 **keywords)
        self.number = 1

    def write(self, width, height, frames):
        """Frames of a size, numbered on, behind a header of their own; returns them."""
        data = clips.y4m(width, height, frames, first=self.number)
        pictures = [clips.picture(self.number + i, width, height) for i in range(frames)]
        self.number += frames
        while data:
            data = data[self.pipe.write(data):]
        return pictures

    def close(self):
        self.pipe.close()

    def __enter__(self):
        self.daemon.__enter__()
        return self

    def __exit__(self, *why):
        self.close()
        self.daemon.__exit__(*why)


def take(frames, count):
    return [next(frames) for _ in range(count)]


def check_numbers(seen):
    """Each frame once and in order, and the account right at each, over all rings."""
    for n, (ring, d, _) in enumerate(seen):
        assert d.word >> 2 == d.publication == d.camera_sequence == n + 1, (n, d)
        raw.check_account(d, ring.header.sequence_first)
        assert ring.header.sequence_first == 1 and not any(d.lost), d


def test_within_capacity():
    """Sizes that fit: only the descriptors and the generation change."""
    with open("config.json", "w", encoding="ascii") as file:
        json.dump({"streams": [{"name": "main", "max_size": "100x80"}]}, file)
    sizes = [(33, 17), (100, 80), (100, 80), (99, 80), (33, 17)]
    with Feed("--config", "config.json", "--wait-clients", 2) as feed:
        pictures = feed.write(*sizes[0], 3)
        feed.daemon.wait_ready()
        watch = feed.daemon.tool("watch", "--json", "--wait", DEADLINE_S, "--futex")
        with raw.Client(feed.daemon) as client:
            frames = client.attach().frames()
            seen = take(frames, 3)
            for size in sizes[1:]:
                pictures += feed.write(*size, 3)
                seen += take(frames, 3)
            feed.close()
            assert not list(frames)
            assert [pixels for _, _, pixels in seen] == pictures
            assert len(client.rings) == 1 and client.ring.generation == 4
            assert [d.generation for _, d, _ in seen] == [1] * 3 + [2] * 6 + [3] * 3 + [4] * 3
            assert (client.ring.header.width_max, client.ring.header.height_max) == (100, 80)
            check_numbers(seen)
        lines, talk = watch.communicate(timeout=DEADLINE_S)
        assert watch.returncode == 0, talk
        lines = [json.loads(line) for line in lines.decode().splitlines()]
        assert [line["event"] for line in lines if "event" in line] == ["geometry"] * 3 + ["closed"], lines
        assert [line["sequence"] for line in lines if "sequence" in line] == list(range(1, 16))
        assert feed.daemon.stop() == 0


def test_state_tells_the_generation():
    with Feed("--wait-clients", 1) as feed:
        feed.write(33, 17, 2)
        with raw.Client(feed.daemon.wait_ready()) as client:
            frames = client.attach().frames()
            take(frames, 2)
            feed.write(32, 17, 2)
            take(frames, 2)
            with raw.Client(feed.daemon) as late:
                state = late.attach().wait_for(raw.STATE)
                assert (state.epoch, state.state, state.generation) == (late.ring.epoch, raw.RUNNING, 2), state


def test_replaced_under_pins():
    replaced_under_pins(raw.Client.attach)


def test_replaced_under_pins_by_futex():
    replaced_under_pins(raw.Client.attach_by_futex, "--futex")


def replaced_under_pins(attach, *manner):
    """A ring is replaced while two of its frames are pinned: they stay, and nothing is missed or seen twice."""
    with Feed("--wait-clients", 2, slots=6) as feed:
        pictures = feed.write(48, 32, 3)
        feed.daemon.wait_ready()
        watch = feed.daemon.tool("watch", "--json", "--wait", DEADLINE_S, *manner)
        with raw.Client(feed.daemon) as client:
            frames = attach(client, cursors=2).frames()
            seen = take(frames, 3)
            old = client.ring
            pinned = [client.page.pin(old, 1, 0), client.page.pin(old, 2, 1)]
            # Round the ring again and again: its four other slots.
            for _ in range(20):
                pictures += feed.write(48, 32, 1)
                seen += take(frames, 1)
            check_pinned(old, pinned, pictures)
            assert shm_names(feed.daemon.camera) == [f"lumaring.{feed.daemon.camera}.main.{old.epoch}"]
            pictures += feed.write(160, 120, 3)
            seen += take(frames, 3)
            assert len(client.rings) == 2 and client.ring.epoch != old.epoch and old.state == raw.RING_REPLACED
            assert shm_names(feed.daemon.camera) == [f"lumaring.{feed.daemon.camera}.main.{client.ring.epoch}"]
            # The cursors still name the old ring's frames: in the new one they hold nothing up.
            for _ in range(20):
                pictures += feed.write(160, 120, 1)
                seen += take(frames, 1)
            check_pinned(old, pinned, pictures)
            client.page.set_cursor(0, 0)
            client.page.set_cursor(1, 0)
            fresh = client.page.pin(client.ring, client.ring.published, 0)
            assert client.ring.pixels(fresh) == pictures[-1]
            feed.close()
            assert not list(frames)
            assert [pixels for _, _, pixels in seen] == pictures
            check_numbers(seen)
        seen_once(watch, len(pictures), ["replaced"])
        assert feed.daemon.stop() == 0


def check_pinned(ring, pinned, pictures):
    for d in pinned:
        assert ring.word(d.slot) == (d.word >> 2, raw.LIVE), (ring.word(d.slot), d)
        assert ring.pixels(d) == pictures[d.publication - 1]


def seen_once(watch, count, events):
    """`watch` (the C library) saw each frame once, or says how many it was too late for; but not before its first one.
    Returns what it saw."""
    lines, talk = watch.communicate(timeout=DEADLINE_S)
    assert watch.returncode == 0, talk
    lines = [json.loads(line) for line in lines.decode().splitlines()]
    names = [line["event"] for line in lines if "event" in line]
    assert [name for name in names if name != "geometry"] == events + ["closed"], names
    shown = [line for line in lines if "sequence" in line]
    sequences = [line["sequence"] for line in shown]
    assert sequences == sorted(set(sequences)), sequences
    assert sequences[-1] == count, sequences
    assert sequences[0] - 1 + len(shown) + sum(line["missed"] for line in shown) == count, lines
    return sequences


def test_replaced_at_once():
    """Sizes beyond the capacity as fast as a file has them, from before the first frame on."""
    sizes = [(33, 17), (333, 217), (33, 17)]
    pictures = [clips.picture(n + 1, *size) for n, size in enumerate(sizes)]
    with open("clip.y4m", "wb") as file:
        for n, size in enumerate(sizes):
            file.write(clips.y4m(*size, 1, first=n + 1))
    for attempt in range(10):
        with Daemon("--source", "replay:clip.y4m", "--unpaced", "--wait-clients", 2) as daemon:
            watch = daemon.wait_ready().tool("watch", "--json")
            with raw.Client(daemon) as client:
                seen = list(client.attach().frames())
                assert [pixels for _, _, pixels in seen] == pictures, attempt
                check_numbers(seen)
                assert [d.generation for _, d, _ in seen] == [1, 1, 2]
            assert seen_once(watch, 3, ["replaced"]) == [1, 2, 3]
            assert daemon.stop() == 0
            assert not shm_names(daemon.camera)


def maps(daemon):
    with open(f"/proc/{daemon.pid}/maps", encoding="ascii") as file:
        return [line for line in file if "/dev/shm/lumaring" in line or "lumaring-client-page" in line]


def holdings(daemon):
    return daemon.fd_count(), len(maps(daemon)), len(shm_names(daemon.camera))


def test_fifty_replacements():
    with Feed("--wait-clients", 2) as feed:
        pictures = feed.write(16, 16, 2)
        feed.daemon.wait_ready()
        with raw.Client(feed.daemon) as client, raw.Client(feed.daemon) as reader:
            frames, others = client.attach(cursors=2).frames(), reader.attach_by_futex(cursors=1).frames()
            seen, held = [], None
            for n in range(51):
                if n:
                    pictures += feed.write(16 + 8 * n, 16 + 4 * n, 2)
                seen += take(frames, 2)
                take(others, 2)
                held = held or wait_until(lambda: len(maps(feed.daemon)) == 3 and holdings(feed.daemon), "three maps")
                wait_until(lambda: holdings(feed.daemon) == held, f"no more than {held} held after {n} replacements")
                client.page.pin(client.ring, client.ring.published, n % 2)
            assert [pixels for _, _, pixels in seen] == pictures
            assert len(client.rings) == len(reader.rings) == 51
            assert len({ring.epoch for ring in client.rings}) == 51
            check_numbers(seen)
            print(f"figure: 50 replacements: descriptors {held[0]}, maps {held[1]}, names {held[2]} before and "
                  f"after each; RssAnon {feed.daemon.rss_kib()} KiB")
        assert feed.daemon.stop() == 0


def test_attach_after_a_replacement():
    """The new ring has no frame yet and nobody reads: whoever comes is welcome all the same, and sees the next one."""
    os.mkfifo("pipe")
    with Daemon("--source", "replay:pipe", "--loop", "--unpaced", "--wait-clients", 1) as daemon:
        with open("pipe", "wb") as pipe:
            pipe.write(clips.y4m(64, 48, 3))
            pipe.flush()
            first = daemon.wait_ready().tool("cat", "--raw", "-n", 3)
            assert len(first.communicate()[0]) == 3 * 64 * 48
        daemon.wait_log("paused")
        with open("pipe", "wb") as pipe:
            pipe.write(clips.y4m(128, 96, 1))
            pipe.flush()
            daemon.wait_log("128x96")
            second = daemon.tool("watch", "--json", "-n", 1)
            while second.poll() is None:  # a frame now and then, until it has come and seen one
                pipe.write(clips.y4m(128, 96, 1).split(b"\n", 1)[1])
                pipe.flush()
                time.sleep(0.01)
            seen = json.loads(second.stdout.readline())
            assert (seen["width"], seen["height"], seen["missed"]) == (128, 96, 0), seen
            assert second.wait(DEADLINE_S) == 0
        assert daemon.stop() == 0


def test_range_follows_the_clip():
    """The same size with another luma range: the ring stays, what it says of the samples does not."""
    os.mkfifo("pipe")
    with Daemon("--source", "replay:pipe", "--unpaced", "--wait-clients", 1) as daemon:
        with open("pipe", "wb") as pipe:
            pipe.write(clips.y4m(64, 48, 1).replace(b"\n", b" XCOLORRANGE=LIMITED\n", 1))
            pipe.flush()
            with raw.Client(daemon.wait_ready()) as client:
                frames = client.attach().frames()
                next(frames)
                epoch, limited = client.ring.header.epoch, client.ring.luma_range
                pipe.write(clips.y4m(64, 48, 1).replace(b"\n", b" XCOLORRANGE=FULL\n", 1))
                pipe.flush()
                next(frames)
                assert client.ring.header.epoch == epoch
                assert (limited, client.ring.luma_range) == (2, 1)
        assert daemon.stop() in (0, 4)


def test_private_stream_stays():
    """A private ring is never replaced: its region is clamped to the image and to its capacity."""
    with Feed("--wait-clients", 1) as feed:
        pictures = feed.write(64, 48, 1)
        with raw.Client(feed.daemon.wait_ready()) as client:
            frames = client.attach_private(region=(8, 4, 0, 0)).frames()
            seen = take(frames, 1)
            for size in ((100, 100), (40, 30), (4, 3)):
                pictures += feed.write(*size, 1)
                seen += take(frames, 1)
            regions = [(d.region_x, d.region_y, d.region_width, d.region_height) for _, d, _ in seen]
            assert regions == [(8, 4, 56, 44), (8, 4, 56, 44), (8, 4, 32, 26), (3, 2, 1, 1)], regions
            for (ring, d, pixels), picture, region in zip(seen, pictures, regions):
                rows = [picture[(region[1] + y) * d.image_width + region[0]:][:region[2]] for y in range(region[3])]
                assert pixels == b"".join(rows), d
            assert len(client.rings) == 1
            check_numbers(seen)


def test_region_outside():
    """An image that has become too small for a stream's region: one sentence, after all frames that could be had."""
    with Feed("--wait-clients", 1, "--stream", "part=20,10,30,20") as feed:
        feed.write(64, 48, 3)
        feed.daemon.wait_ready()
        with raw.Client(feed.daemon) as client:
            frames = client.attach("part").frames()
            take(frames, 3)
            feed.write(40, 40, 3)
            assert not list(frames) and client.ring.state == raw.CLOSED
        assert feed.daemon.wait_exit() == 2
        assert "stream part: region 20,10,30,20 does not lie inside the image of 40x40" in feed.daemon.log()
        assert not shm_names(feed.daemon.camera)


def test_killed_under_pins():
    killed_under_pins()


def test_killed_under_pins_by_futex():
    killed_under_pins("--futex")


def killed_under_pins(*manner):
    """kill -9: pinned frames stay; the next daemon cleans up, and the library goes on with it."""
    with open("clip.y4m", "wb") as file:
        file.write(clips.y4m(48, 32, 6))
    with Daemon("--source", "replay:clip.y4m", "--loop", "--framerate", 100, "--slots", 6) as daemon:
        watch = daemon.wait_ready().tool("watch", "--json", "--follow", *manner)
        client = raw.Client(daemon)
        frames = client.attach(cursors=2).newest()
        _, d, pixels = next(frames)
        pinned = client.page.pin(client.ring, client.ring.published, 0)
        expected = clips.picture((pinned.camera_sequence - 1) % 6 + 1, 48, 32)
        lines = [json.loads(watch.stdout.readline()) for _ in range(3)]
        epoch = lines[-1]["epoch"]
        assert epoch == str(client.ring.epoch)
        for _ in frames:
            if client.ring.published > pinned.publication + 12:
                break
        daemon.stop(signal.SIGKILL)
        assert shm_names(daemon.camera) == [f"lumaring.{daemon.camera}.main.{epoch}"]
        while client.take() is not None:
            pass
        daemon.start()
        daemon.wait_log(f"unlinked /dev/shm/lumaring.{daemon.camera}.main.{epoch}")
        while True:
            line = json.loads(watch.stdout.readline())
            if "sequence" in line and line["epoch"] != epoch:
                break
            lines.append(line)
        events = [line["event"] for line in lines if "event" in line]
        assert events == ["disconnected", "restarted"], events
        assert line["missed"] == 0 and line["sequence"] >= 1
        with raw.Client(daemon) as other:
            other.attach()
            assert str(other.ring.epoch) == line["epoch"]
            assert shm_names(daemon.camera) == [f"lumaring.{daemon.camera}.main.{other.ring.epoch}"]
        assert client.ring.word(pinned.slot) == (pinned.word >> 2, raw.LIVE)
        assert client.ring.pixels(pinned) == expected
        client.close()
        watch.send_signal(signal.SIGTERM)
        assert watch.wait(DEADLINE_S) == 0
        assert daemon.stop() == 0
        assert not shm_names(daemon.camera)
