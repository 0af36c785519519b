# SPDX-License-Identifier: BSD-2-Clause
"""Changes at random beside a model of what must come of each: seeded, under readers that verify every byte of every
frame, with a second controller and one who watches. Set LUMARING_SEED and LUMARING_STEPS for more of it.
"""
import copy
import os
import random
import signal
import threading

import raw
from control import Camera, Control, Refused, region, size
from lib import shm_names, wait_until
from test_configure import REFUSING, Follow, Refusals, run_on

STEPS = int(os.environ.get("LUMARING_STEPS", 300))
SEED = int(os.environ.get("LUMARING_SEED", 1))
NAMES = ["main", "a", "b"] + [f"s{n}" for n in range(13)]
GROUP = {"R8": 1, "YUYV": 2, "UYVY": 2}


def default(name):
    return {"name": name, "region": region(0, 0, 0, 0), "slots": 8, "format": "R8", "bin": 1, "always": False}


def is_right(stream, image):
    """Does the region lie inside, and has it a pixel to bin?"""
    at, whole = stream["region"], (image["width"], image["height"])
    for place, extent, side in ((at["x"], at["width"], whole[0]), (at["y"], at["height"], whole[1])):
        if place >= side or place + extent > side or (extent or side - place) < stream["bin"]:
            return False
    return True


class Model:
    """What GetConfiguration must say, and changes to it as they are asked for."""

    def __init__(self, rng, configuration):
        self.rng, self.now = rng, configuration

    def region(self):
        """Mostly inside the image; its size 0 now and then."""
        rng, image = self.rng, self.now["size"]
        if rng.random() < 0.1:
            return region(*[rng.choice([0, 1, 65535, image["width"], image["height"]]) for _ in range(4)])
        x, y = rng.randrange(image["width"]), rng.randrange(image["height"])
        return region(x, y, rng.randrange(image["width"] - x + 1), rng.randrange(image["height"] - y + 1))

    def wish(self, name):
        rng, wish = self.rng, {"name": name}
        if rng.random() < 0.5:
            wish["region"] = self.region()
        if rng.random() < 0.3:
            wish["max_size"] = size(rng.randrange(1, 300), rng.randrange(1, 200))
        if rng.random() < 0.3:
            wish["slots"] = rng.randrange(4, 24)
        if rng.random() < 0.3:
            wish["format"] = rng.choice(["R8", "R16"])
        if rng.random() < 0.3:
            wish["bin"] = rng.choice([1, 2])
        if rng.random() < 0.3:
            wish["always"] = rng.random() < 0.5
        return wish

    def find(self, name):
        return next((s for s in self.now["streams"] if s["name"] == name), None)

    def configure(self):
        """(method, parameters, what it must be then, must it be refused)."""
        rng, wanted, right = self.rng, {}, True
        after = copy.deepcopy(self.now)
        if rng.random() < 0.5:
            wanted["size"] = size(rng.randrange(1, 320), rng.randrange(1, 240))
            after["size"] = dict(wanted["size"])
        if rng.random() < 0.2:
            wanted["pixel_format"] = after["pixel_format"] = rng.choice(list(GROUP))
        if rng.random() < 0.3:
            shortest = rng.randrange(1000, 9000)
            wanted["frame_duration_us"] = {"minimum": shortest, "maximum": shortest + rng.choice([0, 0, 5000])}
            after["frame_duration_us"] = dict(wanted["frame_duration_us"])
        asked = after["size"]["width"]
        group = GROUP[after["pixel_format"]]
        after["size"]["width"] = -(-asked // group) * group
        if rng.random() < 0.5:
            names = rng.sample(NAMES, rng.randrange(len(NAMES) + 1))
            if rng.random() < 0.8:
                names = ["main", "a", "b"] + [name for name in names if name not in ("main", "a", "b")]
            if rng.random() < 0.1:
                names.append(rng.choice(names + ["private-1", "private-"]))
            wanted["streams"] = [self.wish(name) for name in names]
            after["streams"] = [{**(self.find(w["name"]) or default(w["name"])), **w} for w in wanted["streams"]]
            right = len(set(names)) == len(names) <= 16 and not any(n.startswith("private-") for n in names)
        right = right and all(is_right(s, after["size"]) for s in after["streams"])
        flags = {}
        if rng.random() < 0.2:
            flags["strict"] = True
            right = right and after["size"]["width"] == asked
        if rng.random() < 0.2:
            flags["dry_run"] = True
        return "Configure", {"configuration": wanted, **flags}, after, right

    def add(self):
        wish = self.wish(self.rng.choice(NAMES + ["private-9"]))
        name, after = wish["name"], copy.deepcopy(self.now)
        stream = {**default(name), **wish}
        after["streams"].append(stream)
        right = not self.find(name) and len(after["streams"]) <= 16 and not name.startswith("private-")
        return "AddStream", {"stream": wish}, after, right and is_right(stream, after["size"])

    def remove(self):
        name, after = self.rng.choice(NAMES), copy.deepcopy(self.now)
        after["streams"] = [s for s in after["streams"] if s["name"] != name]
        return "RemoveStream", {"name": name, "force": self.rng.random() < 0.5}, after, self.find(name)

    def move(self):
        name, after, at = self.rng.choice(NAMES), copy.deepcopy(self.now), self.region()
        stream = next((s for s in after["streams"] if s["name"] == name), None)
        if stream:
            stream["region"] = at
        return "SetRegion", {"stream": name, "region": at}, after, stream and is_right(stream, after["size"])

    def reload(self):
        return "Reload", {}, copy.deepcopy(self.now), True

    def step(self):
        rng = self.rng
        return rng.choice([self.configure] * 4 + [self.add, self.remove, self.move, self.move, self.reload])()


def account(daemon, name):
    """Of a frame of the stream now: every sequence since its first was published or lost once, under one cause."""
    with raw.Client(daemon) as client:
        ring = client.attach(name).ring

        def newest():
            try:
                return ring.published and ring.copy(ring.published)[0]
            except raw.Gone:
                return None

        descriptor = wait_until(newest, "a frame")
        passed = (descriptor.word >> 2) - ring.header.sequence_first
        lost = sum(descriptor.lost[:raw.LOST_SEQUENCED])
        assert passed == descriptor.publication - 1 + lost, (name, descriptor, ring.header)


class Watcher(threading.Thread):
    """Keeps what it was told last of the configuration."""

    def __init__(self, daemon):
        super().__init__()
        self.control, self.configuration, self.twice = Control(daemon), None, 0
        self.control.send("Watch", {}, more=True)

    def run(self):
        try:
            while True:
                told = self.control.receive()["parameters"]
                if told["kind"] == "configuration":
                    self.twice += told["configuration"] == self.configuration
                    self.configuration = told["configuration"]
        except AssertionError:
            pass  # the daemon is over


class Other(threading.Thread):
    """A second controller, whose changes have no lasting effect."""

    def __init__(self, daemon, seed):
        super().__init__()
        self.daemon_, self.rng, self.over, self.calls, self.fault = daemon, random.Random(seed), False, 0, None

    def run(self):
        try:
            with Control(self.daemon_, b"\n") as control:
                while not self.over:
                    self.calls += 1
                    which = self.rng.randrange(4)
                    if which == 0:
                        control.call("SetControls", controls={"analogue_gain_milli": 1000 + self.rng.randrange(7000)})
                    elif which == 1:
                        control.call("GetMetrics")
                    elif which == 2:
                        control.call("GetStatus")
                    else:
                        try:
                            control.configure(dry_run=True, size=size(self.rng.randrange(1, 3000), 100), streams=[])
                        except Refused as why:
                            assert why.name == "StreamInUse", why
        except BaseException as why:  # pylint: disable=broad-except
            self.fault = why


def carry_out(control, model, counts, refusals=None):
    """One change; `refusals`: now and then the source refuses a step of it, which takes the rest back."""
    method, parameters, after, right = model.step()
    dry = parameters.get("dry_run")
    if refusals:
        steps = ["stop", "configure", "start", "set_rate"]
        one = model.rng.choice(steps + 3 * [""])  # two, and it could not be taken back
        for step in steps:
            refusals.set(step, step == one)
    try:
        answer, _ = control.patiently(method, **parameters)
    except Refused as why:
        may_be = right and (refusals and why.name == "SourceRefused" and why.parameters["restored"] or
                            why.name == "StreamInUse" or
                            why.name == "InvalidField" and why.parameters["field"].endswith("slots"))
        assert not right or may_be, (method, parameters, model.now, why)
        counts["refused"] += 1
        counts[why.name] = counts.get(why.name, 0) + 1
        after = model.now
    else:
        assert right, (method, parameters, model.now, answer)
        counts[method] = counts.get(method, 0) + 1
        if method == "Configure":
            applied = answer["applied"]
            assert applied["configuration"] == after, (parameters, applied, after)
            asked = parameters["configuration"].get("size", model.now["size"])["width"]
            assert bool(applied["adjustments"]) == (asked != after["size"]["width"]), (parameters, applied)
        after = model.now if dry else after
    now = control.call("GetConfiguration")["configuration"]
    assert now == after, (method, parameters, model.now, now)
    model.now = now


def change_at_random(seed, refusals, **keywords):
    rng = random.Random(seed)
    with Camera("--source", "synthetic", "--size", "160x120", "--framerate", 400, "--size-change-rate", 1000,
                "--attach-rate", 100000, "--control-rate", 1000000, "--stream", "main", "--stream", "a", "--stream",
                "b=0,0,50,40", **keywords).wait_ready() as daemon:
        follow = Follow(daemon, "any", "main", "a", "b", "--handles", 8)
        other, counts = Other(daemon, seed), {"refused": 0}
        with Control(daemon) as control:
            wait_until(lambda: control.call("GetStatus")["status"]["source"]["captured"], "it runs")
            model = Model(rng, control.call("GetConfiguration")["configuration"])
            watcher = Watcher(daemon)
            watcher.start()
            other.start()
            try:
                for n in range(STEPS):
                    carry_out(control, model, counts, refusals)
                    assert len(shm_names(daemon.camera)) == len(model.now["streams"])
                    if n % 50 == 49:
                        daemon.process.send_signal(signal.SIGHUP)
                    if n % 20 == 19 and model.now["streams"]:
                        account(daemon, rng.choice(model.now["streams"])["name"])
            finally:
                other.over = True
                other.join()
            assert not other.fault, other.fault
            wait_until(lambda: watcher.configuration == model.now, "who watches knows")
            assert not watcher.twice
        _, seen = follow.end()
        print(f"figure: {STEPS} changes at random (seed {seed}): {counts}; {other.calls} calls of another; "
              f"{seen['verified']} frames verified, {seen['pinned']} pinned, {seen['replacements']} rings, "
              f"{seen['reopened']} times a stream was there again")
        assert daemon.stop() == 0
        assert not shm_names(daemon.camera)


def test_random_changes():
    change_at_random(SEED, None)


def test_random_refusals():
    refusals = Refusals()
    change_at_random(SEED, refusals, program=REFUSING,
                     env=dict(os.environ, LUMARING_REFUSE=os.path.abspath(refusals.file.name)))


def test_killed_in_the_middle():
    """The daemon is killed, or stopped, while a change is under way: nothing is left behind, and its readers go on."""
    rng = random.Random(SEED)
    with Camera("--source", "synthetic", "--size", "64x48", "--framerate", 300, "--size-change-rate", 1000,
                "--attach-rate", 100000, "--stream", "main", "--stream", "a", "--stream", "b").wait_ready() as daemon:
        follow = Follow(daemon, "any", "main", "a", "b", "--handles", 8)

        def sizes():
            return {"configuration": {"size": size(rng.randrange(40, 300), rng.randrange(30, 200))}}

        for life in range(6):
            control = Control(daemon)
            for _ in range(rng.randrange(20)):
                control.patiently("Configure", **sizes())
            control.send("Configure", sizes())
            if life % 3 == 2:
                daemon.stop()
            else:
                daemon.process.kill()
                daemon.wait_exit()
            control.close()
            os.truncate(daemon.log_path, 0)
            daemon.start()
            daemon.wait_ready()
            # Those that are left over go before it serves, its own come with the source's format.
            wait_until(lambda: len(shm_names(daemon.camera)) == 3, "as many rings as streams")
        with Control(daemon) as control:
            run_on(control)
        _, seen = follow.end()
        print(f"figure: 6 daemons ended in a change: {seen['verified']} frames verified, {seen['reopened']} times opened "
              "again, the others came back by themselves")
        assert seen["verified"] > 0 and daemon.stop() == 0
        assert not shm_names(daemon.camera)


def test_frames_of_a_change():
    """What was captured while the rings of a new size were put in place is lost, and counted under that cause."""
    with Camera("--source", "synthetic", "--size", "64x48", "--framerate", 10000, "--size-change-rate", 1000, "--stream",
                "main,always=true").wait_ready() as daemon, Control(daemon) as control:
        changes = 0

        def lost():
            return next(m["value"] for m in control.call("GetMetrics")["metrics"] if m["name"] == "frames_lost_total" and
                        m["labels"]["cause"] == "reconfigure")

        def change_again():
            nonlocal changes
            changes += 1
            control.patiently("Configure", configuration={"size": size(64 + 64 * (changes % 4), 48)})
            return lost()

        wait_until(change_again, "a frame comes while the size changes")
        account(daemon, "main")
        print(f"figure: {lost()} frames lost for changes of size, within {changes} of them at 10000 frames a second")
