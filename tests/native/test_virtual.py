# SPDX-License-Identifier: BSD-2-Clause
"""The daemon on libcamera's virtual cameras (virtual.yaml here): "bars", whose rows are all the same, and "lines", whose
rows are each the one above, one pixel on. They make thousands of frames a second. tests/native/check runs this."""
import json
import os
import signal
import subprocess
import time

import lib
from lib import BUILD, DEADLINE_S, wait_until
from wait import at_rest

SIZES = {"bars": ((320, 240), (640, 480), (1280, 800), (1920, 1080)), "lines": ((640, 480), (1280, 800))}
REGION = "37,21,200,150"


def environment(heaps):
    preload = f"{os.environ.get('LUMARING_TEST_PRELOAD', '')} {BUILD / 'heaps.so'}".strip()
    return dict(os.environ, LD_PRELOAD=preload, LUMARING_TEST_HEAPS=heaps)


class Daemon(lib.Daemon):
    """On a virtual camera, with dma-heaps of these names."""

    def __init__(self, which, *options, heaps="system", **keywords):
        streams = [] if "--stream" in options else ["--stream", "main", "--stream", f"part={REGION}"]
        source = f"libcamera:{which}" if which else "libcamera"
        super().__init__("--source", source, *streams, *options, env=environment(heaps), **keywords)

    def __exit__(self, kind, value, trace):
        super().__exit__(kind, value, trace)
        # Where something was wrong with its memory, a sanitizer has ended it otherwise, if only at its end.
        assert kind or self.process.returncode in (0, -signal.SIGKILL), (self.process.returncode, self.log())

    def ask(self, *arguments, code=0):
        done = self.tool(*arguments)
        out, err = done.communicate(timeout=DEADLINE_S)
        assert done.returncode == code, (arguments, done.returncode, out, err)
        return (out if code == 0 else err).decode()

    def status(self):
        return json.loads(self.ask("status", "--json"))

    def device(self):
        return self.status()["source"]["device"]

    def wait_live(self):
        self.wait_ready()
        return wait_until(lambda: (s := self.status())["source"]["state"] == "live" and s, "frames come")


class Clients:
    """tests/tools/verify; .lines as they are at its end."""

    def __init__(self, daemon, mode, *arguments):
        command = [BUILD / "tests" / "verify", mode, daemon.runtime_dir, daemon.camera, *[str(a) for a in arguments]]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "attached\n"

    def result(self):
        out, _ = self.process.communicate(timeout=DEADLINE_S)
        self.lines = out.splitlines()
        found = json.loads(self.lines[-1])
        assert self.process.returncode == 0 and not found["bad"] and not found["fault"], found
        return found


def identities():
    return subprocess.run([BUILD / "lumaringd", "--list-cameras"], stdout=subprocess.PIPE, check=True, text=True).stdout


def test_cameras_are_listed():
    listed = identities()
    for word in "bars", "lines", "front", "back", "Bars", "Lines":
        assert word in listed, listed
    print("figure: " + listed.replace("\n", " | "))


def test_a_camera_by_id_index_model_and_location():
    with Daemon("bars") as daemon:
        daemon.wait_live()
        bars = daemon.device()["camera"]
    for which in bars, "front":
        with Daemon(which) as daemon:
            daemon.wait_live()
            assert daemon.device()["camera"] == bars, (which, daemon.device())
    found = set()
    for index in "0", "1":
        with Daemon(index) as daemon:
            daemon.wait_live()
            found.add(daemon.device()["camera"])
    assert bars in found and len(found) == 2, found
    with Daemon("nothing-like-it") as daemon:
        daemon.wait_log("bars")
        assert "nothing-like-it" in daemon.log()


def test_every_size_and_region():
    for model, sizes in SIZES.items():
        with Daemon(model) as daemon:
            daemon.wait_live()
            mode = json.loads(daemon.ask("capabilities", "--json"))["modes"][0]
            assert mode["pixel_formats"] == ["NV12"], mode
            for size, (width, height) in (mode["minimum"], sizes[0]), (mode["maximum"], sizes[-1]):
                assert (size["width"], size["height"]) == (width, height), mode
            for width, height in sizes:
                daemon.ask("set", "--wait", DEADLINE_S, "--width", width, "--height", height)
                assert (s := daemon.status()["source"])["width"] == width and s["height"] == height, s
                checks = [Clients(daemon, model, "main", "part", "--clients", 4, "--count", 200),
                          Clients(daemon, "same", "main", "part", "--count", 50)]
                found = [c.result() for c in checks]
                assert found[0]["regions"] >= 400 and found[1]["verified"] >= 50, found


def test_size_and_rate_change_while_clients_read():
    with Daemon("bars", "--size", "1920x1080", "--buffers", "cached") as daemon:
        daemon.wait_live()
        clients = Clients(daemon, "bars", "main", "part", "--clients", 8)
        counts = []
        for i in range(30):
            width, height = SIZES["bars"][i % 4]
            daemon.ask("set", "--wait", DEADLINE_S, "--width", width, "--height", height, "--framerate",
                       (15, 30, 60)[i % 3])
            wait_until(lambda: daemon.status()["source"]["state"] == "live", "frames come again")
            counts.append((at_rest(daemon.fd_count), daemon.device()["buffer_bytes"]))
        found = clients.result()
        assert found["sizes"] >= 30, found
        print(f"figure: 30 changes, {found['verified']} frames of {found['sizes']} sizes, {found['bad']} bad; "
              f"descriptors {counts[4][0]} to {counts[-1][0]}, bytes of a buffer {sorted({c[1] for c in counts})}")
        assert counts[-1][0] <= max(c[0] for c in counts[:8]), counts
        # What was made for the largest size serves all of them.
        assert len({c[1] for c in counts}) == 1, counts


def test_rate_of_another_size():
    """What it can at that size it says when it has it: the answer tells, and so does the log."""
    with Daemon("bars", "--size", "640x480", "--framerate", "1000") as daemon:
        daemon.wait_live()
        daemon.wait_log("1000 frames/s were asked for, at 640x480 it makes 60 at most")
        said = daemon.ask("set", "--wait", DEADLINE_S, "--width", 1280, "--height", 800, "--framerate", 100)
        assert "1280x800 NV12, 60 frames/s" in said and "frame_duration_us.minimum 10000: 16666" in said, said
        assert (got := daemon.ask("get", "framerate").split())[0] == "60", got


def test_clients_ride_through_restarts():
    with Daemon("bars", "--size", "640x480") as daemon:
        daemon.wait_live()
        clients = Clients(daemon, "bars", "main", "part", "--clients", 4)
        for i in range(10):
            daemon.stop(signal.SIGKILL if i % 2 else signal.SIGTERM)
            daemon.start()
            daemon.wait_live()
            wait_until(lambda: daemon.status()["streams"][0]["published"] >= 10, "frames come again")
            wait_until(lambda: daemon.status()["streams"][0]["clients"] == 2, "the clients are back")
        found = clients.result()
        assert sum("restarted" in line for line in clients.lines) >= 40, clients.lines
        print(f"figure: 10 restarts, {found['verified']} frames verified, {found['bad']} bad")


def test_two_daemons_on_two_cameras():
    with Daemon("bars") as bars, Daemon("lines") as lines:
        bars.wait_live()
        lines.wait_live()
        both = [Clients(bars, "bars", "main", "--clients", 2, "--count", 200),
                Clients(lines, "lines", "main", "--clients", 2, "--count", 200)]
        for clients in both:
            clients.result()


def memory_of(memory, heaps):
    with Daemon("bars", "--buffers", memory, heaps=heaps) as daemon:
        seen = daemon.wait_live()
        Clients(daemon, "bars", "main", "--count", 100).result()
        device = daemon.device()
        print(f"figure: {memory} with heaps {heaps or 'none'}: {device['memory']}, {seen['source']['memory']}: "
              f"{device['memory_reason']}")
        return seen["source"]["memory"], device


def test_cached_buffers():
    cached, device = memory_of("cached", "system")
    assert cached == "cached" and device["memory"] == "dma-heap system", device
    cached, device = memory_of("cached", "system:linux,cma:reserved")
    assert device["memory"] == "dma-heap linux,cma", device


def test_uncached_buffers():
    cached, device = memory_of("uncached", "system")
    assert "heap" not in device["memory"] and device["memory_reason"], device
    assert cached in ("cached", "uncached")


def test_auto_measures():
    _, device = memory_of("auto", "system")
    assert device["memory_chosen_by_measurement"], device
    assert device["cached_copy_ns"] > 0 and device["uncached_copy_ns"] > 0, device


def test_heaps_that_are_not_there():
    """Cached memory is asked for and not to be had: it says which heaps it looked for, and waits."""
    with Daemon("bars", "--buffers", "cached", heaps="") as daemon:
        daemon.wait_log("/dev/dma_heap/system")
        seen = daemon.status()["source"]
        assert seen["state"] == "lost" and seen["device"]["state"] == "absent", seen
        print(f"figure: {seen['device']['state_reason']}")


def test_time_in_libcameras_thread():
    """Is measured and told. How long it is depends on this machine's load, so it decides nothing here."""
    with Daemon("bars", "--size", "640x480") as daemon:
        daemon.wait_live()
        Clients(daemon, "bars", "main", "--clients", 8, "--count", 500).result()
        device = daemon.device()
        print(f"figure: longest time in libcamera's thread over {device['completed']} requests: "
              f"{device['callback_longest_ns'] / 1000:.0f} us")
        assert device["completed"] > 0 and device["callback_longest_ns"] > 0, device


def test_stops_at_any_time():
    for i in range(10):
        with Daemon("bars", "--size", "640x480", "--stream", "main,always=true") as daemon:
            daemon.wait_ready()
            time.sleep(i * 0.01)  # anywhere in the start, it does not matter where
            assert daemon.stop() == 0, daemon.log()


def test_libcameras_log_is_ours():
    with Daemon("bars") as daemon:
        daemon.wait_live()
        assert "libcamera: Camera camera_manager.cpp" in daemon.log(), daemon.log()
