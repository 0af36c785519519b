# SPDX-License-Identifier: BSD-2-Clause
"""What a process leaves open to others, as the kernel tells it: no pixels for core files, no descriptor for a program
that is started, and memory locked as far as that is allowed."""
import os
import random
import re
import signal
import socket
import subprocess

import raw
from lib import Daemon, Skip, wait_until

WIDTH, HEIGHT, FRAMES = 320, 240, 8
MARK_BYTES = 64     # so many pixels in a row are a picture
SHADOW_BYTES = 1 << 32  # what is larger is a sanitizer's own
UNPRIVILEGED = ["setpriv", "--bounding-set", "-ipc_lock", "--inh-caps", "-ipc_lock"] if os.geteuid() == 0 else []


def footage():
    """Frames of which each byte is another: as Y4M, as raw pixels, and the luma of each."""
    pixels = random.Random(4711).randbytes(FRAMES * WIDTH * HEIGHT)
    lumas = [pixels[i * WIDTH * HEIGHT:(i + 1) * WIDTH * HEIGHT] for i in range(FRAMES)]
    with open("clip.y4m", "wb") as file:
        file.write(b"YUV4MPEG2 W%d H%d F50:1 Cmono\n" % (WIDTH, HEIGHT) + b"".join(b"FRAME\n" + luma for luma in lumas))
    with open("clip.gray", "wb") as file:
        file.write(pixels)
    return lumas


STREAMS = ("--stream", "main", "--stream", "part=33,21,200,150", "--stream", "half,bin=2", "--stream", "deep,format=R16")
SOURCES = {
    "replay": ("--source", "replay:clip.y4m", "--loop"),
    "raw": ("--source", "raw:clip.gray", "--size", f"{WIDTH}x{HEIGHT}", "--pixel-format", "R8", "--framerate", 50, "--loop"),
    "synthetic": ("--source", "synthetic", "--size", f"{WIDTH}x{HEIGHT}", "--framerate", 50),
}


class Mapping:
    def __init__(self, head):
        fields = head.split(None, 5)
        self.begin, self.end = (int(n, 16) for n in fields[0].split("-"))
        self.access, self.name = fields[1], fields[5].strip() if len(fields) > 5 else ""
        self.flags = []

    def read(self, file):
        file.seek(self.begin)
        return file.read(self.end - self.begin)


def mappings(pid):
    found = []
    with open(f"/proc/{pid}/smaps", encoding="ascii", errors="replace") as file:
        for line in file:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                found.append(Mapping(line))
            elif line.startswith("VmFlags:"):
                found[-1].flags = line.split()[1:]
    return found


def search(pid, marks):
    """Which of the mappings that can be read have one of these in them: those left out of core files, and the others."""
    hidden, others = [], []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        for mapping in mappings(pid):
            if not mapping.access.startswith("r") or mapping.name.startswith(("[vvar", "[vsyscall")):
                continue
            if "dd" in mapping.flags and mapping.end - mapping.begin > SHADOW_BYTES:
                continue
            if mapping.name.startswith("/") and mapping.access in ("r--p", "r-xp"):
                continue    # of a program or a library
            data = mapping.read(file)
            if any(mark in data for mark in marks):
                (hidden if "dd" in mapping.flags else others).append(mapping.name or f"memory of {len(data)} bytes")
    return hidden, others


def marks_of(luma):
    """Pieces of pictures wherever they lie."""
    return [luma[at:at + MARK_BYTES] for at in range(0, len(luma) - MARK_BYTES, 15555)]


class Readers:
    """Who has something to do with a daemon: raw clients of all its streams, one with a region of its own, the tool, which
    uses the library, and somebody who watches the control socket."""

    def __init__(self, daemon):
        self.clients = [raw.Client(daemon).attach(name) for name in ("main", "part", "half", "deep")]
        self.clients.append(raw.Client(daemon).attach_private(region=(10, 10, 200, 100)))
        for client in self.clients:
            frames = client.newest()
            for _ in range(2 * FRAMES):
                next(frames)
        self.tool = daemon.tool("watch", "--json")
        self.tool.stdout.readline()
        self.control = socket.socket(socket.AF_UNIX)
        self.control.connect(f"{daemon.runtime_dir}/{daemon.camera}/control")
        self.control.send(b'{"method": "io.lumaring.Camera.Watch", "more": true}\n')
        assert self.control.recv(1)

    def newest(self):
        """Pixels of the whole image, of a daemon that stands still."""
        ring = self.clients[0].ring
        return bytes(ring.copy(ring.published)[1])

    def close(self):
        for client in self.clients:
            client.close()
        self.control.close()
        self.tool.terminate()
        self.tool.communicate()


def each_source():
    """A daemon for each source, with readers, and the lumas that it may have."""
    lumas = footage()
    for source, options in SOURCES.items():
        with Daemon(*options, *STREAMS) as daemon:
            readers = Readers(daemon.wait_ready())
            yield source, daemon, readers, [] if source == "synthetic" else lumas
            readers.close()
            assert daemon.stop() == 0


def test_no_pixels_in_core_files():
    """Searched is all that could be in one, also what is not by default."""
    for source, daemon, readers, lumas in each_source():
        os.kill(daemon.pid, signal.SIGSTOP)
        marks = [mark for luma in lumas or [readers.newest()] for mark in marks_of(luma)]
        hidden, others = search(daemon.pid, marks)
        assert not others, (source, others)
        assert any("lumaring." in name for name in hidden), (source, hidden)
        assert any(name.startswith("memory of") for name in hidden), f"{source}: no capture buffer is found: {hidden}"
        hidden, others = search(readers.tool.pid, marks)
        assert hidden and not others, (source, hidden, others)
        os.kill(daemon.pid, signal.SIGCONT)


def test_descriptors_are_not_inherited():
    """But for the three that it was started with."""
    for source, daemon, _, _ in each_source():
        count = 0
        for number in os.listdir(f"/proc/{daemon.pid}/fdinfo"):
            with open(f"/proc/{daemon.pid}/fdinfo/{number}", encoding="ascii") as file:
                flags = int(re.search(r"^flags:\s*([0-7]+)$", file.read(), re.MULTILINE)[1], 8)
            name = os.readlink(f"/proc/{daemon.pid}/fd/{number}")
            assert int(number) <= 2 or flags & os.O_CLOEXEC, (source, number, name)
            count += int(number) > 2
        assert count > 15, count


def memory(daemon):
    with raw.Client(daemon) as client:
        return client.status()["memory"]


def test_memory_is_locked():
    """What the kernel counts is what was wanted; a ring that goes takes its share along."""
    if os.geteuid() != 0 or subprocess.run(["setpriv", "--dump"], stdout=subprocess.PIPE, check=True).stdout.find(
            b"ipc_lock") < 0:
        raise Skip("it takes root with CAP_IPC_LOCK to lock as much as one wants")
    with Daemon(*SOURCES["synthetic"]) as daemon:
        daemon.wait_ready().wait_log("that frames pass through are locked into memory")
        with raw.Client(daemon) as client:
            client.attach()
            next(client.newest())
            before = memory(daemon)
            assert before["locked_bytes"] == before["wanted_bytes"] > WIDTH * HEIGHT * 8 and not before["unlocked_reason"]
            ring = next(m for m in mappings(daemon.pid) if "lumaring." in m.name and "main" in m.name)
            assert "lo" in ring.flags, ring.flags
            with raw.Client(daemon) as private:
                private.attach_private(region=(0, 0, 64, 48), width_max=64, height_max=48)
                assert memory(daemon)["locked_bytes"] >= before["locked_bytes"] + 8 * 64 * 48
            wait_until(lambda: memory(daemon) == before, "as before")


def test_memory_is_not_locked():
    """A limit below what it takes: said once, with what to do, and frames come all the same."""
    limited = ["prlimit", "--memlock=1048576:1048576", *UNPRIVILEGED]
    with Daemon(*SOURCES["synthetic"], wrapper=limited) as daemon:
        daemon.wait_ready().wait_log("MiB that frames pass through may be paged out: 1.0 MiB may be locked")
        with raw.Client(daemon) as client:
            frames = client.attach().newest()
            next(frames)
            with raw.Client(daemon) as private:
                next(private.attach_private(region=(0, 0, 64, 48)).newest())
            next(frames)
            seen = memory(daemon)
        assert 0 < seen["locked_bytes"] <= 1 << 20 < seen["wanted_bytes"], seen
        needed = re.search(r"LimitMEMLOCK=(\d+)M of the unit", seen["unlocked_reason"])
        assert needed and seen["wanted_bytes"] <= int(needed[1]) << 20, seen
        assert daemon.log().count("that frames pass through") == 1, daemon.log()
        table = daemon.tool("status")
        assert b"memory not locked: " in table.communicate()[0]
