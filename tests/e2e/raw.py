# SPDX-License-Identifier: BSD-2-Clause
"""The frame socket and the shared memory by hand: protocol.h and layout.h as Python, for tests that must see or do what
the client library hides.

Client speaks the socket, Ring reads a ring, Page holds cursors. Nothing here is lenient: what contradicts the headers
is an AssertionError. Words are read and written through 64-bit memoryviews, so each access is one load or store.
"""
import collections
import ctypes
import errno
import json
import mmap
import os
import platform
import select
import socket
import struct
import time

from lib import DEADLINE_S, wait_until

# A process that says the same hello again and again, and is refused: SOCKET HELLO-IN-HEX TIMES. Prints whose it is.
KNOCK = """
import os, socket, sys
path, hello, times = sys.argv[1], bytes.fromhex(sys.argv[2]), int(sys.argv[3])
for _ in range(times):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.connect(path)
        s.send(hello)
        assert s.recv(512)[0] == 3
print(os.getpid(), os.getuid())
"""

# --- protocol.h ------------------------------------------------------------------------------------------------------

VERSION = 1
HELLO, WELCOME, REFUSAL, NOTICE, STATE, REPLACED, STATUS_REQUEST, STATUS = range(1, 9)
HELLO_PRIVATE, HELLO_FUTEX = 1, 2
STATUS_LAST = 1
HELLO_BYTES_MIN = 80
MESSAGE_MAX = 512
CURSORS_MAX = 8

MESSAGE = struct.Struct("<HHI")


def message_type(name, code, layout, fields):
    tuple_type = collections.namedtuple(name, "type size flags " + fields)
    return code, (struct.Struct("<HHI" + layout), tuple_type)


MESSAGES = dict([
    message_type("Hello", HELLO, "II32sII4I4I", "version version_min stream cursors slots region_x region_y "
                 "region_width region_height width_max height_max fourcc bin"),
    message_type("Welcome", WELCOME, "II3Q4I4I32s2I", "version cursors epoch published ring_bytes page_bytes "
                 "cursor_offset cursor_stride region_offset image_width image_height frame_duration_us daemon_pid "
                 "stream wake_offset account_offset"),
    message_type("Refusal", REFUSAL, "II240s", "code reserved text"),
    message_type("Notice", NOTICE, "6Q2I", "epoch sequence publication sensor_ns ready_ns publish_ns slot generation"),
    message_type("State", STATE, "Q2I", "epoch state generation"),
    message_type("Replaced", REPLACED, "3Q4I", "epoch_old epoch ring_bytes image_width image_height cursors reserved"),
])
SIZES = {HELLO: 88, WELCOME: 112, REFUSAL: 256, NOTICE: 64, STATE: 24, REPLACED: 48}
for _type, (_struct, _) in MESSAGES.items():
    assert _struct.size == SIZES[_type], _type
Piece = collections.namedtuple("Piece", "type size flags text")


def hello(stream="main", cursors=2, **fields):
    """A HELLO packet; any field, also type, size and flags, by name. A region is region=(x, y, w, h)."""
    layout, hello_type = MESSAGES[HELLO]
    x, y, width, height = fields.pop("region", (0, 0, 0, 0))
    values = dict(type=HELLO, size=layout.size, flags=0, version=VERSION, version_min=VERSION,
                  stream=stream if isinstance(stream, bytes) else stream.encode(), cursors=cursors, slots=0, region_x=x,
                  region_y=y, region_width=width, region_height=height, width_max=0, height_max=0, fourcc=0, bin=0)
    values.update(fields)
    return layout.pack(*hello_type(**values))


STATUS_REQUEST_PACKET = MESSAGE.pack(STATUS_REQUEST, MESSAGE.size, 0)


def parse(packet):
    """A message of the daemon as a named tuple."""
    assert len(packet) >= MESSAGE.size, packet
    kind, size, flags = MESSAGE.unpack_from(packet)
    if kind == STATUS:
        assert MESSAGE.size < size == len(packet) <= MESSAGE_MAX and flags in (0, STATUS_LAST), (size, flags)
        assert flags or size == MESSAGE_MAX, "a piece that is not the last one has room"
        return Piece(kind, size, flags, packet[MESSAGE.size:])
    assert kind in MESSAGES and kind != HELLO, f"type {kind}"
    assert size == len(packet) == SIZES[kind] and flags == 0, (kind, size, flags, len(packet))
    layout, message = MESSAGES[kind]
    return message(*layout.unpack(packet))


def text(field):
    return field.split(b"\0", 1)[0].decode()


# --- layout.h --------------------------------------------------------------------------------------------------------

MAGIC = b"LUMARING"
WRITING, LIVE, RETIRING = range(3)
PAUSED, RUNNING, SOURCE_LOST, RING_REPLACED, CLOSED = range(5)
LOST = dict(unread=0, no_slot=1, copy_late=2, reconfigure=3, error=4, sensor=8, camera=9, cancelled=10, startup=11)
LOST_SEQUENCED = 8
R8 = int.from_bytes(b"R8  ", "little")
R16 = int.from_bytes(b"R16 ", "little")

HEADER = struct.Struct("<8sIIIIQQ16sQQQQIIIIQIIQ32s32s")
Header = collections.namedtuple("Header", "magic layout_version reader_version_min header_bytes descriptor_bytes "
                                "object_bytes epoch boot_id descriptors_offset order_offset slots_offset slot_bytes "
                                "slot_count order_count width_max height_max sequence_first writer_pid reserved_0 "
                                "writer_start camera stream")
PUBLISHED_OFFSET, STATE_OFFSET, LEDGER_OFFSET = 256, 384, 512
DESCRIPTOR = struct.Struct("<6Q16I16x16Q")
Descriptor = collections.namedtuple("Descriptor", "word publication sensor_ns ready_ns publish_ns camera_sequence "
                                    "generation fourcc width height stride bin region_x region_y region_width "
                                    "region_height image_width image_height frame_duration_us exposure_us "
                                    "analogue_gain_milli flags slot lost")
assert HEADER.size == 192 and DESCRIPTOR.size == 256


def region_word(x, y, width, height):
    return x | y << 16 | width << 32 | height << 48


class Gone(Exception):
    """The frame is not in the ring any more."""


class Ring:
    """A ring, mapped read-only; takes over the descriptor."""

    def __init__(self, fd):
        self.fd = fd
        self.bytes = os.fstat(fd).st_size
        self.map = mmap.mmap(fd, self.bytes, mmap.MAP_SHARED, mmap.PROT_READ)
        self.view = memoryview(self.map)
        self.words = self.view.cast("Q")
        self.header = h = Header(*HEADER.unpack_from(self.map))
        self.epoch = h.epoch
        assert h.magic == MAGIC and h.layout_version == h.reader_version_min == 1, h
        assert h.object_bytes == self.bytes and h.header_bytes == 640 and h.descriptor_bytes == DESCRIPTOR.size, h
        assert h.order_count >= h.slot_count >= 4, h
        assert h.descriptors_offset >= h.header_bytes, h
        assert h.order_offset >= h.descriptors_offset + h.slot_count * h.descriptor_bytes, h
        assert h.slots_offset >= h.order_offset + h.order_count * 8, h
        assert self.bytes >= h.slots_offset + h.slot_count * h.slot_bytes, h
        assert h.slot_bytes >= h.width_max * h.height_max, h

    def close(self):
        self.words.release()
        self.view.release()
        self.map.close()
        os.close(self.fd)

    @property
    def published(self):
        return self.words[PUBLISHED_OFFSET // 8]

    @property
    def state(self):
        return struct.unpack_from("<I", self.map, STATE_OFFSET)[0]

    @property
    def generation(self):
        return struct.unpack_from("<I", self.map, STATE_OFFSET + 4)[0]

    @property
    def luma_range(self):
        return struct.unpack_from("<I", self.map, STATE_OFFSET + 8)[0]

    @property
    def sensor_clock(self):
        return struct.unpack_from("<I", self.map, STATE_OFFSET + 12)[0]

    def ledger(self):
        return list(struct.unpack_from("<16Q", self.map, LEDGER_OFFSET))

    def word(self, slot):
        """(sequence, state) of a slot."""
        word = self.words[(self.header.descriptors_offset + slot * self.header.descriptor_bytes) // 8]
        return word >> 2, word & 3

    def slot_of(self, publication):
        """R2: where a publication went."""
        entry = self.words[self.header.order_offset // 8 + publication % self.header.order_count]
        if entry >> 16 != publication:
            raise Gone(publication)
        slot = entry & 0xffff
        assert slot < self.header.slot_count, slot
        return slot

    def descriptor(self, slot):
        """As it is just now: to be verified by the caller."""
        offset = self.header.descriptors_offset + slot * self.header.descriptor_bytes
        values = DESCRIPTOR.unpack_from(self.map, offset)
        return Descriptor(*values[:22], slot, values[22:])

    def pixels(self, descriptor):
        """The rows without their padding."""
        d = descriptor
        at = self.header.slots_offset + d.slot * self.header.slot_bytes
        assert d.fourcc in (R8, R16) and d.bin in (1, 2), d
        row = d.width * (2 if d.fourcc == R16 else 1)
        assert row <= d.stride and d.stride % 64 == 0 and d.stride * d.height <= self.header.slot_bytes, d
        assert 0 < d.width <= self.header.width_max and 0 < d.height <= self.header.height_max, d
        assert (d.region_width, d.region_height) == (d.width * d.bin, d.height * d.bin), d
        if row == d.stride:
            return bytes(self.view[at:at + d.stride * d.height])
        return b"".join(self.view[at + y * d.stride:at + y * d.stride + row] for y in range(d.height))

    def copy(self, publication):
        """R6: (descriptor, pixels) of a publication, copied and verified, or Gone."""
        slot = self.slot_of(publication)
        sequence, state = self.word(slot)
        if state == WRITING:
            raise Gone(publication)
        descriptor = self.descriptor(slot)
        if descriptor.publication != publication:
            raise Gone(publication)
        pixels = self.pixels(descriptor)
        fence()
        after, state = self.word(slot)
        if after != sequence or state == WRITING:
            raise Gone(publication)
        return descriptor, pixels

    def oldest(self):
        """The oldest publication still there, 0: none."""
        newest = self.published
        for publication in range(max(1, newest - self.header.slot_count), newest + 1):
            try:
                self.copy(publication)
                return publication
            except Gone:
                pass
        return 0


def fence():
    """A full barrier for this thread: entering the scheduler is one."""
    os.sched_yield()


LIBC = ctypes.CDLL(None, use_errno=True)
SYS_FUTEX = {"x86_64": 202, "aarch64": 98}[platform.machine()]
FUTEX_WAIT = 0


class Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


class Page:
    """A client page; takes over the descriptor."""

    def __init__(self, fd, welcome):
        self.fd = fd
        self.map = mmap.mmap(fd, welcome.page_bytes)
        self.words = memoryview(self.map).cast("Q")
        self.halves = memoryview(self.map).cast("I")
        self.welcome = welcome

    @property
    def wake(self):
        """(word, waiting, events)."""
        at = self.welcome.wake_offset // 4
        return tuple(self.halves[at:at + 3])

    def set_wake(self, word, waiting, events):
        at = self.welcome.wake_offset // 4
        self.halves[at], self.halves[at + 1], self.halves[at + 2] = word, waiting, events

    def account(self):
        """(seen, missed, copied, publication), as the client itself says."""
        at = self.welcome.account_offset // 8
        return tuple(self.words[at:at + 4])

    def futex_wait(self, seen, timeout_s=DEADLINE_S):
        """N2 and N3, without the short time that would hide a lost wake: TimeoutError when nobody wakes."""
        at = self.welcome.wake_offset
        word = ctypes.c_uint32.from_buffer(self.map, at)
        self.halves[at // 4 + 1] = 1
        fence()
        time_left = Timespec(int(timeout_s), int(timeout_s % 1 * 1e9))
        r = LIBC.syscall(SYS_FUTEX, ctypes.byref(word), FUTEX_WAIT, ctypes.c_uint32(seen), ctypes.byref(time_left),
                         None, 0)
        self.halves[at // 4 + 1] = 0
        if r < 0 and ctypes.get_errno() == errno.ETIMEDOUT:
            raise TimeoutError(f"nobody wakes, the word is {self.wake[0]}, seen was {seen}")
        assert r == 0 or ctypes.get_errno() in (errno.EAGAIN, errno.EINTR), os.strerror(ctypes.get_errno())

    def _cursor(self, index):
        return (self.welcome.cursor_offset + index * self.welcome.cursor_stride) // 8

    def cursor(self, index):
        return self.words[self._cursor(index)]

    def set_cursor(self, index, sequence):
        self.words[self._cursor(index)] = sequence

    def set_region(self, x, y, width, height):
        self.words[self.welcome.region_offset // 8] = region_word(x, y, width, height)

    def pin(self, ring, publication, index=0):
        """R4: the descriptor of the pinned frame, or Gone. Only for a granted cursor."""
        assert index < self.welcome.cursors
        slot = ring.slot_of(publication)
        descriptor = ring.descriptor(slot)
        sequence = descriptor.word >> 2
        self.set_cursor(index, sequence)
        fence()
        end = time.monotonic() + DEADLINE_S
        while ring.word(slot) == (sequence, RETIRING) and time.monotonic() < end:
            pass
        if ring.word(slot) == (sequence, LIVE):
            descriptor = ring.descriptor(slot)
            if descriptor.publication == publication:
                return descriptor
        self.set_cursor(index, 0)
        raise Gone(publication)

    def close(self):
        self.words.release()
        self.halves.release()
        self.map.close()
        os.close(self.fd)


# --- the socket ------------------------------------------------------------------------------------------------------

class Refused(Exception):
    def __init__(self, refusal):
        self.code, self.text = refusal.code, text(refusal.text)
        super().__init__(f"{self.code}: {self.text}")


class Client:
    """One connection. Client(daemon) only connects; attach() says HELLO and maps what it gets."""

    def __init__(self, where):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.connect(getattr(where, "socket_path", where))
        self.welcome = self.page = None
        self.rings = []         # the newest last; replaced ones stay mapped
        self.ended = False
        self.by_futex = False
        self.seen = self.events = 0     # as the wake words were

    @property
    def ring(self):
        return self.rings[-1]

    def send(self, packet, fds=()):
        if fds:
            socket.send_fds(self.socket, [packet], list(fds))
        else:
            self.socket.send(packet)

    def receive(self, timeout_s=DEADLINE_S):
        """(message, descriptors), or (None, []) at the end of the connection; TimeoutError."""
        if not select.select([self.socket], [], [], timeout_s)[0]:
            raise TimeoutError("the daemon says nothing")
        try:
            packet, fds, flags, _ = socket.recv_fds(self.socket, MESSAGE_MAX, 8)
        except ConnectionResetError:
            # The daemon closed with our words unread; what it had said before is behind that.
            packet, fds, flags, _ = socket.recv_fds(self.socket, MESSAGE_MAX, 8)
        assert not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC), flags
        return (parse(packet) if packet else None), fds

    def ask(self, packet):
        """Say HELLO; WELCOME is taken over, REFUSAL raised."""
        try:
            self.send(packet)
        except (BrokenPipeError, ConnectionResetError):
            pass    # refused before it was asked: the words are there all the same
        return self.take_welcome()

    def take_welcome(self):
        """What follows a HELLO."""
        message, fds = self.receive()
        assert message is not None, "closed without an answer"
        if message.type == REFUSAL:
            assert not fds
            raise Refused(message)
        assert message.type == WELCOME and len(fds) == 2, (message, fds)
        self.welcome = message
        self.rings.append(Ring(fds[0]))
        self.page = Page(fds[1], message)
        assert self.ring.bytes == message.ring_bytes and self.ring.epoch == message.epoch
        return self

    def attach(self, stream="main", cursors=2, **fields):
        return self.ask(hello(stream, cursors, **fields))

    def attach_by_futex(self, stream="main", cursors=2, **fields):
        self.by_futex = True
        return self.attach(stream, cursors, flags=HELLO_FUTEX, **fields)

    def attach_private(self, region=(0, 0, 0, 0), cursors=2, **fields):
        return self.ask(hello("", cursors, flags=HELLO_PRIVATE, region=region, **fields))

    def status(self):
        """Ask for the status instead of saying HELLO: the object, or Refused."""
        self.send(STATUS_REQUEST_PACKET)
        data = b""
        while True:
            message, fds = self.receive()
            assert message is not None and not fds, "closed within the status"
            if message.type == REFUSAL:
                raise Refused(message)
            assert message.type == STATUS, message
            data += message.text
            if message.flags & STATUS_LAST:
                assert self.receive() == (None, [])
                return json.loads(data.decode())

    def take(self, timeout_s=DEADLINE_S):
        """The next message; a REPLACED is followed, the end noted."""
        message, fds = self.receive(timeout_s)
        if message is None:
            self.ended = True
        elif message.type == REPLACED:
            assert message.epoch_old == self.ring.epoch and len(fds) == 1
            self.rings.append(Ring(fds[0]))
            assert self.ring.epoch == message.epoch and self.ring.bytes == message.ring_bytes
        else:
            assert not fds and message.type in ((STATE,) if self.by_futex else (NOTICE, STATE)), message
        return message

    def wait(self):
        """Until there may be something new in the ring, which the caller has looked at since the last wait; False at
        the end of the connection."""
        if not self.by_futex:
            return self.take() is not None
        if self.page.wake[0] == self.seen:
            self.page.futex_wait(self.seen)
        self.seen, _, events = self.page.wake
        fence()
        while events != self.events and not self.ended:
            self.events = events
            while select.select([self.socket], [], [], 0)[0] and not self.ended:
                self.take()
            events = self.page.wake[2]
        return not self.ended

    def wait_for(self, kind):
        """Skip to a message of this type."""
        while True:
            message = self.take()
            assert message is not None, "the connection ended"
            if message.type == kind:
                return message

    def frames(self):
        """Every publication from the WELCOME on as (ring, descriptor, pixels), over replaced rings, until the stream is
        closed or the connection ends. A missed one is an AssertionError."""
        publication = self.welcome.published + 1
        index = len(self.rings) - 1
        over = False
        while True:
            ring = self.rings[index]
            while publication <= ring.published:
                try:
                    frame = ring.copy(publication)
                except Gone:
                    raise AssertionError(f"publication {publication} is gone, {ring.published} is the newest") from None
                yield (ring, *frame)
                publication += 1
            if ring is not self.ring:
                index += 1
            elif over:
                return
            else:
                over = not self.wait() or self.ring.state == CLOSED

    def newest(self):
        """The newest frame each time, as (ring, descriptor, pixels), until the stream is closed or the connection ends:
        for sources that do not wait for the reader."""
        last = self.welcome.published
        over = False
        while True:
            ring = self.ring
            publication = ring.published
            if publication > last:
                try:
                    frame = ring.copy(publication)
                except Gone:
                    continue
                last = publication
                yield (ring, *frame)
            elif over:
                return
            else:
                over = not self.wait() or self.ring.state == CLOSED

    def close(self):
        self.socket.close()
        for ring in self.rings:
            ring.close()
        if self.page:
            self.page.close()
        self.rings, self.page = [], None

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()


def descriptors_at_rest(daemon):
    """How many descriptors a daemon holds with its rings and without a client."""
    with Client(daemon) as client:
        client.attach("").wait_for(STATE)   # the client page is closed by then, and the socket is what is left
        count = daemon.fd_count() - 1
    wait_until(lambda: daemon.fd_count() == count, f"{count} descriptors without a client")
    return count


def check_account(descriptor, sequence_first):
    """What layout.h promises at each publication."""
    d = descriptor
    sequenced = sum(d.lost[:LOST_SEQUENCED])
    assert (d.word >> 2) - sequence_first == d.publication - 1 + sequenced, d
