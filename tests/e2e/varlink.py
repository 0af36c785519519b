# SPDX-License-Identifier: BSD-2-Clause
"""A Varlink client of a few lines, independent of the library's: calls, errors, several replies, either terminator."""
import json
import socket

from lib import DEADLINE_S

INTERFACE = "io.lumaring.Camera"


class Error(Exception):
    """An error reply: .name without our interface's prefix, .parameters."""

    def __init__(self, name, parameters):
        super().__init__(f"{name} {parameters}")
        self.name = name.removeprefix(INTERFACE + ".")
        self.parameters = parameters


class Control:
    """A connection to the control socket of a daemon of lib.py."""

    def __init__(self, daemon, end=b"\0", timeout_s=DEADLINE_S):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout_s)
        self.socket.connect(f"{daemon.runtime_dir}/{daemon.camera}/control")
        self.end = end
        self.left = b""

    def send(self, method, parameters=None, **envelope):
        method = method if "." in method else f"{INTERFACE}.{method}"
        call = {"method": method, **({} if parameters is None else {"parameters": parameters}), **envelope}
        self.socket.sendall(json.dumps(call).encode() + self.end)

    def receive_raw(self):
        """The bytes of the next message without its end; b"" at the end of the connection."""
        while self.end not in self.left:
            some = self.socket.recv(1 << 16)
            if not some:
                assert not self.left, f"half a message: {self.left}"
                return b""
            self.left += some
        message, self.left = self.left.split(self.end, 1)
        return message

    def receive(self):
        """(parameters, continues) of the next reply; Error; EOFError at the end of the connection."""
        message = self.receive_raw()
        if not message:
            raise EOFError
        reply = json.loads(message)
        if "error" in reply:
            raise Error(reply["error"], reply.get("parameters", {}))
        return reply.get("parameters", {}), reply.get("continues", False)

    def call(self, method, **parameters):
        self.send(method, parameters)
        reply, continues = self.receive()
        assert not continues
        return reply

    def watch(self, **parameters):
        """Replies of Watch, for ever."""
        self.send("Watch", parameters, more=True)
        while True:
            reply, continues = self.receive()
            assert continues
            yield reply

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()


def refused(action):
    """The Error that a call is answered with."""
    try:
        reply = action()
    except Error as error:
        return error
    raise AssertionError(f"not refused: {reply}")
