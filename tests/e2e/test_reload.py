# SPDX-License-Identifier: BSD-2-Clause
"""Reload and SIGHUP: what can change while the daemon runs is changed, what cannot is named, and a wrong configuration
changes nothing."""
import json
import os
import pty
import signal
import socket
import time

import clips
import raw
from control import Camera, Control, refused, region, size, stream
from lib import Daemon, shm_names, wait_until

BASE = {"source": "synthetic", "size": "320x240", "framerate": 100, "streams": [{"name": "main"}]}


def save(**changes):
    values = {key: value for key, value in {**BASE, **changes}.items() if value is not None}
    with open("new.json", "w", encoding="ascii") as file:
        json.dump(values, file)
    os.rename("new.json", "config.json")


def configured(*options, **keywords):
    save()
    return Camera("--config", "config.json", *options, **keywords).wait_ready()


def test_live_and_restart():
    with configured() as daemon, Control(daemon) as control:
        assert control.call("Reload") == {"changed": [], "needs_restart": []}
        save(size="640x480", framerate="50", streams=[{"name": "main"}, {"name": "eyes", "region": "1,2,30,40"}],
             clients_max=100, size_change_rate=77)
        answer = control.call("Reload")
        assert set(answer["changed"]) == {"size", "framerate", "streams", "size_change_rate"}, answer
        assert "clients_max" in answer["needs_restart"], answer
        assert answer["applied"]["restarted"] and answer["applied"]["replaced"] == ["main"], answer
        now = control.call("GetConfiguration")["configuration"]
        assert now == answer["applied"]["configuration"]
        assert now["size"] == size(640, 480) and now["frame_duration_us"]["maximum"] == 20000, now
        assert stream(now, "eyes")["region"] == region(1, 2, 30, 40)
        status = control.call("GetStatus")["status"]
        assert status["limits"]["clients_max"] == 512 and status["configuration"]["files"] == ["config.json"], status
        # What needs a restart is named each time, the rest is done.
        assert control.call("Reload") == {"changed": [], "needs_restart": answer["needs_restart"]}
        assert "needs a restart: clients_max" in daemon.log(), daemon.log()


def test_what_was_changed_meanwhile_stays():
    with configured() as daemon, Control(daemon) as control:
        control.configure(size=size(200, 100))
        control.call("AddStream", stream={"name": "mine"})
        save(framerate=50)
        assert control.call("Reload")["changed"] == ["framerate"]
        now = control.call("GetConfiguration")["configuration"]
        assert now["size"] == size(200, 100) and [s["name"] for s in now["streams"]] == ["main", "mine"], now


def test_hangup_signal():
    with configured() as daemon, Control(daemon) as control:
        save(size="100x80", wait_clients=1)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_log("read the configuration anew: changed size; needs a restart: wait_clients")
        assert control.call("GetConfiguration")["configuration"]["size"] == size(100, 80)
        save(size="100x")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_log("the configuration has 1 fault and is left as it was")
        save()
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: control.call("GetConfiguration")["configuration"]["size"] == size(320, 240), "as before")
        assert daemon.stop() == 0


def test_hangup_signal_while_busy():
    """Nobody could send it again: it is remembered until the change that is under way is over."""
    save(wait_clients=1)  # so that the source does not announce its new format before its time is over
    with Camera("--config", "config.json").wait_ready() as daemon, Control(daemon) as control, \
            Control(daemon) as other:
        wait_until(lambda: shm_names(daemon.camera), "the ring")
        control.send("Configure", {"configuration": {"size": size(200, 100)}})
        for _ in range(2):  # what came before the second question has been heard
            other.call("GetStatus")
        with refused("Busy"):
            other.call("SetRegion", stream="main", region=region(0, 0, 0, 0))
        save(wait_clients=1, framerate=50)
        daemon.process.send_signal(signal.SIGHUP)
        assert control.receive()["parameters"]["applied"]["configuration"]["size"] == size(200, 100)
        daemon.wait_log("read the configuration anew: changed framerate")
        now = control.call("GetConfiguration")["configuration"]
        assert now["size"] == size(200, 100) and now["frame_duration_us"]["maximum"] == 20000, now


def test_controls():
    """Those of the files come, change, and go back to what the source begins with; refused with the rest, they stay."""
    with configured() as daemon, Control(daemon) as control:
        ranges = control.call("GetCapabilities")["controls"]

        def gain():
            return control.call("GetConfiguration")["controls"]["analogue_gain_milli"]

        save(analogue_gain_milli=2000)
        assert control.call("Reload")["changed"] == ["analogue_gain_milli"] and gain() == 2000
        with raw.Client(daemon) as client:
            next(client.attach().newest())
            save(analogue_gain_milli=3000, streams=[{"name": "other"}])
            with refused("StreamInUse"):
                control.call("Reload")
            assert gain() == 2000
        save()
        assert control.call("Reload") == {"changed": ["analogue_gain_milli"], "needs_restart": []}
        assert gain() == ranges["analogue_gain_milli"]["default"]
        save(contrast_milli=900)
        with refused("NotSupported", field="contrast_milli"):
            control.call("Reload")


def test_in_force_already():
    """Files that were brought up to what clients had changed change nothing, and nobody is told that they did."""
    with configured() as daemon, Control(daemon) as control, Control(daemon) as watch:
        control.configure(size=size(64, 48), frame_duration_us={"minimum": 33333, "maximum": 33333},
                          streams=[{"name": "main", "slots": 9}, {"name": "eyes", "region": region(1, 2, 3, 4), "slots": 9}])
        control.call("SetControls", controls={"exposure_us": 3000, "analogue_gain_milli": 2000})
        before = control.call("GetConfiguration")
        watch.send("Watch", {}, more=True)
        assert watch.receive()["parameters"]["kind"] == "state"
        save(size="64x48", framerate=30, exposure_us=3000, analogue_gain_milli=2000, auto_exposure=False, slots=9,
             streams=[{"name": "main"}, {"name": "eyes", "region": "1,2,3,4"}], wait_clients=1)
        assert control.call("Reload") == {"changed": ["slots"], "needs_restart": ["wait_clients"]}
        assert control.call("GetConfiguration") == before
        control.call("SetControls", controls={"analogue_gain_milli": 2500})
        kind = "losses"
        while kind == "losses":
            kind = watch.receive()["parameters"]["kind"]
        assert kind == "controls"
        # The next change is told from there, and what the files said before is known.
        save(size="80x60", framerate=30, exposure_us=3000, analogue_gain_milli=2000, auto_exposure=False, slots=9,
             streams=[{"name": "main"}, {"name": "eyes", "region": "1,2,3,4"}], wait_clients=1)
        assert control.call("Reload")["changed"] == ["size"]
        assert control.call("GetConfiguration")["controls"]["analogue_gain_milli"] == 2500


def test_exposure_by_hand_and_not():
    """Whatever the files say of exposure and gain instead of what they said, it becomes what a start would make of it."""
    by_hand = {"exposure_us": 3000, "analogue_gain_milli": 1500}
    texts = [{}, {"auto_exposure": True}, {"exposure_us": 3000}, {"analogue_gain_milli": 1500}, by_hand,
             {"auto_exposure": False, **by_hand}, {"auto_exposure": False}]
    with configured() as daemon, Control(daemon) as control:
        def now():
            return control.call("GetConfiguration")["controls"]

        for before in texts:
            for after in texts:
                save(**before)
                control.call("Reload")
                save(**after)
                control.call("Reload")
                assert now()["auto_exposure"] == after.get("auto_exposure", not after), (before, after, now())
                for name, value in after.items():
                    assert now()[name] == value, (before, after, now())
        save(auto_exposure=True, exposure_us=3000)  # auto exposure has its way, as at a start
        control.call("Reload")
        assert now()["auto_exposure"] is True and now()["exposure_us"] != 3000, now()
        # Refused with the rest, auto exposure goes on.
        save(exposure_us=2000, streams=[{"name": "main", "slots": 65535, "max_size": "60000x60000"}])
        with refused("NoRoom"):
            control.call("Reload")
        assert now()["auto_exposure"] is True, now()


def test_exposure_with_its_rate():
    """How long an exposure gets depends on the rate: both may change in one reload, either way, or neither is changed."""
    with configured() as daemon, Control(daemon) as control:
        def now():
            configuration = control.call("GetConfiguration")
            return configuration["configuration"]["frame_duration_us"]["maximum"], configuration["controls"]["exposure_us"]

        for rate, exposure_us in ((100, 5000), (20, 40000), (100, 9000), (10, 100000)):
            save(framerate=rate, exposure_us=exposure_us)
            control.call("Reload")
            assert now() == (1000000 // rate, exposure_us), (rate, now())
        save(framerate=5, exposure_us=1000001)
        with refused("OutOfRange", field="exposure_us", maximum=1000000):
            control.call("Reload")
        assert now() == (100000, 100000), now()
        save(framerate=5, exposure_us=200000, streams=[{"name": "main", "slots": 65535, "max_size": "60000x60000"}])
        with refused("NoRoom"):
            control.call("Reload")
        assert now() == (100000, 100000), now()
        with raw.Client(daemon) as client:
            frames = client.attach().frames()
            assert [next(frames)[1].frame_duration_us for _ in range(4)][-1] == 100000


def test_waits_for_a_format():
    """A pipe that nobody writes to: the reload is remembered, and the files are not read all the time meanwhile."""
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind("notify")
    manager.settimeout(60)
    os.mkfifo("pipe")
    base = {"source": "replay:pipe", "loop": True, "size": None, "framerate": None}
    save(**base)
    with Daemon("--config", "config.json", env=dict(os.environ, NOTIFY_SOCKET=os.path.abspath("notify"))).wait_ready() \
            as daemon, Control(daemon) as control:
        save(**base, streams=[{"name": "main"}, {"name": "more"}])
        began = time.monotonic()
        daemon.process.send_signal(signal.SIGHUP)
        reads = 0
        while reads < 8:
            reads += manager.recv(4096).startswith(b"RELOADING=1")
        # 20, 40 ... 640 ms, 1 s: seldom, but on a slow machine not even that often.
        assert time.monotonic() - began > 2, f"{reads} times within {time.monotonic() - began} s"
        with open("pipe", "wb") as pipe:
            pipe.write(clips.y4m(64, 48, 3))
            pipe.flush()
            daemon.wait_log("read the configuration anew: changed streams")
        assert [s["name"] for s in control.call("GetConfiguration")["configuration"]["streams"]] == ["main", "more"]


def test_wrong_files():
    with configured() as daemon, Control(daemon) as control:
        before = control.call("GetConfiguration")
        save(size="70000x1", slots=3, nonsense=True)
        with refused("BadConfiguration"):
            control.call("Reload")
        control.send("Reload")
        try:
            control.receive()
        except Exception as why:
            faults = why.parameters["faults"]
        assert len(faults) == 3 and all("config.json:1:" in fault for fault in faults), faults
        os.unlink("config.json")
        with refused("BadConfiguration"):
            control.call("Reload")
        assert control.call("GetConfiguration") == before


def test_refused():
    """Right in itself, but not now: nothing is changed, and the next time it is tried again."""
    with configured() as daemon, Control(daemon) as control:
        save(streams=[{"name": "other"}], size="640x480")
        with raw.Client(daemon) as client:
            next(client.attach().newest())
            with refused("StreamInUse", stream="main", clients=1):
                control.call("Reload")
            assert control.call("GetConfiguration")["configuration"]["size"] == size(320, 240)
            assert len(shm_names(daemon.camera)) == 1
        wait_until(lambda: not control.call("ListClients")["clients"], "the client is gone")
        assert set(control.call("Reload")["changed"]) == {"size", "streams"}
        save(streams=[{"name": "other", "slots": 65535, "max_size": "60000x60000"}])
        with refused("NoRoom", stream="other"):
            control.call("Reload")
        save(size="60000x60000")
        with refused("InvalidField", field="size"):
            control.call("Reload")
        assert "left as it was: stream main has 1 client" in daemon.log(), daemon.log()
        save(size="20x10", streams=[{"name": "main", "region": "30,0,5,5"}])
        with refused("BadConfiguration"):
            control.call("Reload")


def test_service_manager_is_told():
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind("notify")
    manager.settimeout(60)
    with configured(env=dict(os.environ, NOTIFY_SOCKET=os.path.abspath("notify"))) as daemon, \
            Control(daemon) as control:
        while b"READY=1" not in manager.recv(4096):
            pass
        for text in ("64x48", "wrong"):
            save(size=text)
            try:
                control.call("Reload")
            except Exception as why:
                assert text == "wrong", why
            told = [manager.recv(4096)]
            while told[-1] != b"READY=1":
                told.append(manager.recv(4096))
            assert any(t.startswith(b"RELOADING=1\nMONOTONIC_USEC=") for t in told), told


def test_terminal_that_closes():
    """The end of the terminal that the daemon was started from stops it; a signal alone does not."""
    master, slave = pty.openpty()
    with configured(stdin=slave, wrapper=["setsid", "--ctty"]) as daemon:
        os.close(slave)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_log("read the configuration anew")
        os.close(master)
        assert daemon.wait_exit() == 0
        assert "stopping on Hangup" in daemon.log()
