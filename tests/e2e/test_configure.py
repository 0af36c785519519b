# SPDX-License-Identifier: BSD-2-Clause
"""Changes while the camera runs: sizes under readers, rates without a lost frame, regions, and refusals that leave
everything as it was.

Readers are build/tests/follow, which compares every byte of every frame.
"""
import json
import os
import random
import signal
import subprocess
import time

import clips
import raw
from control import Camera, Control, Refused, refused, region, size, stream
from lib import BUILD, DEADLINE_S, shm_names, wait_until
from test_lifecycle import SANITIZED

SIZES = [(160, 120), (320, 240), (640, 480), (800, 600), (1024, 768)]
FLIPS = 300


class Follow:
    """Readers in a process of their own; ended by closing their input."""

    def __init__(self, daemon, mode, *arguments):
        self.process = subprocess.Popen([str(BUILD / "tests/follow"), mode, daemon.runtime_dir, daemon.camera,
                                         *[str(a) for a in arguments]], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        assert self.process.stderr.readline() == "following\n", self.process.communicate()

    def end(self):
        """What it saw: the lines, and the sum."""
        out, err = self.process.communicate("", timeout=DEADLINE_S)
        lines = out.splitlines()
        assert lines, err
        result = json.loads(lines[-1])
        assert self.process.returncode == 0 and not result["fault"] and not result["bad"], (result, err)
        return lines[:-1], result


def shm_bytes(camera):
    return sum(os.stat(f"/dev/shm/{name}").st_blocks * 512 for name in shm_names(camera))


def captured(control):
    return control.call("GetStatus")["status"]["source"]["captured"]


def run_on(control, frames=5):
    newest = captured(control)
    wait_until(lambda: captured(control) > newest + frames, "it runs on")


def percentile(values, percent):
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def synthetic(width, height, rate, *options, **keywords):
    return Camera("--source", "synthetic", "--size", f"{width}x{height}", "--framerate", rate, *options, **keywords)


# --- sizes ---------------------------------------------------------------------------------------------------------


def test_sizes_under_readers():
    """300 changes among 5 sizes, some beyond the capacity, while 8 clients read."""
    rng = random.Random(5)
    rate = 200
    with synthetic(320, 240, rate, "--size-change-rate", 1000, "--stream", "main,max_size=640x480") as daemon:
        daemon.wait_ready()
        follow = Follow(daemon, "sizes", "main", "--handles", 8, *[a for s in SIZES for a in ("--size", "%dx%d" % s)])
        gaps_us, gaps_frames, replaced, now = [], [], 0, (320, 240)
        with Control(daemon) as control:
            def hold():
                """What the daemon has in hand at the size it began with."""
                for capacity in (size(320, 240), size(640, 480)):  # another one each time, and so another ring
                    control.patiently("Configure", configuration={"size": size(320, 240), "streams": [
                        {"name": "main", "max_size": capacity}]})
                return daemon.fd_count(), len(shm_names(daemon.camera)), shm_bytes(daemon.camera)

            for flip in range(FLIPS):
                now = rng.choice([s for s in SIZES if s != now])
                applied = control.patiently("Configure", configuration={"size": size(*now)})[0]["applied"]
                assert applied["configuration"]["size"] == size(*now) and applied["restarted"], applied
                assert not applied["adjustments"], applied
                replaced += len(applied["replaced"])
                if "gap_us" in applied:
                    gaps_us.append(applied["gap_us"])
                    gaps_frames.append(applied["gap_frames"])
                if flip % 10 == 9:  # a ring that can be outgrown again
                    control.patiently("Configure", configuration={"streams": [
                        {"name": "main", "max_size": size(min(now[0], 640), min(now[1], 480))}]})
                if flip == FLIPS // 5:
                    held, rss = hold(), daemon.rss_kib()
                    now = (320, 240)
                time.sleep(rng.randrange(4) / rate)  # so that some sizes have many frames, and some one
            assert len(gaps_us) > FLIPS * 9 // 10, len(gaps_us)
            assert hold() == held
            assert SANITIZED or daemon.rss_kib() < rss + 512, (rss, daemon.rss_kib())
            print(f"figure: {FLIPS} changes of size, {replaced} with another ring: gap p50 {percentile(gaps_us, 50)} "
                  f"us, p99 {percentile(gaps_us, 99)} us, {percentile(gaps_frames, 50)} and "
                  f"{percentile(gaps_frames, 99)} frames of {rate} a second")
            print(f"figure: RssAnon {rss} KiB after {FLIPS // 5} changes, {daemon.rss_kib()} after all; /dev/shm "
                  f"{held[2]} bytes in {held[1]} ring both times")
        _, seen = follow.end()
        assert seen["least"] > 0 and replaced > 10, (seen, replaced)
        assert seen["replacements"] > 8, seen
        print(f"figure: {seen['handles']} readers verified {seen['verified']} frames, {seen['pinned']} of them pinned, "
              f"saw {seen['geometries']} changes and {seen['replacements']} rings")
        assert daemon.stop() == 0
        assert not shm_names(daemon.camera)


def test_within_and_beyond():
    """Within the capacity the ring stays; beyond it there is another one, and the account goes on."""
    with synthetic(320, 240, 100, "--stream", "main,max_size=640x480", "--size-change-rate", 100) as daemon:
        daemon.wait_ready()
        with Control(daemon) as control:
            names = wait_until(lambda: shm_names(daemon.camera), "the ring")
            run_on(control)
            applied = [control.configure(size=size(640, 480))]
            assert applied[0]["replaced"] == [] and shm_names(daemon.camera) == names
            run_on(control)
            applied += [control.configure(size=size(642, 480))]
            assert applied[1]["replaced"] == ["main"]
            assert any("gap_us" in one and "gap_frames" in one for one in applied), applied
            assert len(shm_names(daemon.camera)) == 1 and shm_names(daemon.camera) != names
            assert control.configure(size=size(320, 240))["replaced"] == []
            ring = control.call("GetStatus")["status"]["streams"][0]
            assert (ring["width_max"], ring["height_max"]) == (642, 480), ring


def test_streams_with_a_size():
    """One call for all: a region that would lie outside is moved with the size, a stream comes and another goes."""
    with synthetic(320, 240, 100, "--stream", "main", "--stream", "part=200,100,100,100", "--stream", "old") as daemon:
        daemon.wait_ready()
        with Control(daemon) as control:
            before = control.call("GetConfiguration")["configuration"]
            with refused("InvalidField", field="configuration.streams[1].region"):
                control.configure(size=size(160, 120))
            assert control.call("GetConfiguration")["configuration"] == before
            applied = control.configure(size=size(160, 120), streams=[
                {"name": "main"}, {"name": "part", "region": region(10, 10, 50, 50)}, {"name": "new", "bin": 2}])
            assert [s["name"] for s in applied["configuration"]["streams"]] == ["main", "part", "new"]
            assert stream(applied["configuration"], "part")["region"] == region(10, 10, 50, 50)
            assert applied["configuration"] == control.call("GetConfiguration")["configuration"]
            assert len(shm_names(daemon.camera)) == 3
            # What it says can be said to it.
            again = control.call("Configure", configuration=applied["configuration"])["applied"]
            assert again["configuration"] == applied["configuration"] and not again["restarted"]


def test_rate_of_size_changes():
    with synthetic(320, 240, 100, "--size-change-rate", 3) as daemon:
        daemon.wait_ready()
        with Control(daemon) as control:
            for n in range(3):
                control.configure(size=size(300 - 2 * n, 200))
            began = time.monotonic()
            with refused("Busy"):
                while time.monotonic() - began < DEADLINE_S:  # a slow machine earns some more meanwhile
                    n += 1
                    control.configure(size=size(300 - 2 * (n % 100), 200))
            # What does not stop the camera is not meant.
            control.configure(frame_duration_us={"minimum": 12000, "maximum": 12000})
            control.call("SetRegion", stream="main", region=region(1, 1, 20, 20))
            _, busy = control.patiently("Configure", configuration={"size": size(100, 100)})
            assert control.call("GetConfiguration")["configuration"]["size"] == size(100, 100)


def test_paused():
    """No frame comes: the answer does, without a gap."""
    with Camera("--source", "synthetic", "--size", "64x48", "--framerate", "0.01", "--size-change-rate", 100) as daemon:
        daemon.wait_ready()
        with Control(daemon) as control:
            wait_until(lambda: control.call("GetStatus")["status"]["source"]["state"] == "live", "the first frame")
            applied = control.configure(size=size(80, 60))
            assert applied["restarted"] and applied["configuration"]["size"] == size(80, 60), applied


def test_who_comes_meanwhile():
    """Clients that attach and go while sizes change are welcome, each of them."""
    with synthetic(320, 240, 200, "--size-change-rate", 1000, "--attach-rate", 100000) as daemon:
        daemon.wait_ready()
        storm = subprocess.Popen([str(BUILD / "tests/client"), "storm", daemon.runtime_dir, daemon.camera, "--count",
                                  "150", "--jobs", "4"], stdout=subprocess.PIPE)
        with Control(daemon) as control:
            changes = 0
            while storm.poll() is None:
                control.patiently("Configure", configuration={"size": size(320 + 16 * (changes % 9), 240)})
                changes += 1
        result = json.loads(storm.communicate()[0])
        assert result["attached"] == 600 and not result["failed_jobs"] and changes > 3, (result, changes)
        print(f"figure: 600 clients came and went during {changes} changes of size")
        assert daemon.stop() == 0


def test_private_stream_goes_along():
    """A private region is moved at each frame, and the size changes under it."""
    with synthetic(640, 480, 200, "--size-change-rate", 1000) as daemon:
        daemon.wait_ready()
        follow = Follow(daemon, "move", "--count", 400)
        with Control(daemon) as control:
            changes = 0
            while follow.process.poll() is None:
                control.patiently("Configure", configuration={"size": size(640 + 16 * (changes % 9), 480)})
                changes += 1
                time.sleep(0.005)
        _, seen = follow.end()
        assert seen["replacements"] == 0 and seen["verified"] == 400 and changes > 3, (seen, changes)


# --- rates ---------------------------------------------------------------------------------------------------------


def test_rate():
    """No frame is lost, and the frames say the new time between them soon."""
    durations = [10000, 20000, 8000, 30000, 10000, 40000, 9000]
    with open("clip.y4m", "wb") as file:
        file.write(clips.y4m(64, 48, 10))
    # A source that waits for its readers' daemon, so that a slow machine loses nothing either.
    with Camera("--source", "replay:clip.y4m", "--loop", "--framerate", 100, "--slots", 2000) as daemon:
        daemon.wait_ready()
        follow = Follow(daemon, "rates", "main")
        with Control(daemon) as control:
            for us in durations[1:]:
                applied = control.configure(frame_duration_us={"minimum": us, "maximum": us})
                assert not applied["restarted"] and "gap_us" not in applied, applied
                assert applied["configuration"]["frame_duration_us"] == {"minimum": us, "maximum": us}
                run_on(control, 12)
        lines, seen = follow.end()
        frames = [tuple(map(int, line.split())) for line in lines]
        sequences = [f[0] for f in frames]
        assert sequences == list(range(sequences[0], sequences[0] + len(frames))), sequences
        needed, at = [], 0
        for before, us in zip(durations, durations[1:]):
            first = next(i for i in range(at, len(frames)) if frames[i][1] != before)
            at = next(i for i in range(first, len(frames)) if frames[i][1] == us)
            needed.append(at - first + 1)
        print(f"figure: {len(needed)} changes of rate, {len(frames)} frames, none lost; frames until each had the new "
              f"rate: {needed}")


def test_rate_of_a_live_source():
    """A source that never waits: no change of rate costs a frame. A slow machine loses some by itself, at one change or
    the other; what a change costs it costs each time, so each kind of change is tried until nothing is lost at it."""
    durations = [10000, 4000, 30000, 5000]
    kinds = [(a, b) for a in durations for b in durations if a != b]
    tries, needed, measured_in = 0, [], []
    with synthetic(64, 48, 100, "--slots", 400) as daemon:
        daemon.wait_ready()
        with Control(daemon) as control, raw.Client(daemon) as client:
            frames = (d for _, d, _ in client.attach().frames())

            def change(us):
                """(losses from the last frame before to the third of the new rate, frames that took)."""
                newest = captured(control)
                before = next(d for d in frames if d.word >> 2 >= newest)  # all that waited is read
                control.configure(frame_duration_us={"minimum": us, "maximum": us})
                count = new = 0
                while new < 3:
                    frame = next(frames)
                    count += 1
                    new += frame.frame_duration_us == us
                return sum(frame.lost) - sum(before.lost), count - 2

            for a, b in kinds:
                change(a)
                lost = 1
                while lost:
                    lost, count = change(b)
                    tries += 1
                    assert tries < 100 * len(kinds), f"{a} to {b} us loses frames each time"
                    if lost:
                        change(a)
                needed.append(count)
                first = captured(control)
                wait_until(lambda us=b: abs(control.call("GetStatus")["status"]["source"]
                                            ["measured_frame_duration_us"] - us) < us // 10, "the measured rate follows")
                measured_in.append(captured(control) - first)
    print(f"figure: {len(kinds)} kinds of change of a live source's rate, {tries} tries until nothing was lost at each; "
          f"frames until the new rate {needed}, until the measured one was within 10 % {measured_in}")


def test_rate_reaches_all():
    """Who looks later is told the rate that frames have, not the one of the start."""
    with synthetic(64, 48, 100) as daemon:
        daemon.wait_ready()
        with Control(daemon) as control:
            for us in (20000, 5000):
                control.configure(frame_duration_us={"minimum": us, "maximum": us})
                wait_until(lambda us=us: control.call("GetStatus")["status"]["source"]["frame_duration_us"] == us, "told")
                with raw.Client(daemon) as client:
                    assert client.attach().welcome.frame_duration_us == us, client.welcome
            control.configure(frame_duration_us={"minimum": 1, "maximum": 1000000})
            wait_until(lambda: control.call("GetStatus")["status"]["source"]["frame_duration_us"] == 33333, "its own pace")


# --- regions -------------------------------------------------------------------------------------------------------


def followed_region(step):
    """As follow_region() of tests/tools/follow.c."""
    return region(step % 500, step * 3 % 300, 64 + step % 5, 48 + step % 7)


def test_region_of_a_shared_stream():
    """Moved again and again: every descriptor's region was asked for, in order."""
    rng = random.Random(7)
    with synthetic(640, 480, 200, "--slots", 32, "--stream", "part=0,0,64,48,max_size=80x60") as daemon:
        daemon.wait_ready()
        follow = Follow(daemon, "regions", "part", "--handles", 2)
        with Control(daemon) as control:
            for step in range(1, 400):
                answer = control.call("SetRegion", stream="part", region=followed_region(step))
                assert answer == {"region": followed_region(step), "replaced": False}, answer
                time.sleep(rng.randrange(4) / 400)
            run_on(control)
        _, seen = follow.end()
        print(f"figure: 399 regions set within {seen['verified'] // 2} frames, all that was seen was asked for, in order")
        assert seen["step"] == 399 and seen["replacements"] == 0, seen


def test_region_of_the_next_frame():
    """What is captured after the answer has the region, and not only in the end."""
    with synthetic(640, 480, 200, "--stream", "part=0,0,64,48,max_size=80x60,slots=400") as daemon:
        daemon.wait_ready()
        with Control(daemon) as control, raw.Client(daemon) as client:
            frames = client.attach("part").frames()
            for step in range(1, 60):
                want = control.call("SetRegion", stream="part", region=followed_region(step))["region"]
                newest = captured(control)
                descriptor = next(d for _, d, _ in frames if d.word >> 2 > newest)
                assert region(descriptor.region_x, descriptor.region_y, descriptor.region_width,
                              descriptor.region_height) == want, (step, descriptor)


def test_region_beyond_the_capacity():
    with synthetic(640, 480, 200, "--slots", 16, "--stream", "part=0,0,64,48") as daemon:
        daemon.wait_ready()
        follow = Follow(daemon, "regions", "part", "--handles", 4)
        with Control(daemon) as control:
            replaced = 0
            for step in range(1, 30):
                answer, _ = control.patiently("SetRegion", stream="part", region=followed_region(step))
                replaced += answer["replaced"]
            assert replaced >= 3, replaced
            assert len(shm_names(daemon.camera)) == 1
            run_on(control)
        _, seen = follow.end()
        assert seen["replacements"] >= 4, seen


def test_region_moved_by_its_owner():
    """At every frame: what the descriptors say was asked for, in order, and how many frames late."""
    with synthetic(640, 480, 200) as daemon:
        daemon.wait_ready()
        _, seen = Follow(daemon, "move", "--count", 600).end()
        late = seen["late"]
        assert sum(late) > 100, late
        total, p50, p99 = sum(late), None, None
        for frames, count in enumerate(late):
            if p50 is None and sum(late[:frames + 1]) * 2 >= total:
                p50 = frames
            if p99 is None and sum(late[:frames + 1]) * 100 >= total * 99:
                p99 = frames
        print(f"figure: a private region moved {total} times in {seen['verified']} frames: {p50} frames late (p50), "
              f"{p99} (p99), every one of those asked for, in order, to the byte")


# --- all or nothing ------------------------------------------------------------------------------------------------


def test_dry_run_and_strict():
    with synthetic(320, 240, 100) as daemon:
        daemon.wait_ready()
        with Control(daemon) as control:
            before, names = control.call("GetConfiguration"), shm_names(daemon.camera)
            applied = control.configure(dry_run=True, size=size(640, 480), streams=[{"name": "main"}, {"name": "x"}])
            assert applied["restarted"] and applied["replaced"] == ["main"], applied
            assert applied["configuration"]["size"] == size(640, 480) and len(applied["configuration"]["streams"]) == 2
            assert control.call("GetConfiguration") == before and shm_names(daemon.camera) == names
            with refused("OutOfRange", field="configuration.size.width", minimum=1, maximum=65535, given=65536):
                control.configure(dry_run=True, size=size(65536, 480))
            applied = control.configure(strict=True, size=size(322, 240))
            assert applied["configuration"]["size"] == size(322, 240)


def test_no_room():
    with synthetic(320, 240, 100, "--ring-bytes", "2M") as daemon:
        daemon.wait_ready()
        with Control(daemon) as control:
            before, names = control.call("GetConfiguration"), shm_names(daemon.camera)
            with refused("NoRoom", stream="main", available_bytes=str(2 << 20)):
                control.configure(size=size(1280, 720))
            with refused("NoRoom", stream="big"):
                control.configure(size=size(324, 240), streams=[{"name": "main"}, {"name": "big", "slots": 400}])
            assert control.call("GetConfiguration") == before and shm_names(daemon.camera) == names
            run_on(control)


def test_busy():
    """Two at once: one is served, the other told when to come again; looking is answered meanwhile."""
    with synthetic(320, 240, 100, "--size-change-rate", 1000) as daemon:
        daemon.wait_ready()
        with Control(daemon) as one, Control(daemon) as two:
            wait_until(lambda: captured(one), "it runs")
            busy = served = 0
            for n in range(20):
                # Both are there when it looks.
                daemon.process.send_signal(signal.SIGSTOP)
                one.send("Configure", {"configuration": {"size": size(320 - 2 * (n % 2), 240)}})
                two.send("SetRegion", {"stream": "main", "region": region(0, 0, 20 + n, 20)})
                two.send("GetStatus")
                daemon.process.send_signal(signal.SIGCONT)
                for asker in (one, two):
                    try:
                        asker.receive()
                        served += 1
                    except Refused as why:
                        assert why.name == "Busy" and why.parameters["retry_after_us"] > 0, why
                        busy += 1
                assert two.receive()["parameters"]["status"]["camera"] == daemon.camera
            assert busy and served >= 20, (busy, served)
            # Whoever asked may be gone: the change is made all the same, and the next one goes through.
            one.send("Configure", {"configuration": {"size": size(200, 100)}})
            one.close()
            wait_until(lambda: two.call("GetConfiguration")["configuration"]["size"] == size(200, 100), "made")
            two.patiently("SetRegion", stream="main", region=region(0, 0, 0, 0))


# --- a source that refuses -------------------------------------------------------------------------------------------

REFUSING = BUILD / "tests/lumaringd-refusing"
CALLS = ["stop", "configure", "start", "check", "set_rate", "set_controls"]


class Refusals:
    """Tells the source of tests/refuse which of its next calls to refuse."""

    def __init__(self):
        with open("refusals", "wb") as file:
            file.write(bytes(8 * len(CALLS)))
        self.file = open("refusals", "r+b", buffering=0)

    def set(self, call, word):
        self.file.seek(8 * CALLS.index(call))
        self.file.write(word.to_bytes(8, "little"))


def refusing(refusals, *options):
    return synthetic(320, 240, 100, "--size-change-rate", 1000, *options, program=REFUSING,
                     env=dict(os.environ, LUMARING_REFUSE=os.path.abspath(refusals.file.name)))


def test_refused_at_each_step():
    """The old configuration runs on, with its rings and readers, whatever step is refused."""
    refusals = Refusals()
    with refusing(refusals) as daemon:
        daemon.wait_ready()
        follow = Follow(daemon, "sizes", "main", "--handles", 4, "--size", "320x240")
        with Control(daemon) as control:
            run_on(control)
            wait_until(lambda: [c["seen"] > 0 for c in control.call("GetStatus")["status"]["clients"]] == [True] * 4,
                       "each has a frame")
            for step in ("stop", "configure", "start"):
                before, names = control.call("GetConfiguration"), shm_names(daemon.camera)
                refusals.set(step, 1)
                with refused("SourceRefused", step=step, restored=True):
                    control.configure(size=size(640, 480), streams=[{"name": "main"}, {"name": "new"}])
                assert control.call("GetConfiguration") == before and shm_names(daemon.camera) == names
                run_on(control)
            refusals.set("set_rate", 1)
            with refused("SourceRefused", restored=True):
                control.configure(frame_duration_us={"minimum": 5000, "maximum": 5000})
            assert control.call("GetConfiguration") == before
            refusals.set("check", 1)
            with refused("NotSupported", field="configuration.size"):
                control.configure(size=size(640, 480))
            refusals.set("set_controls", 1)
            with refused("NotSupported", field="controls.exposure_us"):
                control.call("SetControls", controls={"exposure_us": 1000})
        _, seen = follow.end()
        assert seen["replacements"] == seen["geometries"] == 0 and seen["least"] > 0, seen
        assert daemon.log().count("the source refused a change") == 4, daemon.log()
        assert daemon.stop() == 0


def test_refused_and_not_restored():
    """The source stands still: whoever asked is told, and the daemon ends for the service manager to start it anew."""
    refusals = Refusals()
    with refusing(refusals) as daemon:
        daemon.wait_ready()
        with Control(daemon) as control:
            run_on(control)  # or the first start would be refused
            refusals.set("start", 0b11)
            with refused("SourceRefused", step="start", restored=False):
                control.configure(size=size(640, 480))
        assert daemon.wait_exit() == 1
        assert "stands still" in daemon.log()
        assert not shm_names(daemon.camera)
