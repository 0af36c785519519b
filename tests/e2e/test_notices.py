# SPDX-License-Identifier: BSD-2-Clause
"""A queue of notices that is full: left alone until there is room, then told of once, so that nothing is slept through."""
import os

import raw
from lib import Daemon, wait_until

WIDTH, HEIGHT, FRAMES = 32, 16, 60


class Pipe:
    """Y4M into the daemon's FIFO, a frame when the test says so: nothing else is captured."""

    def __init__(self):
        os.mkfifo("pipe")

    def open(self):
        self.fd = os.open("pipe", os.O_WRONLY)
        os.write(self.fd, f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F1000:1 Cmono\n".encode())

    def frame(self):
        os.write(self.fd, b"FRAME\n" + bytes(WIDTH * HEIGHT))


def next_notice(client):
    """Past what is said of the state."""
    while (message := client.take()).type == raw.STATE:
        pass
    assert message.type == raw.NOTICE, message
    return message.publication


def test_full_queue():
    pipe = Pipe()
    options = ("--source", "replay:pipe", "--unpaced", "--slots", FRAMES + 4)
    with Daemon(*options) as daemon, raw.Client(daemon.wait_ready()) as client:
        pipe.open()
        client.attach()
        assert client.take().type == raw.STATE  # the one that follows the WELCOME
        pipe.frame()
        assert {client.take().type, client.take().type} == {raw.NOTICE, raw.STATE}  # the source is live
        for i in range(2, FRAMES + 1):
            pipe.frame()
            wait_until(lambda count=i: client.ring.published == count, f"frame {i} is published")
        notices = []
        while (message := client.take()).type == raw.NOTICE:
            notices.append(message.publication)
        # The queue's first ones, then the news that there is room: no notice after a dropped one comes before it.
        assert notices == list(range(2, 2 + len(notices))) and 4 <= len(notices) < FRAMES - 1, notices
        pipe.frame()  # they are sent again
        assert next_notice(client) == FRAMES + 1
        os.close(pipe.fd)
        assert daemon.stop() == 0
        log = daemon.log()
        dropped = int(log.split(" notices dropped")[0].split()[-1])
        assert dropped == FRAMES - 1 - len(notices), log


def test_many_full_queues():
    """Fifty that do not read are tried once each; who reads hears of every frame."""
    pipe = Pipe()
    with Daemon("--source", "replay:pipe", "--unpaced", "--slots", 8) as daemon:
        daemon.wait_ready()
        pipe.open()
        deaf = [raw.Client(daemon).attach(cursors=0) for _ in range(50)]
        with raw.Client(daemon) as client:
            client.attach(cursors=0)
            for i in range(1, FRAMES + 1):
                pipe.frame()
                assert next_notice(client) == i
        for other in deaf:
            other.socket.close()
        os.close(pipe.fd)
        assert daemon.stop() == 0
