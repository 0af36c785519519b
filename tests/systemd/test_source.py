# SPDX-License-Identifier: BSD-2-Clause
"""Sources under the unit: footage from where it may read, footage whose writer stands still, and no camera at all."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

from lib import ROOT, wait_until
from service import Clients, Service, run

RATE = 50
WIDTH, HEIGHT = 64, 32
# Picture N of `verify ramp`, as Y4M, on standard output or in a file; so many, or for ever.
WRITER = f"""
import sys, time
path, count = sys.argv[1], int(sys.argv[2])
with open(path, "wb", buffering=0) as out:
    out.write(b"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{RATE}:1 Ip A1:1 Cmono\\n")
    number = 0
    while not count or number < count:
        picture = bytearray((x + y + number) & 255 for y in range({HEIGHT}) for x in range({WIDTH}))
        picture[:8] = picture[-8:] = number.to_bytes(8, "little")
        out.write(b"FRAME\\n" + picture)
        number += 1
        if not count:
            time.sleep(1 / {RATE})
"""


def write_to(path, count=0):
    return subprocess.Popen([sys.executable, "-c", WRITER, path, str(count)], stderr=subprocess.DEVNULL)


class Footage:
    """A directory that the unit may read, for the time of a test."""

    def __enter__(self):
        self.path = pathlib.Path("/srv/lumaring-test")
        self.path.mkdir(parents=True)
        return self.path

    def __exit__(self, kind, value, trace):
        shutil.rmtree(self.path)


def test_replay():
    """A file, in a loop, with the features of streams."""
    with Footage() as directory:
        clip = directory / "clip.y4m"
        assert write_to(clip, 300).wait() == 0
        streams = [{"name": "main"}, {"name": "part", "region": "5,1,37,29"},
                   {"name": "half", "bin": 2, "format": "R16"}]
        with Service("cam0", source=f"replay:{clip}", loop=True, streams=streams) as service:
            service.start()
            clients = Clients(service, "main", "part", "--clients", 4, "--count", 200, mode="ramp").attached()
            service.lumaring("--stream", "half", "snap", "half.pgm")
            assert pathlib.Path("half.pgm").read_bytes().split()[1:4] == [b"32", b"16", b"65535"]
            found = clients.finished()
            print(f"figure: replay of a file: {found['verified']} frames verified, {found['bad']} bad")
            # What the unit keeps from it, it says.
            hidden = pathlib.Path("/root/clip.y4m")
            shutil.copy(clip, hidden)
            service.settings(source=f"replay:{hidden}")
            assert service.restart(check=False).returncode != 0
            said = [line for line in service.lines() if str(hidden) in line]
            hidden.unlink()
            assert len(said) == 1, service.lines()
            print(f"figure: {said[0]}")


def test_writer_that_stands_still():
    """Clients, journal and systemctl status learn, and it goes on when the writer does."""
    with Footage() as directory:
        pipe = directory / "pipe"
        os.mkfifo(pipe)
        with Service("cam0", source=f"replay:{pipe}", streams=[{"name": "main"}]) as service:
            writer = write_to(pipe)
            try:
                service.start()
                clients = Clients(service, "main", "--clients", 4, mode="ramp").attached()
                service.wait_state("live")
                pid = service.pid()
                for stops in range(1, 3):
                    since = len(clients.events)
                    writer.send_signal(signal.SIGSTOP)
                    began = time.monotonic()
                    told = wait_until(lambda: len(t := clients.told("paused", since)) == 4 and t, "all clients know")
                    assert service.status()["source"]["state"] == "paused"
                    entries = wait_until(lambda: service.events("SOURCE_QUIET"), "the journal says that nothing comes")
                    logged = int(entries[-1]["__MONOTONIC_TIMESTAMP"]) / 1e6 - began
                    assert len(entries) == stops, entries
                    wait_until(lambda: "no frame came" in service.unit("StatusText"), "systemctl status says so")
                    status = service.unit("StatusText")
                    assert service.is_active() and service.pid() == pid
                    writer.send_signal(signal.SIGCONT)
                    wait_until(lambda: len(clients.told("frame", since)) == 4, "all clients have frames again")
                    wait_until(lambda: "no frame came" not in service.unit("StatusText"), "the status line says so")
                    print(f"figure: writer stopped: clients know after {max(told.values()) / 1000 - began:.2f} s, the "
                          f"journal after {logged:.2f} s: {entries[-1]['MESSAGE']}; systemctl status: {status}")
                found = clients.result()
                assert found["verified"] > 0 and service.unit("NRestarts") == "0"
                print(f"figure: {found['verified']} frames verified, {found['bad']} bad")
            finally:
                writer.kill()
                writer.wait()


def test_no_camera():
    """Up and degraded: READY, and STATUS= says what is missing; who asks is answered."""
    with Service("cam0", source="libcamera") as service:
        began = time.monotonic()
        service.start()
        ready = time.monotonic() - began
        assert service.is_active() and service.unit("Result") == "success"
        status = wait_until(lambda: service.unit("StatusText"), "a status")
        assert "no camera" in status, status
        print(f"figure: without a camera ready after {ready:.1f} s: {status}")
        seen = service.status()["source"]
        assert seen["state"] == "lost" and seen["device"]["state"] == "absent", seen
        said = service.events("CAMERA_ABSENT")
        assert len(said) == 1, said
        service.stop()
        assert service.unit("Result") == "success"
