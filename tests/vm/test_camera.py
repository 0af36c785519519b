# SPDX-License-Identifier: BSD-2-Clause
"""The daemon on a real camera of a real kernel, under systemd: see guest.py for what runs this, and fakeuvc for the
camera. What the camera provoked is compared with what the daemon counted, so every number here has two witnesses."""
import contextlib
import itertools
import json
import os
import subprocess
import threading
import time

from guest import (Clients, DEADLINE_S, RUNTIME, CAMERA, camera, camera_stats, descriptors, drop_in, figure,
                   journal, lumaring, mappings, pid, private_kib, process, run, start, status, stop, stream, unit,
                   wait_frames, wait_state, wait_until)

SIZES = ((320, 240), (640, 480), (1280, 800), (1920, 1080))
PART = "part=37,21,200,150"
FRAMES = 600
CLIENTS = 8
SLOW_FPS = 4  # what this machine keeps up with also where it is slow, so that no frame is lost but those that are to be
STEADY_FRAMES = 24  # at that rate, off it by no more than this part of a period, and the daemon has learnt it
STEADY = 0.25
TRIES = 5  # until this machine did not stand still meanwhile
BUFFERS = 4  # that libcamera has under way on such a camera
FRAMES_S = 600  # for FRAMES frames


def device(of=None):
    return (of or status())["source"]["device"]


def said(event):
    """Lines of this kind of the daemon that runs."""
    return [text for _, text in journal("LUMARING_EVENT", only_now=True) if text == event]


def test_first_camera_ever():
    """Absent at first, with nothing of its class: the daemon waits for it, says so, and takes it when it comes. The unit
    allows classes of devices, which have to be there when it starts."""
    camera("unplug")
    stop()
    run("modprobe", "-r", "uvcvideo", check=False)
    for module in "videobuf2_v4l2", "uvc", "videobuf2_common", "videodev", "mc":
        run("modprobe", "-r", module, check=False)
    with open("/proc/devices", encoding="ascii") as file:
        assert "video4linux" not in file.read(), run("lsmod").stdout.decode()
    start()
    seen = wait_state("lost")
    assert device(seen)["state"] == "absent", device(seen)
    assert unit("ActiveState") == "active" and not unit("DropInPaths")
    began = time.monotonic()
    camera("plug")
    wait_state("live")
    figure(f"a camera that was absent at start: frames {time.monotonic() - began:.1f} s after it was plugged in")
    assert len(said("NO_HOTPLUG")) == 1, journal(only_now=True)
    figure(next(text for _, text in journal(only_now=True) if "looked for every 2 s" in text))
    listed = run("lumaringd", "--list-cameras").stdout.decode()
    assert device()["camera"] in listed, listed


def test_sandbox():
    """As systemd and the kernel tell it of the daemon while frames come: no rights, no network, no pixels for others."""
    start(size="640x480", streams=[{"name": "main", "always": True}])
    wait_state("live")
    wait_frames(5)
    now = process()
    assert int(now["CapEff"], 16) == int(now["CapBnd"], 16) == 0 and now["NoNewPrivs"] == "1" and now["Seccomp"] == "2", now
    assert unit("PrivateNetwork") == "yes" and unit("RestrictAddressFamilies") == "AF_UNIX"
    sockets = run("stat", "-c", "%n %a %U:%G", *(f"{RUNTIME}/{CAMERA}/{name}" for name in ("frames", "control")))
    assert sockets.stdout.decode() == (f"{RUNTIME}/{CAMERA}/frames 660 root:video\n"
                                       f"{RUNTIME}/{CAMERA}/control 666 root:root\n"), sockets.stdout
    pixels = [m for m in mappings() if any(word in m.name for word in ("/lumaring.", "dmabuf", "/dev/video"))]
    assert len(pixels) > BUFFERS and all("dd" in m.flags for m in pixels), [(m.name, m.flags) for m in pixels]
    assert not status()["memory"]["unlocked_reason"], status()["memory"]
    figure(f"{len(pixels)} mappings with pixels, none for core files; {now['VmLck']} of memory locked")
    score = run("systemd-analyze", "security", unit("Id"), check=False).stdout.decode().splitlines()
    figure(score[-1].strip() if score else "no systemd-analyze here")


def test_no_system_call_is_refused():
    """What is filtered is what nobody here tries: instead of an error it is the end, over all that a camera goes through.

    But for tgkill: when the process has ended already, LTTng, which libcamera is built with, cancels its own threads, and
    does not mind when that is refused.
    """
    with drop_in("strict.conf", "[Service]\nSystemCallErrorNumber=kill\nSystemCallFilter=tgkill\n"):
        camera("unplug")
        start(size="640x480", streams=[{"name": "main", "always": True}])
        wait_state("lost")
        camera("plug")
        wait_state("live")
        first = pid()
        lumaring("set", "--wait", DEADLINE_S, "--width", 1280, "--height", 800)
        wait_state("live")
        Clients("ramp", "main", "--clients", 2, "--count", 10).result(FRAMES_S)
        camera("pause")
        wait_until(lambda: device()["restarts"] > 0, "the capture is started again")
        camera("resume")
        wait_frames(2)
        assert pid() == first, run("dmesg").stdout.decode()[-2000:]
        stop()
        assert unit("Result") == "success", (unit("Result"), run("dmesg").stdout.decode()[-2000:])


def test_status_says_how_it_works():
    """Plain bytes are copied by libc, which knows this core; what is more than that, by our own instructions."""
    start(size="640x480", pixel_format="YUYV", streams=[{"name": "main"}, {"name": "half", "bin": 2, "always": True}])
    Clients("ramp", "main", "--count", 20).result(FRAMES_S)
    seen = wait_state("live")
    d = device(seen)
    for name in "main", "half":
        assert "neon" in stream(name, seen)["kernels"], stream(name, seen)
    assert seen["copy"]["workers"] >= 1 and seen["copy"]["reason"], seen["copy"]
    assert d["library"].startswith("libcamera 0."), d
    assert d["memory"] and d["memory_reason"], d
    assert d["format"] and seen["source"]["format"], (d, seen["source"])
    assert d["sensor_clock"] in ("monotonic", "boottime", "unknown"), d
    figure(f"{d['library']}, {d['format']} {seen['source']['width']}x{seen['source']['height']}, "
           f"kernel {stream(of=seen)['kernels']}, {seen['copy']['workers']} of {seen['copy']['threads']} threads, "
           f"clock {d['sensor_clock']}")
    figure(f"memory: {d['memory']}, {seen['source']['memory']}: {d['memory_reason']}")


def test_every_pixel():
    """Two formats at two sizes, with a region beside; changed while the daemon runs."""
    start(size="640x480", pixel_format="R8", streams=[{"name": "main"}, {"name": "part", "region": PART.split("=")[1]}])
    for (width, height), name in itertools.product(((640, 480), (1280, 800)), ("R8", "NV12")):
        lumaring("set", "--wait", DEADLINE_S, "--width", width, "--height", height, "--pixel-format", name)
        began = time.monotonic()
        whole = Clients("ramp", "main", "--clients", CLIENTS, "--count", FRAMES)
        part = Clients("ramp", "part", "--count", FRAMES)
        same = Clients("same", "main", "part")
        found = [c.result(FRAMES_S) for c in (whole, part)] + [same.result()]
        seconds = time.monotonic() - began
        seen = status()
        source = seen["source"]
        assert (source["width"], source["height"], source["device"]["format"]) == (width, height, name), source
        assert found[0]["fewest"] >= FRAMES and found[1]["regions"] >= FRAMES and found[2]["verified"] > 0, found
        figure(f"{name} {width}x{height}: {CLIENTS} clients and {found[0]['verified']} frames, {found[0]['bad']} bad; region "
               f"{found[1]['verified']} frames, {found[1]['bad']} bad; compared with the whole {found[2]['verified']}, "
               f"{found[2]['bad']} differ; {found[0]['fewest'] / seconds:.0f} frames/s")


def lost():
    return stream()["lost"]


@contextlib.contextmanager
def watched():
    """A list of what `lumaring watch` tells of the frames, as they come."""
    frames = []
    with subprocess.Popen(["lumaring", "--camera", CAMERA, "watch", "--json"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as watch:
        reader = threading.Thread(target=lambda: frames.extend(json.loads(line) for line in watch.stdout))
        reader.start()
        try:
            yield frames
        finally:
            watch.terminate()
            reader.join()


def unsteady(frames):
    """By how much of a period frames were off the rate at most; what is missing between them takes whole periods. Those
    that come late come in another order."""
    times = sorted(int(f["sensor_ns"]) * SLOW_FPS / 1e9 for f in frames)
    periods = [later - earlier for earlier, later in zip(times, times[1:])]
    return max(abs(p - max(round(p), 1)) for p in periods)


def provoke_once(frames, what, commands, cause, amount):
    """False if this machine stood still meanwhile, so that nobody can say what was lost for which reason."""
    wait_until(lambda: len(frames) > STEADY_FRAMES and unsteady(frames[-STEADY_FRAMES:]) < STEADY,
               f"{STEADY_FRAMES} frames at the camera's rate", 5 * DEADLINE_S)
    seen, restarts = len(frames), device()["restarts"]
    before, had = camera_stats(), lost()
    camera(*commands)
    wait_until(lambda: amount(camera_stats()) > amount(before), f"the camera did it: {what}")
    camera("resume")
    wait_frames(8)  # what is missing counts as lost when it cannot come any more
    after, have = camera_stats(), lost()
    slow = after["slow"] - before["slow"]
    provoked = amount(after) - amount(before)
    counted = {c: have[c] - had[c] for c in have if c not in ("unread", "copy_late") and have[c] != had[c]}
    late = have["copy_late"] - had["copy_late"]
    restarts, off = device()["restarts"] - restarts, unsteady(frames[seen - 1:])
    told = (f"{what}: the camera lost {provoked}, counted {counted}{f', and {late} that came too late' if late else ''}; "
            f"off its rate by {off:.2f} of a period")
    if slow or restarts or off > STEADY or late > (BUFFERS if cause == "camera" else 0):
        figure(f"{told}: once more, since this machine stood still: {slow} frames not sent, capture started again "
               f"{restarts} times")
        return False
    figure(told)
    assert counted == {cause: provoked}, (told, before, after)
    return True


def provoke(*arguments):
    """Have the camera lose frames; as many as it says have to be in the ledger, under this cause and no other.

    But for frames that come too late: the driver puts a damaged buffer at the end of its queue, and libcamera gives its
    requests back in order, so those that were captured meanwhile come together after it, when newer ones are there.
    """
    assert any(provoke_once(*arguments) for _ in range(TRIES)), f"in none of {TRIES} tries this machine kept the rate"


def test_ledger():
    start(size="320x240", streams=[{"name": "main", "always": True}])
    wait_state("live")
    camera(f"fps {SLOW_FPS}")
    try:
        with watched() as frames:  # the daemon learns the rate
            for n in (1, 2):
                provoke(frames, f"skip {n}", [f"skip {n}"], "sensor", lambda s: s["skipped"])
            for _ in range(2):
                provoke(frames, "error", ["error"], "camera", lambda s: s["errors"])
                provoke(frames, "short", ["short"], "camera", lambda s: s["shorts"])
            provoke(frames, "pause", ["pause"], "sensor", lambda s: s["paused"])
    finally:
        camera("fps 0")


def test_stuck_camera_recovers():
    start(size="320x240", streams=[{"name": "main", "always": True}])
    wait_state("live")
    wait_frames(5)
    restarts = device()["restarts"]
    camera("pause")
    wait_until(lambda: device()["restarts"] > restarts, "the capture is started again")
    camera("resume")
    began = time.monotonic()
    wait_frames(5)
    wait_until(lambda: device()["state"] == "running", "it runs")
    figure(f"stuck camera: capture restarted {device()['restarts'] - restarts} times, frames again "
           f"{time.monotonic() - began:.1f} s after it had resumed")


def test_hanging_camera_is_started_anew():
    """One that stays silent over three restarts of its capture ends the daemon, and the service manager begins anew with
    it: the clients stay, and have frames when it has."""
    start(size="320x240", streams=[{"name": "main"}])
    clients = Clients("ramp", "main", "--clients", 4)
    wait_state("live")
    wait_frames(5)
    first, since = pid(), len(clients.events)
    sockets = [os.stat(f"{RUNTIME}/{CAMERA}/{name}").st_ino for name in ("frames", "control")]
    began = time.monotonic()
    camera("pause")
    wait_until(lambda: unit("NRestarts") == "1", "the service manager starts the daemon anew")
    ended = time.monotonic() - began
    camera("resume")
    began = time.monotonic()
    wait_until(lambda: len(clients.told("frame", since)) == 4, "all clients have frames again")
    back = time.monotonic() - began
    assert wait_state("live")["pid"] == pid() != first
    assert len(clients.told("restarted", since)) == 4, clients.events[since:]
    assert sockets == [os.stat(f"{RUNTIME}/{CAMERA}/{name}").st_ino for name in ("frames", "control")], "they stay"
    lines = [text for _, text in journal()]
    said = next(text for text in lines if "also after 3 restarts of the capture" in text)
    assert any("Main process exited" in text and "status=6" in text for text in lines), lines[-30:]
    found = clients.result()
    figure(f"hanging camera: ended after {ended:.1f} s, frames again {back:.1f} s after it had resumed; "
           f"{found['verified']} frames verified, {found['bad']} bad; {said}")


def unplug_and_replug(clients, rounds):
    """Clients are told, frames come again, nothing piles up: seconds until each, and what the daemon holds after each."""
    lost, back, counts = [], [], []
    for _ in range(rounds):
        since = len(clients.events)
        began = time.monotonic()
        camera("unplug")
        wait_until(lambda: len(clients.told("source_lost", since)) == 4, "all clients told that the camera is gone")
        lost.append(time.monotonic() - began)
        began = time.monotonic()
        camera("plug")
        wait_until(lambda: len(clients.told("source_back", since)) == 4, "all clients told that it is back")
        wait_until(lambda: len(clients.told("frame", since)) == 4, "all clients have frames again")
        back.append(time.monotonic() - began)
        wait_frames(5)
        counts.append((descriptors(), private_kib(), device()["buffer_count"]))
    figure("clients told after " + ", ".join(f"{t:.1f}" for t in lost) + " s, frames again " +
           ", ".join(f"{t:.1f}" for t in back) + " s after it was plugged in")
    return counts


def test_unplug_and_replug():
    """Under load, ten times, with nobody to tell the daemon."""
    start(size="640x480", streams=[{"name": "main"}, {"name": "part", "region": PART.split("=")[1]}])
    clients = Clients("ramp", "main", "part", "--clients", 4)
    wait_state("live")
    wait_frames(10)
    counts = unplug_and_replug(clients, 10)
    found = clients.result()
    figure(f"descriptors, private KiB and requests after the first: {counts[0]}, after the tenth: {counts[-1]}; "
           f"{found['verified']} frames verified, {found['bad']} bad")
    # A machine that stands still for a second looks like a camera that does; not so each time.
    assert device()["losses"] == 10 and device()["restarts"] < 10, device()
    assert len({c[0] for c in counts}) == 1 and len({c[2] for c in counts}) == 1, counts
    assert counts[-1][1] <= counts[1][1] + 256, counts
    assert len(said("NO_HOTPLUG")) == 1, journal(only_now=True)


def test_hotplug():
    """With the drop-in that comes with it udev tells."""
    with drop_in("hotplug.conf"):
        start(size="640x480", streams=[{"name": "main"}, {"name": "part", "region": PART.split("=")[1]}])
        assert unit("DropInPaths").endswith("/hotplug.conf") and unit("PrivateNetwork") == "no"
        clients = Clients("ramp", "main", "part", "--clients", 4)
        wait_state("live")
        wait_frames(10)
        unplug_and_replug(clients, 3)
        assert not clients.result()["bad"]
        assert device()["losses"] == 3 and not said("NO_HOTPLUG"), journal(only_now=True)


def test_changes_of_size_and_rate():
    start(size="1920x1080", streams=[{"name": "main"}])
    clients = Clients("ramp", "main", "--clients", 4)
    wait_state("live")
    wait_frames(3)
    paces = "framerate" in lumaring("get").stdout.decode()
    counts, gaps = [], []
    for i in range(30):
        width, height = SIZES[i % len(SIZES)]
        rate = ["--framerate", (15, 30)[i % 2]] if paces else []
        began = time.monotonic()
        lumaring("set", "--wait", DEADLINE_S, "--width", width, "--height", height, *rate)
        gaps.append(time.monotonic() - began)
        seen = wait_state("live")
        assert (seen["source"]["width"], seen["source"]["height"]) == (width, height), seen["source"]
        wait_until(lambda: camera_stats()["width"] == width, "the camera has that size")
        wait_frames(2)
        counts.append((descriptors(), private_kib(), device()["buffer_bytes"]))
    found = clients.result()
    figure(f"30 changes, {sum(gaps) / 30 * 1000:.0f} ms each, the longest {max(gaps) * 1000:.0f} ms; "
           f"{found['verified']} frames of {found['sizes']} sizes verified, {found['bad']} bad"
           f"{'' if paces else '; this camera has no choice of rate'}")
    assert found["sizes"] >= 30, found
    assert max(c[0] for c in counts[4:]) == max(c[0] for c in counts[:8]), counts
    assert counts[-1][1] <= counts[8][1] + 512, counts


def test_time_in_libcameras_thread():
    """Is measured and told. How long it is depends on this machine's load, so it decides nothing here."""
    start(size="1280x800", streams=[{"name": "main"}])
    Clients("ramp", "main", "--clients", 4, "--count", 60).result(FRAMES_S)
    d = device()
    figure(f"longest time in libcamera's thread over {d['completed']} requests: {d['callback_longest_ns'] / 1000:.0f} us")
    assert d["completed"] > 0 and 0 < d["callback_longest_ns"], d


def test_busy_camera():
    """Another daemon wants it: it says who has it, and takes it when that one is gone."""
    start(size="640x480", streams=[{"name": "main"}])
    wait_state("live")
    holder = pid()
    with open("/run/other.log", "wb") as log:
        other = subprocess.Popen(["lumaringd", "--camera", "other", "--source", "libcamera", "--size", "640x480"],
                                 stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def said():
        with open("/run/other.log", encoding="utf-8", errors="replace") as log:
            return log.read()

    try:
        wait_until(lambda: f"(pid {holder})" in said(), "the second daemon says who has the camera")
        figure(next(line for line in said().splitlines() if f"(pid {holder})" in line))
        stop()
        wait_until(lambda: "libcamera: live" in said(), "the second daemon takes it")
    finally:
        other.terminate()
        assert other.wait(DEADLINE_S) == 0, said()


def test_formats_that_are_no_luma():
    """A camera of Motion-JPEG only, and one of a colour mosaic only, are named as not supported."""
    for formats, words in ("mjpeg", ("MJPEG", "not supported")), ("mosaic", ("SBGGR8",)):
        camera("unplug", f"formats {formats}", "plug")
        start(check=False)
        wait_until(lambda: any(all(w in text for w in words) for _, text in journal()[-30:]), f"a sentence on {formats}")
        figure(next(text for _, text in reversed(journal()) if all(w in text for w in words)))
        stop()
    camera("unplug", "formats usual", "plug")


def test_stops_in_every_state():
    """Without a camera, with one that stands still, while one comes."""
    for state in (), ("unplug",), ("unplug", "plug"), ("pause",):
        start(size="640x480", streams=[{"name": "main", "always": True}])
        wait_state("live")
        camera(*state)
        began = time.monotonic()
        stop()
        assert unit("Result") == "success" and unit("ExecMainStatus") == "0", (state, unit("Result"))
        assert time.monotonic() - began < DEADLINE_S
        camera("resume", "plug")


def test_journal_has_libcameras_lines():
    start()
    wait_state("live")
    lines = [(priority, text) for priority, text in journal() if "camera_manager.cpp" in text or "camera.cpp" in text]
    assert lines, journal()[-20:]
    assert {priority for priority, _ in lines} <= set(range(8)) and any(p > 4 for p, _ in lines), lines
    figure(f"libcamera in the journal: <{lines[0][0]}> {lines[0][1]}")
    assert pid() > 0
