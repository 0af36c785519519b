# SPDX-License-Identifier: BSD-2-Clause
"""A client of the control socket, as anybody could write one: JSON objects over a stream, ended by a NUL or a newline."""
import contextlib
import json
import socket
import time

from lib import DEADLINE_S, Daemon, wait_until

INTERFACE = "io.lumaring.Camera"


class Refused(Exception):
    """An error of the interface: .name is without the interface, .parameters has its fields."""

    def __init__(self, message):
        super().__init__(json.dumps(message))
        self.name = message["error"].removeprefix(f"{INTERFACE}.")
        self.parameters = message.get("parameters", {})


def no_floats(text):
    raise AssertionError(f"{text} is not a whole number")


class Control:
    def __init__(self, daemon, terminator=b"\0"):
        self.terminator = terminator
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect(f"{daemon.runtime_dir}/{daemon.camera}/control")
        self.rest = b""

    def send(self, method, parameters=None, **flags):
        message = {"method": method if "." in method else f"{INTERFACE}.{method}", **flags}
        if parameters is not None:
            message["parameters"] = parameters
        self.socket.sendall(json.dumps(message).encode() + self.terminator)

    def receive(self):
        while self.terminator not in self.rest:
            data = self.socket.recv(1 << 16)
            assert data, f"the daemon hung up after {self.rest!r}"
            self.rest += data
        text, self.rest = self.rest.split(self.terminator, 1)
        message = json.loads(text, parse_float=no_floats)
        if "error" in message:
            raise Refused(message)
        return message

    def call(self, method, **parameters):
        self.send(method, parameters or None)
        message = self.receive()
        assert not message.get("continues"), message
        return message.get("parameters", {})

    def patiently(self, method, **parameters):
        """Ask again while the daemon is busy; returns the answer and how often it was."""
        end = time.monotonic() + DEADLINE_S
        busy = 0
        while True:
            try:
                return self.call(method, **parameters), busy
            except Refused as why:
                if why.name != "Busy" or time.monotonic() > end:
                    raise
                busy += 1
                time.sleep(why.parameters["retry_after_us"] / 1e6)

    def configure(self, dry_run=None, strict=None, **configuration):
        flags = {name: value for name, value in (("dry_run", dry_run), ("strict", strict)) if value is not None}
        return self.call("Configure", configuration=configuration, **flags)["applied"]

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.close()


class Camera(Daemon):
    """A daemon that is ready when its source has said what its frames look like: before, it takes no change."""

    def wait_ready(self):
        super().wait_ready()
        with Control(self) as control:
            wait_until(lambda: control.call("GetStatus")["status"]["source"]["width"], "the format")
        return self


@contextlib.contextmanager
def refused(name, **parameters):
    """The block ends in this error, with at least these fields."""
    try:
        yield
    except Refused as why:
        assert why.name == name, why
        for key, value in parameters.items():
            assert why.parameters[key] == value, (key, value, why)
        return
    raise AssertionError(f"not refused as {name}")


def size(width, height):
    return {"width": width, "height": height}


def region(x, y, width, height):
    return {"x": x, "y": y, "width": width, "height": height}


def stream(configuration, name):
    return next(s for s in configuration["streams"] if s["name"] == name)
