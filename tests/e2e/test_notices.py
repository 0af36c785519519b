# SPDX-License-Identifier: BSD-2-Clause
"""A queue of notices that is full: left alone until there is room, then told of once, so that nothing is slept through."""
import json
import os
import resource
import select
import time

import raw
from lib import Daemon, skip_unless, wait_until
from test_daemon import SYNTHETIC

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
            # Follows the WELCOME: from here on it is told of every frame; one before is found in the ring.
            assert client.take().type == raw.STATE
            for i in range(1, FRAMES + 1):
                pipe.frame()
                assert next_notice(client) == i
        for other in deaf:
            other.socket.close()
        os.close(pipe.fd)
        assert daemon.stop() == 0


def test_replaced_while_full():
    """An event that comes up while the queue is full follows when there is room."""
    pipe = Pipe()
    with Daemon("--source", "replay:pipe", "--unpaced", "--slots", 8) as daemon, raw.Client(daemon.wait_ready()) as client:
        pipe.open()
        client.attach()
        for i in range(1, FRAMES + 1):
            pipe.frame()
            wait_until(lambda count=i: client.ring.published == count, f"frame {i} is published")
        os.write(pipe.fd, b"YUV4MPEG2 W64 H64 F1000:1 Cmono\nFRAME\n" + bytes(64 * 64))
        wait_until(lambda: client.ring.state == raw.RING_REPLACED, "the ring is replaced")
        epoch = client.ring.epoch
        while client.ring.epoch == epoch:
            assert client.take() is not None    # TimeoutError: lost
        wait_until(lambda: client.ring.published == FRAMES + 1, "the frame in the new ring")
        os.close(pipe.fd)
        assert daemon.stop() == 0


def latencies_us(client, count):
    """From publication to notice, in the order of size."""
    late = []
    while len(late) < count:
        message = client.take()
        if message.type == raw.NOTICE:
            late.append((time.clock_gettime_ns(time.CLOCK_MONOTONIC) - message.publish_ns) // 1000)
    return sorted(late)


def test_costly_to_tell():
    """A client whose socket is watched a hundred thousand times makes each send to it take milliseconds of the daemon's
    time. It is told last and seldom; nobody else notices."""
    copies, sets = 15000, 8
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    skip_unless(limit > copies + 200, f"{copies} descriptors are not to be had")
    with Daemon(*SYNTHETIC[:4], "--framerate", 56) as daemon, raw.Client(daemon.wait_ready()) as honest:
        honest.attach(cursors=0)
        before = latencies_us(honest, 56)
        child = os.fork()
        if child == 0:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
                hostile = raw.Client(daemon).attach(cursors=0)
                watched = [os.dup(hostile.socket.fileno()) for _ in range(copies)]
                watches = [select.epoll() for _ in range(sets)]
                for watch in watches:
                    for fd in watched:
                        watch.register(fd, select.EPOLLIN)
                while hostile.take() is not None:
                    pass
            finally:
                os._exit(0)
        try:
            def dropped():
                clients = [c for c in clients_of(daemon) if c["pid"] == child]
                while select.select([honest.socket], [], [], 0)[0]:
                    honest.take()
                return clients and clients[0]["notices_dropped"] > 56
            wait_until(dropped, "the hostile one is told seldom")
            during = latencies_us(honest, 112)
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)
        print(f"figure: an honest client beside one whose socket is watched {copies * sets} times: notice p50 "
              f"{during[56]} us, p90 {during[100]} us (before: {before[28]} us, {before[50]} us)")
        assert daemon.stop() == 0


def clients_of(daemon):
    return json.loads(daemon.tool("status", "--json").communicate()[0])["clients"]
