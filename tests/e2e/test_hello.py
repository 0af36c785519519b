# SPDX-License-Identifier: BSD-2-Clause
"""What a client may say to the daemon: every wrong HELLO is refused with a code and a sentence, every limit holds at
its value and not one beyond, and nobody else notices.
"""
import errno
import os
import socket

import clips
import raw
from lib import Daemon, shm_names, wait_until

WIDTH, HEIGHT = 64, 48


def synthetic(*options, **keywords):
    return Daemon("--source", "synthetic", "--size", f"{WIDTH}x{HEIGHT}", "--framerate", 100, *options, **keywords)


def refusal(daemon, packet, code, sentence):
    """The packet is answered with this refusal and the connection closed."""
    with raw.Client(daemon) as client:
        try:
            client.ask(packet)
        except raw.Refused as refused:
            assert refused.code == code and sentence in refused.text, (refused.code, refused.text)
        else:
            raise AssertionError(f"not refused: {packet!r}")
        assert client.take() is None


def serves(daemon):
    """An honest client gets a frame."""
    with raw.Client(daemon) as client:
        ring, d, pixels = next(client.attach().newest())
        assert len(pixels) == d.width * d.height
        raw.check_account(d, ring.header.sequence_first)


def unharmed(daemon, descriptors):
    serves(daemon)
    wait_until(lambda: daemon.fd_count() == descriptors, f"{descriptors} descriptors as before")


def test_form():
    good = raw.hello()
    with synthetic() as daemon:
        before = raw.descriptors_at_rest(daemon.wait_ready())
        for packet, sentence in (
                (b"\1", "the message is shorter than a message header"),
                (good[:7], "the message is shorter than a message header"),
                (raw.MESSAGE.pack(raw.HELLO, 8, 0), "HELLO is shorter than 80 bytes"),
                (raw.hello(size=79)[:79], "HELLO is shorter than 80 bytes"),
                (good[:79], "the size in the message is not the size of the packet"),
                (good + b"\0", "the size in the message is not the size of the packet"),
                (raw.hello(size=0), "the size in the message is not the size of the packet"),
                (raw.hello(size=65535), "the size in the message is not the size of the packet"),
                (raw.hello(size=513) + bytes(513 - 88), "the message is longer than 512 bytes"),
                (raw.hello(size=60000) + bytes(60000 - 88), "the message is longer than 512 bytes"),
                (raw.hello(type=0), "the first message must be HELLO"),
                (raw.hello(type=raw.WELCOME), "the first message must be HELLO"),
                (raw.hello(type=65535), "the first message must be HELLO"),
                (raw.hello(flags=4), "HELLO has a flag this daemon does not know"),
                (raw.hello(flags=raw.HELLO_PRIVATE | 1 << 31), "HELLO has a flag this daemon does not know"),
                (raw.hello(cursors=9), "HELLO asks for more than 8 cursors"),
                (raw.hello(cursors=2**32 - 1), "HELLO asks for more than 8 cursors")):
            refusal(daemon, packet, errno.EINVAL, "bad hello: " + sentence)
        assert "refused client pid %d, uid %d: bad hello" % (os.getpid(), os.getuid()) in daemon.log()
        unharmed(daemon, before)


def test_other_hellos():
    """Of a newer client, read as far as it is known, up to the longest message; and of older ones, who could not say
    what a private stream's pixels are."""
    with synthetic() as daemon:
        daemon.wait_ready()
        for size in (89, 512):
            with raw.Client(daemon) as client:
                client.ask(raw.hello(size=size) + b"\xff" * (size - 88))
        for size in (80, 84, 88):
            for packet in (raw.hello(size=size), private(size=size)):
                with raw.Client(daemon) as client:
                    _, d, _ = next(client.ask(packet[:size]).newest())
                    assert (d.fourcc, d.bin, d.width) == (raw.R8, 1, WIDTH), d


def test_versions():
    with synthetic() as daemon:
        before = raw.descriptors_at_rest(daemon.wait_ready())
        for low, high in ((0, 0), (2, 2), (2, 2**32 - 1)):
            refusal(daemon, raw.hello(version_min=low, version=high), errno.EPROTONOSUPPORT,
                    f"the client speaks versions {low} to {high} of the protocol, this daemon 1 to 1")
        for low, high in ((1, 1), (0, 1), (1, 2**32 - 1)):
            with raw.Client(daemon) as client:
                assert client.attach(version_min=low, version=high).welcome.version == 1
        unharmed(daemon, before)


def test_streams():
    longest = "s" * 32
    with synthetic("--stream", "main", "--stream", longest) as daemon:
        before = raw.descriptors_at_rest(daemon.wait_ready())
        for name in ("other", "mai", "mainn", "private-1", "t" * 32):
            refusal(daemon, raw.hello(name), errno.ENOENT,
                    f'there is no stream "{name}"; streams of {daemon.camera} are: main, {longest}')
        for name in ("Main", "a b", "../main", "ma\x01n", "m\u00e4in", "x" * 31 + "!"):
            refusal(daemon, raw.hello(name), errno.EINVAL, "bad hello: the stream's name is not 1 to 32 of a-z, 0-9")
        with raw.Client(daemon) as client:
            assert client.attach(longest).welcome.stream == client.ring.header.stream == longest.encode()
        with raw.Client(daemon) as client:
            assert raw.text(client.attach("").welcome.stream) == "main"
        unharmed(daemon, before)


def test_stream_limit():
    names = [f"s{n}" for n in range(17)]
    options = [option for name in names for option in ("--stream", name)]
    with synthetic(*options[:32]) as daemon:
        daemon.wait_ready()
        for name in names[:16]:
            with raw.Client(daemon) as client:
                next(client.attach(name).newest())
        refusal(daemon, raw.hello("s16"), errno.ENOENT, 'there is no stream "s16"')
    with synthetic(*options) as daemon:
        assert daemon.wait_exit() == 2
        assert "--stream: more than 16 streams" in daemon.log()


def test_cursor_grants():
    """All grants together leave two slots free; what a client had goes to the next one."""
    with synthetic("--slots", 8) as daemon:
        before = raw.descriptors_at_rest(daemon.wait_ready())
        clients = [raw.Client(daemon) for _ in range(5)]
        granted = [c.attach(cursors=wanted).welcome.cursors for c, wanted in zip(clients, (2, 1, 0, 8, 2))]
        assert granted == [2, 1, 0, 3, 0], granted
        clients[0].close()
        wait_until(lambda: daemon.fd_count() == before + 4, "the first one is gone")
        with raw.Client(daemon) as client:
            assert client.attach(cursors=8).welcome.cursors == 2
        for client in clients[1:]:
            client.close()
        unharmed(daemon, before)
    with synthetic("--slots", 4) as daemon, raw.Client(daemon.wait_ready()) as client:
        assert client.attach(cursors=8).welcome.cursors == 2
    with synthetic("--slots", 10) as daemon, raw.Client(daemon.wait_ready()) as client:
        assert client.attach(cursors=8).welcome.cursors == 8


def private(region=(0, 0, 0, 0), **fields):
    return raw.hello("", flags=raw.HELLO_PRIVATE, region=region, **fields)


def test_private():
    with synthetic() as daemon:
        before = raw.descriptors_at_rest(daemon.wait_ready())
        for fields, sentence in (
                (dict(region=(65536, 0, 1, 1)), "bad hello: a value of the region is above 65535"),
                (dict(region=(0, 2**32 - 1, 1, 1)), "bad hello: a value of the region is above 65535"),
                (dict(region=(0, 0, 65536, 1)), "bad hello: a value of the region is above 65535"),
                (dict(region=(0, 0, 1, 2**31)), "bad hello: a value of the region is above 65535"),
                (dict(width_max=65536), "bad hello: a side of the capacity is above 65535"),
                (dict(height_max=2**32 - 1), "bad hello: a side of the capacity is above 65535"),
                (dict(slots=3), "bad hello: slots must be 4 to 65535, or 0 for the default"),
                (dict(slots=65536), "bad hello: slots must be 4 to 65535, or 0 for the default"),
                (dict(fourcc=1), "bad hello: the pixel format must be the fourcc R8 or R16, or 0 for R8"),
                (dict(fourcc=int.from_bytes(b"R10 ", "little")), "bad hello: the pixel format must be the fourcc R8"),
                (dict(bin=3), "bad hello: bin must be 1 or 2, or 0 for 1"),
                (dict(bin=2**32 - 1), "bad hello: bin must be 1 or 2, or 0 for 1"),
                (dict(region=(WIDTH, 0, 1, 1)), f"region {WIDTH},0,1,1 does not lie inside the image of 64x48"),
                (dict(region=(WIDTH, 0, 0, 0)), f"region {WIDTH},0,0,0 does not lie inside the image of 64x48"),
                (dict(region=(0, 0, WIDTH + 1, HEIGHT)), "does not lie inside the image of 64x48"),
                (dict(region=(1, 0, WIDTH, HEIGHT)), "does not lie inside the image of 64x48"),
                (dict(region=(0, 1, WIDTH, HEIGHT)), "does not lie inside the image of 64x48"),
                (dict(region=(65535, 65535, 65535, 65535)), "does not lie inside the image of 64x48")):
            refusal(daemon, private(**fields), errno.EINVAL, sentence)
        for fields, capacity in (
                (dict(region=(0, 0, WIDTH, HEIGHT)), (WIDTH, HEIGHT)),
                (dict(region=(WIDTH - 1, HEIGHT - 1, 1, 1)), (1, 1)),
                (dict(region=(60, 40, 0, 0)), (4, 8)),
                (dict(region=(8, 8, 16, 16), width_max=32, height_max=24, slots=4), (32, 24))):
            with raw.Client(daemon) as client:
                client.ask(private(**fields))
                header = client.ring.header
                assert (header.width_max, header.height_max) == capacity
                assert header.slot_count == (fields.get("slots") or 8)
                assert raw.text(client.welcome.stream).startswith("private-")
                ring, d, _ = next(client.newest())
                region = fields["region"]
                assert (d.region_x, d.region_y) == region[:2] and region[2] in (0, d.width), d
                assert not [name for name in shm_names(daemon.camera) if ".private-" in name]
        unharmed(daemon, before)


def test_private_bytes():
    """The ceiling of all private rings together: at the limit, one byte less, and given back."""
    with synthetic() as daemon, raw.Client(daemon.wait_ready()) as client:
        needed = client.attach_private().welcome.ring_bytes
    with synthetic("--private-bytes", needed - 1) as daemon:
        before = raw.descriptors_at_rest(daemon.wait_ready())
        refusal(daemon, private(), errno.EDQUOT,
                f"a private ring of {needed} bytes is beyond what is left of private-bytes {needed - 1}: {needed - 1}")
        refusal(daemon, private(width_max=65535, height_max=65535, slots=65535), errno.EDQUOT, "is beyond what is left")
        unharmed(daemon, before)
    with synthetic("--private-bytes", 2 * needed) as daemon:
        before = raw.descriptors_at_rest(daemon.wait_ready())
        for _ in range(3):
            with raw.Client(daemon) as first, raw.Client(daemon) as second:
                first.attach_private()
                second.attach_private()
                refusal(daemon, private(), errno.EDQUOT, f"beyond what is left of private-bytes {2 * needed}: 0")
                next(first.newest())
                next(second.newest())
            wait_until(lambda: daemon.fd_count() == before, "both are gone")
        unharmed(daemon, before)
    with synthetic("--private-bytes", 0) as daemon:
        daemon.wait_ready()
        refusal(daemon, private(), errno.EDQUOT, "beyond what is left of private-bytes 0: 0")
    # The ceiling for one ring holds for private ones as well.
    with synthetic("--ring-bytes", needed) as daemon:
        daemon.wait_ready()
        refusal(daemon, private(slots=9), errno.EDQUOT, f"more than the allowed {needed}")
        with raw.Client(daemon) as client:
            client.attach_private()


def test_client_limit():
    reserve = 8 if os.getuid() == 0 else 0  # for root, beyond the limit
    count = 3 + reserve
    with synthetic("--clients-max", 3) as daemon:
        before = raw.descriptors_at_rest(daemon.wait_ready())
        clients = [raw.Client(daemon).attach() for _ in range(count - 1)]
        silent = raw.Client(daemon)  # a connection counts before it has said anything
        wait_until(lambda: daemon.fd_count() >= before + count, "all connections")
        with raw.Client(daemon) as refused:
            message, _ = refused.receive()
            assert message.type == raw.REFUSAL and message.code == errno.EUSERS
            assert raw.text(message.text) == (f"this camera has {count} clients already, its limit (clients-max"
                                              f"{', and some more for root' if reserve else ''}): close some, or raise it")
            assert refused.take() is None
        silent.attach()
        clients.append(silent)
        for client in clients:
            next(client.newest())
            client.close()
        wait_until(lambda: daemon.fd_count() == before, "all are gone")
        unharmed(daemon, before)


def test_after_hello():
    """What a client says after its HELLO is skipped, whatever it is."""
    with synthetic() as daemon:
        before = raw.descriptors_at_rest(daemon.wait_ready())
        with raw.Client(daemon) as client:
            frames = client.attach().newest()
            for packet in (raw.hello(), raw.hello("nonsense", cursors=99), b"\0", os.urandom(500), bytes(100000)):
                client.send(packet)
                for _ in range(3):
                    next(frames)    # its take() would fail on a second WELCOME or a REFUSAL
            assert client.welcome.cursors == 2 and len(client.rings) == 1
        unharmed(daemon, before)


def test_descriptors_are_ignored():
    with synthetic() as daemon:
        before = raw.descriptors_at_rest(daemon.wait_ready())
        with raw.Client(daemon) as client, open("/dev/null", "rb") as null:
            client.send(raw.hello(), [null.fileno()] * 253)
            message, fds = client.receive()
            assert message.type == raw.WELCOME
            for fd in fds:
                os.close(fd)
            client.send(b"more", [null.fileno()] * 253)
            with raw.Client(daemon) as other:
                next(other.attach().newest())
                wait_until(lambda: daemon.fd_count() == before + 2, "two sockets and nothing else")
        with raw.Client(daemon) as client, open("/dev/null", "rb") as null:
            client.send(b"bad", [null.fileno()] * 253)
            assert client.receive()[0].code == errno.EINVAL
        unharmed(daemon, before)


def test_half_open():
    """Connections that end in every place they can."""
    with synthetic() as daemon:
        before = raw.descriptors_at_rest(daemon.wait_ready())
        for how in (socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR):
            with raw.Client(daemon) as client:      # before HELLO
                client.socket.shutdown(how)
                if how == socket.SHUT_RD:
                    client.send(raw.hello())
                wait_until(lambda: daemon.fd_count() == before, f"let go of after shutdown({how})")
            with raw.Client(daemon) as client:      # after WELCOME
                client.attach()
                client.socket.shutdown(how)
                if how == socket.SHUT_WR:           # it can still be told that this is the end
                    while client.take() is not None:
                        pass
                if how != socket.SHUT_RD:
                    wait_until(lambda: daemon.fd_count() == before, f"let go of after shutdown({how})")
        for packets in ([], [b""], [raw.hello()], [raw.hello(), b""], [b"", raw.hello()]):
            with raw.Client(daemon) as client:      # gone before it is answered
                try:
                    for packet in packets:
                        client.send(packet)
                except BrokenPipeError:
                    pass
        unharmed(daemon, before)


def test_silent():
    """Who says nothing is let go after a while; others do not wait for that."""
    with synthetic() as daemon:
        before = raw.descriptors_at_rest(daemon.wait_ready())
        silent = [raw.Client(daemon) for _ in range(3)]
        serves(daemon)
        reader = raw.Client(daemon).attach()
        for client in silent:
            assert client.take() is None
            client.close()
        next(reader.newest())   # who said HELLO stays
        reader.close()
        unharmed(daemon, before)


def test_before_the_format():
    """A source that has not said yet what its frames look like: clients wait for their answer, or leave."""
    os.mkfifo("pipe")
    with Daemon("--source", "replay:pipe", "--wait-clients", 2) as daemon:
        before = daemon.wait_ready().fd_count()
        refusal(daemon, raw.hello("other"), errno.ENOENT, 'there is no stream "other"')
        for packet in (raw.hello(), private(region=(0, 0, 20, 10))):
            with raw.Client(daemon) as client:
                client.send(packet)
                try:
                    client.receive(0.05)
                    raise AssertionError("answered without a format")
                except TimeoutError:
                    pass
        wait_until(lambda: daemon.fd_count() == before, "those who left are gone")
        good, small, large = (raw.Client(daemon) for _ in range(3))
        good.send(raw.hello())
        small.send(private(region=(0, 0, 20, 10)))
        large.send(private(region=(0, 0, 21, 10)))
        with open("pipe", "wb") as pipe:
            pipe.write(clips.y4m(20, 10, 2))
            pipe.flush()
            message, _ = large.receive()
            assert message.type == raw.REFUSAL and message.code == errno.EINVAL, message
            assert "region 0,0,21,10 does not lie inside the image of 20x10" in raw.text(message.text)
            assert large.take() is None
            for client in (good, small):
                next(client.take_welcome().frames())    # by the ring: no notice tells of what comes before it listens
        for client in (good, small, large):
            client.close()
        assert daemon.stop() == 0
