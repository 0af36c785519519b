# SPDX-License-Identifier: BSD-2-Clause
"""Each method of io.lumaring.Camera as its callers see it, over both ways to end a message, and its typed errors."""
import os

import raw
from control import Camera, Control, Refused, refused, region, size, stream
from lib import DEADLINE_S, shm_names, wait_until
from test_lifecycle import SANITIZED


def synthetic(*options, **keywords):
    return Camera("--source", "synthetic", "--size", "320x240", "--framerate", 100, *options, **keywords)


def over_both(check, *options):
    """The same over a NUL and over a newline."""
    for terminator in (b"\0", b"\n"):
        with synthetic(*options) as daemon:
            daemon.wait_ready()
            with Control(daemon, terminator) as control:
                check(daemon, control)
            assert daemon.stop() == 0


def test_get_status():
    def check(daemon, control):
        status = control.call("GetStatus")["status"]
        assert status["camera"] == daemon.camera and status["pid"] == daemon.pid
        assert [s["name"] for s in status["streams"]] == ["main"]
        assert status["control"]["connections"] >= 1 and status["control"]["requests"] >= 1, status["control"]
        with refused("InvalidField", field="verbose"):
            control.call("GetStatus", verbose=True)

    over_both(check)


def test_get_capabilities():
    def check(_, control):
        capabilities = control.call("GetCapabilities")
        assert capabilities["size_changes"] is True and capabilities["rate_changes"] is True
        assert capabilities["cameras"][0]["id"], capabilities
        mode = capabilities["modes"][0]
        assert mode["maximum"] == size(65535, 65535) and mode["step"] == size(1, 1), mode
        assert "R8" in mode["pixel_formats"], mode
        assert set(mode["frame_duration_us"]) == {"minimum", "maximum"}, mode
        for control_range in capabilities["controls"].values():
            assert set(control_range) == {"minimum", "maximum", "default"}

    over_both(check)


def test_get_configuration():
    def check(_, control):
        answer = control.call("GetConfiguration")
        assert answer["configuration"] == {
            "size": size(320, 240), "pixel_format": "R8", "frame_duration_us": {"minimum": 10000, "maximum": 10000},
            "streams": [
                {"name": "main", "region": region(0, 0, 0, 0), "slots": 8, "format": "R8", "bin": 1, "always": False},
                {"name": "part", "region": region(1, 2, 30, 40), "max_size": size(50, 60), "slots": 5, "format": "R16",
                 "bin": 2, "always": True}]}, answer

    over_both(check, "--stream", "main", "--stream", "part=1,2,30,40,max_size=50x60,slots=5,format=R16,bin=2,always=true")


def test_streams_come_and_go():
    def check(daemon, control):
        answer = control.call("AddStream", stream={"name": "eyes", "region": region(10, 10, 20, 20)})
        assert answer["stream"] == {"name": "eyes", "region": region(10, 10, 20, 20), "slots": 8, "format": "R8",
                                    "bin": 1, "always": False}, answer
        with raw.Client(daemon) as client:
            frame = next(client.attach("eyes").newest())
            assert frame[1].region_x == 10
            with refused("StreamExists", stream="eyes"):
                control.call("AddStream", stream={"name": "eyes"})
            with refused("StreamInUse", stream="eyes", clients=1):
                control.call("RemoveStream", name="eyes")
            with refused("StreamInUse", stream="eyes", clients=1):
                control.configure(streams=[{"name": "main"}])
            assert control.call("RemoveStream", name="eyes", force=True) == {}
            assert list(client.newest()) is not None and client.ring.state == raw.CLOSED
        assert len(shm_names(daemon.camera)) == 1
        with refused("NoSuchStream", stream="eyes", streams=["main"]):
            control.call("RemoveStream", name="eyes")
        with refused("NoSuchStream", stream="eyes", streams=["main"]):
            control.call("SetRegion", stream="eyes", region=region(0, 0, 1, 1))
        # Not even one need be there, and all can come again.
        control.call("RemoveStream", name="main")
        assert not shm_names(daemon.camera) and not control.call("GetConfiguration")["configuration"]["streams"]
        control.call("AddStream", stream={"name": "main"})

    over_both(check)


def test_many_streams():
    with synthetic() as daemon:
        daemon.wait_ready()
        with Control(daemon) as control:
            for n in range(15):
                control.patiently("AddStream", stream={"name": f"s{n}", "region": region(n, n, 16, 16)})
            with refused("InvalidField", field="streams"):
                control.call("AddStream", stream={"name": "s15"})
            with refused("InvalidField", field="configuration.streams"):
                control.configure(streams=[{"name": f"x{n}"} for n in range(17)])
            names = [s["name"] for s in control.call("GetConfiguration")["configuration"]["streams"]]
            assert names == ["main"] + [f"s{n}" for n in range(15)]
            assert control.configure(streams=[{"name": f"x{n}"} for n in range(16)])["replaced"] == []
            assert len(shm_names(daemon.camera)) == 16


def test_removed_under_many():
    """Clients that wait on their socket, on their word, and one that never reads: all are let go."""
    with synthetic("--stream", "main", "--stream", "doomed") as daemon:
        daemon.wait_ready()
        with Control(daemon) as control:
            watches = [daemon.tool("watch", "--json", "--stream", "doomed", *manner) for manner in ((), ("--futex",))]
            deaf = raw.Client(daemon)
            deaf.attach("doomed")
            wait_until(lambda: [c["state"] for c in control.call("ListClients")["clients"]] == ["reading"] * 3,
                       "all have come")
            control.call("RemoveStream", name="doomed", force=True)
            wait_until(lambda: not control.call("ListClients")["clients"], "all have gone")
            for watch in watches:
                out, err = watch.communicate(timeout=DEADLINE_S)
                assert b"closed" in out + err, (out, err)
            deaf.close()
        assert daemon.stop() == 0


def test_set_region():
    def check(_, control):
        assert control.call("SetRegion", stream="main", region=region(5, 6, 70, 80)) == {
            "region": region(5, 6, 70, 80), "replaced": False}
        assert control.call("SetRegion", stream="main", region=region(300, 200, 0, 0))["region"] == \
            region(300, 200, 20, 40)
        with refused("InvalidField", field="region"):
            control.call("SetRegion", stream="main", region=region(300, 200, 21, 40))
        with refused("OutOfRange", field="region.x", minimum=0, maximum=65535, given=-1):
            control.call("SetRegion", stream="main", region=region(-1, 0, 1, 1))
        with refused("InvalidField", field="region.height"):
            control.call("SetRegion", stream="main", region={"x": 0, "y": 0, "width": 1})
        assert stream(control.call("GetConfiguration")["configuration"], "main")["region"] == region(300, 200, 0, 0)

    over_both(check)


def test_list_clients():
    def check(daemon, control):
        assert control.call("ListClients") == {"clients": []}
        with raw.Client(daemon) as client, raw.Client(daemon) as owner:
            next(client.attach_by_futex(cursors=1).newest())
            next(owner.attach_private(region=(8, 4, 16, 16)).newest())
            clients = control.call("ListClients")["clients"]
            assert clients[0] == {"pid": os.getpid(), "uid": os.getuid(), "stream": "main", "state": "reading",
                                  "private": False, "cursors": 1, "futex": True, "notices_dropped": 0}, clients
            assert clients[1]["private"] and clients[1]["stream"].startswith("private-"), clients

    over_both(check)


def test_get_metrics():
    def check(daemon, control):
        with raw.Client(daemon) as client:
            frames = client.attach().newest()
            for _ in range(3):
                next(frames)
            metrics = control.call("GetMetrics")["metrics"]
        values = {(m["name"], m["labels"].get("stream"), m["labels"].get("cause") or m["labels"].get("quantile")): m
                  for m in metrics}
        assert len(values) == len(metrics), "a metric stands there twice"
        assert values["frames_published_total", "main", None]["value"] >= 3
        assert values["frames_captured_total", None, None]["value"] >= 3
        assert values["clients", "main", None] == {"name": "clients", "kind": "gauge", "labels": {"stream": "main"},
                                                   "value": 1}
        assert values["frames_lost_total", "main", "unread"]["kind"] == "counter"
        assert values["control_requests_total", None, None]["value"] >= 1

    over_both(check)


def test_metrics_rise():
    """No counter falls, whatever is changed."""
    with synthetic("--size-change-rate", 1000) as daemon:
        daemon.wait_ready()
        with Control(daemon) as control:
            before = {}
            for n in range(60):
                control.patiently("Configure", configuration={"size": size(320 + 2 * (n % 7) * (n % 5), 240)})
                now = {(m["name"], tuple(sorted(m["labels"].items()))): m["value"]
                       for m in control.call("GetMetrics")["metrics"] if m["kind"] == "counter"}
                assert all(now[key] >= value for key, value in before.items()), (n, before, now)
                before = now


def test_slots_of_new_streams():
    """However a stream comes, it has the slots that the daemon was told all streams have."""
    def check(_, control):
        now = control.configure(streams=[{"name": "main"}, {"name": "a"}, {"name": "b", "slots": 6}])["configuration"]
        assert control.call("AddStream", stream={"name": "c"})["stream"]["slots"] == 20
        assert [s["slots"] for s in now["streams"]] == [5, 20, 6], now

    over_both(check, "--slots", 20, "--stream", "main,slots=5")


def test_set_controls():
    def check(_, control):
        ranges = control.call("GetCapabilities")["controls"]
        frame_us = control.call("GetConfiguration")["configuration"]["frame_duration_us"]["minimum"]
        for name, r in ranges.items():
            if name == "auto_exposure":
                continue
            # An exposure takes no longer than a frame.
            most = min(r["maximum"], frame_us) if name == "exposure_us" else r["maximum"]
            for value, got in ((r["minimum"], r["minimum"]), (r["maximum"], most)):
                assert control.call("SetControls", controls={name: value})["controls"][name] == got
            with refused("OutOfRange", field=f"controls.{name}", maximum=r["maximum"], given=r["maximum"] + 1):
                control.call("SetControls", controls={name: r["maximum"] + 1})
            assert control.call("GetConfiguration")["controls"][name] == most
        with refused("InvalidField", field="controls.iso"):
            control.call("SetControls", controls={"iso": 100})
        with refused("InvalidField", field="controls.exposure_us"):
            control.call("SetControls", controls={"exposure_us": 1.5})

    over_both(check)


def test_controls_of_the_configuration():
    """In force from the first frame on; what the source lacks keeps the daemon from starting, with a sentence."""
    with synthetic("--exposure-us", 1234, "--analogue-gain-milli", 2500) as daemon:
        daemon.wait_ready()
        with Control(daemon) as control, raw.Client(daemon) as client:
            controls = control.call("GetConfiguration")["controls"]
            assert controls["exposure_us"] == 1234 and controls["auto_exposure"] is False, controls
            _, d, _ = next(client.attach().newest())
            assert (d.exposure_us, d.analogue_gain_milli) == (1234, 2500), d
    with synthetic("--contrast-milli", 900) as daemon:
        assert daemon.wait_exit() == 4 and "has no contrast_milli" in daemon.log(), daemon.log()


def test_errors_name_their_field():
    def check(_, control):
        before = control.call("GetConfiguration")
        for wrong, field in (({"size": {"width": 1}}, "size.height"), ({"size": size("1", 1)}, "size.width"),
                             ({"sise": size(1, 1)}, "sise"), ({"pixel_format": "JPEG"}, "pixel_format"),
                             ({"frame_duration_us": {"minimum": 2, "maximum": 1}}, "frame_duration_us"),
                             ({"streams": {}}, "streams"), ({"streams": [7]}, "streams[0]"),
                             ({"streams": [{"name": "main"}, {"name": "Main"}]}, "streams[1].name"),
                             ({"streams": [{"name": "a"}, {"name": "a"}]}, "streams[1].name"),
                             ({"streams": [{"name": "private-1"}]}, "streams[0].name"),
                             ({"streams": [{"name": "a", "format": "RGB"}]}, "streams[0].format"),
                             ({"streams": [{"name": "a", "region": region(319, 239, 0, 0), "bin": 2}]},
                              "streams[0].region"),
                             ({"streams": [{"name": "a", "always": 1}]}, "streams[0].always")):
            with refused("InvalidField", field="configuration." + field):
                control.configure(**wrong)
        for wrong, field, minimum, maximum, given in (
                ({"size": size(0, 1)}, "size.width", 1, 65535, 0),
                ({"size": size(1, 65536)}, "size.height", 1, 65535, 65536),
                ({"streams": [{"name": "a"}, {"name": "b", "slots": 3}]}, "streams[1].slots", 4, 65535, 3),
                ({"streams": [{"name": "b", "bin": 3}]}, "streams[0].bin", 1, 2, 3),
                ({"streams": [{"name": "b", "max_size": size(65536, 1)}]}, "streams[0].max_size.width", 1, 65535, 65536)):
            with refused("OutOfRange", field="configuration." + field, minimum=minimum, maximum=maximum, given=given):
                control.configure(**wrong)
        with refused("InvalidField", field="configuration"):
            control.call("Configure", strict=True)
        assert control.call("GetConfiguration") == before

    over_both(check)


def test_slots_below_pins():
    with synthetic("--slots", 10) as daemon:
        daemon.wait_ready()
        with Control(daemon) as control, raw.Client(daemon) as client:
            next(client.attach(cursors=8).newest())
            with refused("InvalidField", field="configuration.streams[0].slots"):
                control.configure(streams=[{"name": "main", "slots": 9}])
            assert control.configure(streams=[{"name": "main", "slots": 20}])["replaced"] == ["main"]


# --- Watch ---------------------------------------------------------------------------------------------------------


def test_watch():
    def check(daemon, control):
        with Control(daemon, control.terminator) as watch:
            watch.send("Watch", {"interval_us": 100000}, more=True)
            first = watch.receive()
            assert first["continues"] and first["parameters"]["kind"] == "state", first
            state = first["parameters"]["state"]
            if state != "live":
                state = until(watch, "state")["state"]
            assert state == "live", state
            # Nobody reads main: each frame is one that was not copied.
            losses = until(watch, "losses")
            assert losses["stream"] == "main" and set(losses["lost"]) == {"unread"} and losses["lost"]["unread"] > 0
            control.configure(size=size(100, 80))
            control.call("SetControls", controls={})
            control.call("SetRegion", stream="main", region=region(1, 2, 3, 4))
            # What changes at once may be told as one, but the last word is how it is now.
            told = {}
            while told.get("configuration") != control.call("GetConfiguration")["configuration"] or "controls" not in told:
                event = watch.receive()["parameters"]
                told[event["kind"]] = event.get(event["kind"])
            assert told["configuration"]["size"] == size(100, 80)
            assert told["configuration"]["streams"][0]["region"] == region(1, 2, 3, 4)
            again, then = until(watch, "losses"), until(watch, "losses")
            assert then["time_us"] - again["time_us"] >= 90000, (again, then)

    over_both(check)


def until(watch, kind):
    while True:
        told = watch.receive()["parameters"]
        if told["kind"] == kind:
            return told


def test_watch_limits():
    with synthetic() as daemon:
        daemon.wait_ready()
        for interval in (100000, 3600000000):
            with Control(daemon) as control:
                control.send("Watch", {"interval_us": interval}, more=True)
                control.receive()
        with Control(daemon) as control:
            for interval in (99999, 3600000001):
                control.send("Watch", {"interval_us": interval}, more=True)
                try:
                    control.receive()
                    raise AssertionError("not refused")
                except Refused as why:
                    assert why.name == "OutOfRange" and why.parameters["field"] == "interval_us", why
            with refused("org.varlink.service.ExpectedMore"):
                control.call("Watch")


def test_watch_without_reading():
    """Who does not read is told in the end what is, not all that was; and costs no memory meanwhile."""
    with synthetic("--control-rate", 1000000) as daemon:
        daemon.wait_ready()
        with Control(daemon) as control, Control(daemon) as watch:
            watch.send("Watch", {}, more=True)
            watch.receive()
            changes, rss = 6000, 0
            for n in range(changes):
                control.patiently("SetRegion", stream="main", region=region(n % 300, 0, 10, 10))
                if n == changes // 3:
                    rss = daemon.rss_kib()
            assert SANITIZED or daemon.rss_kib() <= rss + 256, (rss, daemon.rss_kib())
            last, told = None, 0
            while last != (changes - 1) % 300:
                last = until(watch, "configuration")["configuration"]["streams"][0]["region"]["x"]
                told += 1
            assert told < changes, told
            print(f"figure: {changes} changes while a watcher did not read: {told} were told, the last one among them")


def test_watchers_come_and_go():
    with synthetic() as daemon:
        daemon.wait_ready()
        wait_until(lambda: shm_names(daemon.camera), "the ring, which is held as well")
        with Control(daemon) as control:
            control.call("GetConfiguration")
            held = daemon.fd_count() - 1
        for n in range(30):
            with Control(daemon) as control:
                control.send("Watch", {"interval_us": 100000 + n}, more=True)
                control.receive()
                if n % 3 == 0:
                    with Control(daemon) as other:
                        other.patiently("SetRegion", stream="main", region=region(n, 0, 10, 10))
        wait_until(lambda: daemon.fd_count() <= held, "all are forgotten")
        assert daemon.stop() == 0
