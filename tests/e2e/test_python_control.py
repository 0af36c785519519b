# SPDX-License-Identifier: BSD-2-Clause
"""The control half of the Python package against the real daemon: what is changed and told, every error as an exception,
many replies, threads, children, and a daemon that goes away."""
import dataclasses
import os
import re
import signal
import socket
import threading

import lumaring
from control import Camera as Daemon
from lib import DEADLINE_S, ROOT, wait_until


def camera(*options, **keywords):
    return Daemon("--source", "synthetic", "--size", "640x480", "--framerate", 100, *options, **keywords)


def opened(daemon):
    daemon.wait_ready()
    return lumaring.open(daemon.camera, runtime_dir=daemon.runtime_dir)


def refused(kind, call, **attributes):
    """It raises this, with these attributes; returns it."""
    try:
        call()
    except kind as why:
        for name, value in attributes.items():
            assert getattr(why, name) == value, (name, getattr(why, name), value)
        return why
    raise AssertionError(f"not refused as {kind}")


def test_size_rate_and_controls():
    """What is returned is what is in force, and what frames have."""
    with camera("--stream", "main", "--stream", "ball=0,0,64,64,max_size=64x64") as daemon, opened(daemon) as c:
        assert (c.size, c.framerate, c.get().pixel_format) == ((640, 480), 100.0, "R8"), c.get()
        stream = c.stream("main", newest=True)
        taken = c.set(width=1280, height=720, framerate=50, exposure_us=5000, analogue_gain=2.5)
        assert (taken.size, taken.width, taken.height, taken.framerate) == ((1280, 720), 1280, 720, 50.0), taken
        assert taken.frame_duration_us == (20000, 20000) and taken.restarted and taken.replaced == ("main",), taken
        assert (taken.controls.exposure_us, taken.controls.analogue_gain) == (5000, 2.5), taken
        assert taken.controls.auto_exposure is False and taken.controls.contrast is None, taken
        assert taken.gap_us is None or taken.gap_us > 0, taken
        assert str(taken).startswith("1280x720 R8 50 frames/s; the camera was stopped and started"), str(taken)
        wait_until(lambda: (f := stream.latest(DEADLINE_S)).image_width == 1280 and f.exposure_us == 5000 and
                   f.analogue_gain == 2.5 and f.frame_duration_us == 20000 and f.array.shape == (720, 1280), "such a frame")
        # One of both alone, under its other name; what it costs.
        taken = c.set(shutter=3000.0, gain=1)
        assert (taken.controls.exposure_us, taken.controls.analogue_gain) == (3000, 1.0), taken
        assert (taken.restarted, taken.gap_us, taken.size) == (False, 0, (1280, 720)), taken
        assert c.set(auto_exposure=True).controls.auto_exposure is True and c.controls.auto_exposure is True
        # A range of rates; properties.
        assert c.configure(framerate=(15, 56)).framerate == c.framerate == (15.0, 56.0)
        c.framerate = 29.97
        c.size = (320, 240)
        assert (c.framerate, c.size, c.get().frame_duration_us) == (29.97, (320, 240), (33367, 33367)), c.get()
        # Nothing is changed by trying.
        before = c.get()
        would = c.set(size=(64, 64), framerate=10, gain=4, dry_run=True)
        assert would.dry_run and would.size == (64, 64) and str(would).startswith("would be 64x64"), would
        assert c.get() == before and dataclasses.asdict(before)["size"] == (320, 240)


def test_busy_is_waited_for():
    """More changes of size than a second allows; and no longer than it may take."""
    with camera("--size-change-rate", 10) as daemon, opened(daemon) as c:
        for width in range(64, 88, 2):
            assert c.configure(width=width, height=48).width == width
        def change():
            for width in range(64, 128, 2):
                c.configure(width=width, height=48, timeout=0.001)
        why = refused((lumaring.Busy, lumaring.TimeoutError), change)
        assert isinstance(why, lumaring.TimeoutError) or why.retry_after_us > 0, repr(why)


def test_refused_changes():
    """An exception for each, with the sentence of the daemon and what it says; everything stays as it was."""
    with camera("--stream", "main", "--stream", "ball=0,0,64,64") as daemon, opened(daemon) as c:
        before = c.get()
        gain = {"field": "analogue_gain_milli", "minimum": 1000, "maximum": 16000, "given": 17000, "name": "OutOfRange",
                "errno": 34, "strerror": "analogue_gain_milli 17000 is out of range: 1000 to 16000"}
        why = refused(lumaring.OutOfRange, lambda: c.set(gain=17), **gain)
        assert str(why) == why.strerror and why.parameters["field"] == "controls.analogue_gain_milli", why.parameters
        assert all(isinstance(why, kind) for kind in (lumaring.Refused, lumaring.Error, ValueError, OSError))
        # Before anything else is changed, in the same words.
        refused(lumaring.OutOfRange, lambda: c.set(gain=17, width=64, height=64), **gain)
        refused(lumaring.OutOfRange, lambda: c.set(gain=17, dry_run=True), **gain)
        for more in ({}, {"framerate": 10}):
            why = refused(lumaring.NotSupported, lambda m=more: c.set(contrast=1, **m), field="contrast_milli")
            assert "no contrast_milli, only exposure_us" in why.reason, why
        refused(lumaring.OutOfRange, lambda: c.configure(width=640, height=70000), field="size.height", maximum=65535)
        refused(lumaring.InvalidField, lambda: c.configure(size=(65535, 65535)), field="size")
        refused(lumaring.InvalidField, lambda: c.configure(pixel_format="NOPE"), field="pixel_format")
        why = refused(lumaring.Adjusted, lambda: c.configure(framerate=20000, strict=True))
        assert why.adjustments[0] == ("frame_duration_us.minimum", 50, 100), why.adjustments
        for wrong in (lambda: c.configure(streams="main"), lambda: c.configure(streams={"name": "ball"}),
                      lambda: c.set(auto_exposure="off"), lambda: c.streams.add("more", always="no")):
            refused(TypeError, wrong)
        refused(lumaring.NoSuchStream, lambda: c.streams.move("bal", (0, 0, 1, 1)), stream="bal", streams=("main", "ball"))
        refused(lumaring.NotFoundError, lambda: c.streams.remove("bal"))
        refused(lumaring.StreamExists, lambda: c.streams.add("ball"), stream="ball")
        refused(lumaring.InvalidField, lambda: c.streams.add("Ball"), field="stream.name")
        refused(lumaring.InvalidField, lambda: c.streams.move("ball", (600, 0, 64, 64)), field="region")
        refused(lumaring.NoRoom, lambda: c.streams.add("big", slots=65535, max_size=(65535, 65535)), stream="big")
        refused(lumaring.Refused, lambda: c.call("Nod"), name="org.varlink.service.MethodNotFound", errno=38)
        refused(lumaring.InvalidField, lambda: c.call("Configure", configuration={"colour": 1}), field="colour")
        # What this side does not take is not asked.
        for call in (c.configure, c.set, lambda: c.configure(width=3), lambda: c.set(shutter=1, exposure_us=1),
                     lambda: c.configure(framerate="30"), lambda: c.streams.move("ball", (0.5, 0, 1, 1)),
                     lambda: c.configure(size=(1, 1), width=1, height=1), lambda: c.set(colour=1)):
            refused(TypeError, call)
        for call in (lambda: c.configure(framerate=0), lambda: c.configure(framerate=float("nan")),
                     lambda: c.configure(framerate=(1, 2, 3)), lambda: c.streams.move("ball", (0, 0)),
                     lambda: c.set(gain=float("inf")), lambda: c.get(timeout=-1)):
            refused(ValueError, call)
        assert c.get() == before


def test_every_error_is_an_exception():
    """Each of the interface has a class, with an attribute for each of its parameters; what makes no sense does no harm."""
    text = (ROOT / "daemon/control/io.lumaring.Camera.varlink").read_text(encoding="utf-8")
    errors = re.findall(r"^error (\w+) \(([^)]*)\)", text, re.M)
    assert len(errors) > 10 and {name for name, _ in errors} == {kind.__name__ for kind in lumaring.refused.CLASSES}
    sample = {"int": 7, "string": "12", "SourceStep": "configure", "bool": True, "[]string": ["a", "b"],
              "[]Adjustment": [{"field": "size.width", "asked": 3, "got": 2}]}
    for name, fields in errors:
        kinds = dict(field.split(": ") for field in fields.split(", "))
        parameters = {field: sample[kind] for field, kind in kinds.items()}
        why = lumaring.refused.refused(5, "A sentence.", f"io.lumaring.Camera.{name}", parameters)
        assert type(why).__name__ == why.name == name and str(why) == "A sentence." and why.errno == 5, why
        for field, value in parameters.items():
            want = {"adjustments": (("size.width", 3, 2),)}.get(field, tuple(value) if isinstance(value, list) else value)
            assert getattr(why, field) == (12 if field.endswith("_bytes") else want), (name, field, getattr(why, field))
        for nonsense in ({}, dict.fromkeys(kinds), {field: {} for field in kinds}):
            why = lumaring.refused.refused(5, "", f"io.lumaring.Camera.{name}", nonsense)
            assert all(getattr(why, field) in ("", 0, (), False) for field in kinds), (name, nonsense)


def test_streams():
    with camera() as daemon, opened(daemon) as c:
        assert [s.name for s in c.streams] == ["main"] and len(c.streams) == 1 and "ball" not in c.streams
        made = c.streams.add("ball", region=(320, 240, 64, 32), format="R16", bin=2, slots=5, always=True)
        assert made == c.streams["ball"] and made.region == (320, 240, 64, 32) and made.region.width == 64, made
        assert (made.format, made.bin, made.slots, made.always) == ("R16", 2, 5, True), made
        refused(KeyError, lambda: c.streams["bal"])
        reader = c.stream("ball", timeout=DEADLINE_S)
        assert reader.next().array.shape == (16, 32)
        client, = c.clients()
        assert (client.pid, client.stream, client.state, client.private) == (os.getpid(), "ball", "reading", False), client
        # Moved for all: by the name, or by a reader.
        assert c.streams.move("ball", (100, 80, 64, 32)) == (100, 80, 64, 32)
        wait_until(lambda: reader.next().region == (100, 80, 64, 32), "it moved")
        reader.region = (10, 20, 40, 30)
        wait_until(lambda: reader.next().region == (10, 20, 40, 30), "it moved again")
        assert c.streams["ball"].region == (10, 20, 40, 30)
        refused(lumaring.StreamInUse, lambda: c.streams.remove("ball"), clients=1)
        reader.close()
        c.streams.remove("ball", force=True)
        assert c.streams.list() == list(c.get().streams) and len(c.streams) == 1
        # All that are to be; what is there and is only named stays.
        c.configure(streams=["main", {"name": "left", "region": (0, 0, 320, 480)},
                             lumaring.StreamSettings("half", bin=2)])
        assert [(s.name, s.bin) for s in c.streams] == [("main", 1), ("left", 1), ("half", 2)], c.streams.list()


def test_what_it_tells():
    with camera() as daemon, opened(daemon) as c:
        capabilities = c.capabilities()
        assert capabilities.controls["analogue_gain"] == (1.0, 16.0, 1.0), capabilities
        assert capabilities.size_changes and capabilities.modes[0].pixel_formats and capabilities.cameras[0].served
        assert c.status()["camera"] == daemon.camera
        assert {"name", "kind", "labels", "value"} == set(dataclasses.asdict(c.metrics()[0]))
        assert c.call("org.varlink.service.GetInterfaceDescription", interface="io.lumaring.Camera")["description"]
        assert c.call("SetRegion", stream="main", region=dict(x=0, y=0, width=8, height=8))["region"]["width"] == 8
        assert c.reload() == lumaring.Reloaded((), ())


def test_watch():
    """First the state, then each change; beside other calls; until the daemon goes away."""
    with camera() as daemon, opened(daemon) as c:
        watch = c.watch(interval=3600, timeout=DEADLINE_S)
        first = next(watch)
        assert first.kind == "state", first
        while first.state != "live":
            first = next(watch)
        c.set(size=(64, 48), gain=2)
        told = {}
        while set(told) != {"configuration", "controls"}:
            event = next(watch)
            told[event.kind] = event
            assert event.time_us >= first.time_us
        assert told["configuration"].configuration.size == (64, 48), told
        assert told["controls"].controls.analogue_gain == 2.0, told
        refused(lumaring.TimeoutError, lambda: watch.next(0))
        with c.watch(interval=0.1) as losses:
            lost = next(event for event in losses if event.kind == "losses")
            assert lost.stream == "main" and lost.lost["unread"] > 0, lost
        assert next(losses, None) is None
        # One that waits ends when another thread closes it.
        closing = c.watch(interval=3600)
        next(closing)
        ended = []
        waiting = threading.Thread(target=lambda: ended.append(refused((StopIteration, lumaring.ClosedError), closing.next)))
        waiting.start()
        closing.close()
        waiting.join(DEADLINE_S)
        assert ended
        daemon.stop()
        refused(lumaring.NotConnectedError, lambda: [None for _ in watch])
        refused(lumaring.ConnectionRefusedError, c.get)


class Liar(threading.Thread):
    """What listens as a daemon's control socket, and answers everything with `says`."""

    def __init__(self):
        super().__init__(daemon=True)
        os.makedirs("lies/liar")
        self.socket = socket.create_server("lies/liar/control", family=socket.AF_UNIX)
        self.says = b"{}"
        self.start()

    def run(self):
        while True:
            threading.Thread(target=self.answer, args=self.socket.accept()[:1], daemon=True).start()

    def answer(self, peer):
        while (asked := peer.recv(1 << 16)):
            peer.sendall((self.says + b"\0") * asked.count(b"\0"))


def test_answers_that_make_no_sense():
    """Whatever comes, it is an error of the package with a sentence, and no harm is done."""
    liar = Liar()
    nonsense = [b'{"parameters": %s}' % value for value in (
        b"{}", b'{"configuration": [], "applied": 1, "controls": 2, "streams": 3, "stream": 4, "region": 5, "status": 6}',
        b'{"configuration": {"size": {"width": "x", "height": {}}}, "clients": [1], "metrics": {"a": 1}, "kind": 3,'
        b' "region": {"x": 1}, "stream": {"region": []}, "controls": {"exposure_us": {"minimum": []}},'
        b' "changed": 1, "applied": {"configuration": {}}, "status": [3]}')]
    nonsense += [b"", b"[]", b"no JSON", b'{"error": "x y"}', b'{"error": "io.lumaring.Camera.Later", "parameters": {"a": 1}}']
    with lumaring.open("liar", runtime_dir="lies") as c:
        for liar.says in nonsense:
            for call in (c.get, c.capabilities, c.status, c.clients, c.metrics, c.reload, lambda: c.set(gain=1),
                         lambda: c.set(gain=1, framerate=1), lambda: c.configure(framerate=1), lambda: c.streams.add("a"),
                         lambda: c.streams.move("a", (0, 0, 1, 1)), lambda: c.watch().next(DEADLINE_S)):
                why = refused((lumaring.BadMessageError, lumaring.Refused), call)
                assert str(why) and (b"Later" in liar.says) == isinstance(why, lumaring.Refused), (liar.says, why)
        assert why.name == "Later" and why.parameters == {"a": 1}, why


def test_threads_children_and_signals():
    """Calls of several threads take turns; a child made by fork asks on its own; a signal does not end a call."""
    with camera() as daemon, opened(daemon) as c:
        wrong = []

        def ask(gain):
            for _ in range(50):
                taken = c.set(gain=gain).controls.analogue_gain
                if taken not in (1.0, 2.0, 3.0) or c.get().size != (640, 480):
                    wrong.append(taken)
        threads = [threading.Thread(target=ask, args=(gain,)) for gain in (1, 2, 3)]
        for thread in threads:
            thread.start()
        child = os.fork()
        if child == 0:
            good = c.get().size == (640, 480) and c.set(gain=1).controls.analogue_gain is not None
            os._exit(0 if good else 1)
        for thread in threads:
            thread.join(DEADLINE_S)
        assert not wrong and os.waitpid(child, 0)[1] == 0, wrong
        assert c.get().size == (640, 480)
        for ask in (c.get, lambda: c.configure(framerate=50)):
            assert interrupted(daemon, c._connection, ask).size == (640, 480)
        with c.watch(interval=0.1) as watch:
            assert interrupted(daemon, watch._connection, lambda: next_new(watch)).time_us > 0
        refused(lumaring.TimeoutError, lambda: stopped(daemon, lambda: c.get(timeout=0.05)))
        assert c.get().framerate == 50.0


def interrupted(daemon, connection, ask):
    """What it returns when five signals arrive while the daemon, which is stopped, is waited for. Their handler cannot use
    what it interrupted."""
    heard, thread = [], threading.get_ident()

    def hear(*_):
        if connection.turns.owner == thread:
            refused(lumaring.InUseError, lambda: connection.call("GetStatus"))
        heard.append(connection.turns.owner)
        if len(heard) == 5:
            daemon.process.send_signal(signal.SIGCONT)

    def knock():
        wait_until(lambda: connection.turns.owner == thread, "it asks")
        for count in range(5):
            os.kill(os.getpid(), signal.SIGUSR1)
            wait_until(lambda n=count: len(heard) > n, "the handler ran")
    signal.signal(signal.SIGUSR1, hear)
    daemon.process.send_signal(signal.SIGSTOP)
    knocking = threading.Thread(target=knock)
    knocking.start()
    answer = ask()
    knocking.join()
    assert thread in heard
    return answer


def next_new(watch):
    """An event that is waited for: what is there already is not it."""
    try:
        while watch.next(0):
            pass
    except lumaring.TimeoutError:
        return watch.next(DEADLINE_S)


def stopped(daemon, call):
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        return call()
    finally:
        daemon.process.send_signal(signal.SIGCONT)


def test_a_daemon_that_comes_back():
    """The next call finds it; after close() there is none."""
    with camera() as daemon, opened(daemon) as c:
        assert c.get().size == (640, 480)
        daemon.stop()
        os.remove(daemon.log_path)
        daemon.start()
        daemon.wait_ready()
        assert c.get().size == (640, 480)
        c.close()
        for call in (c.get, c.watch, lambda: c.set(gain=1)):
            refused(lumaring.ClosedError, call)
