# SPDX-License-Identifier: BSD-2-Clause
"""KERNEL=own: capture into each kind of memory that there is, on the USB camera and on vimc with contiguous memory, the
kind of driver that a Raspberry Pi has. A heap is hidden by another name of its device."""
import contextlib
import os

from guest import (Clients, DEADLINE_S, descriptors, drop_in, figure, journal, lumaring, run, start, status,
                   stream, wait_camera, wait_frames, wait_state)

HEAPS = "/dev/dma_heap"


@contextlib.contextmanager
def only(*heaps):
    hidden = [name for name in os.listdir(HEAPS) if name not in heaps]
    for name in hidden:
        os.rename(f"{HEAPS}/{name}", f"/dev/hidden-{name}")
    try:
        yield
    finally:
        for name in hidden:
            os.rename(f"/dev/hidden-{name}", f"{HEAPS}/{name}")


def capture(which, memory, heaps, **settings):
    """With only these heaps: what is used of them, and the lines about those that were refused."""
    with only(*heaps):
        start(source=f"libcamera:{which}", buffers=memory, streams=[{"name": "main", "always": True}], **settings)
        wait_state("live")
        wait_frames(4)
        device = status()["source"]["device"]
        lines = journal()
        began = max(i for i, (_, text) in enumerate(lines) if text.startswith("Starting "))
        refused = [text for _, text in lines[began:] if "dma-heap" in text and "is not used" in text]
        figure(f"{which}, {memory}, heaps {' and '.join(heaps) or 'none'}: {device['memory']}, "
               f"{device['buffer_count']} of {device['buffer_bytes']} bytes, kernel {stream()['kernels']}")
        figure(f"    {device['memory_reason']}")
        for text in refused:
            figure(f"    log: {text}")
        return device["memory"], refused


def test_usb_camera():
    """It takes every kind."""
    which = wait_camera("1209:0001")
    assert capture(which, "cached", ["reserved", "system"], size="640x480") == ("dma-heap reserved", [])
    assert capture(which, "cached", ["system"], size="640x480") == ("dma-heap system", [])
    memory, _ = capture(which, "auto", [], size="640x480")
    assert "driver" in memory, memory
    memory, _ = capture(which, "uncached", ["system"], size="640x480")
    assert "driver" in memory, memory
    capture(which, "auto", ["reserved", "system"], size="1280x800")


def test_unit_has_to_allow_them():
    """They are used above since the unit allows their class of devices: without that, each is refused by a line."""
    which = wait_camera("1209:0001")
    with drop_in("heaps.conf", "[Service]\nDeviceAllow=\nDeviceAllow=char-video4linux rw\nDeviceAllow=char-media rw\n"):
        memory, refused = capture(which, "auto", ["reserved", "system"], size="640x480")
        assert "driver" in memory and len(refused) == 2, (memory, refused)
        assert all("Operation not permitted" in text for text in refused), refused


def test_buffers_are_used_again():
    which = wait_camera("1209:0001")
    start(source=f"libcamera:{which}", buffers="cached", size="1920x1080", streams=[{"name": "main"}])
    clients = Clients("ramp", "main", "--clients", 2)
    wait_state("live")
    wait_frames(3)
    counts = []
    for i in range(12):
        width, height = ((1280, 800), (320, 240), (1920, 1080), (640, 480))[i % 4]
        lumaring("set", "--wait", DEADLINE_S, "--width", width, "--height", height)
        wait_state("live")
        wait_frames(3)
        device = status()["source"]["device"]
        counts.append((descriptors(), device["buffer_bytes"], device["memory"]))
    found = clients.result()
    figure(f"12 changes of size into the same buffers: descriptors and bytes {sorted(set(counts))}; "
           f"{found['verified']} frames verified, {found['bad']} bad")
    assert len({c[1:] for c in counts}) == 1, counts
    assert counts[-1][0] <= counts[1][0], counts


def test_contiguous_camera():
    """vimc with contiguous memory: the system heap exists and is refused, by one line, and the next is taken."""
    run("modprobe", "vimc", "allocator=1")
    which = wait_camera("vimc")
    assert capture(which, "cached", ["reserved", "system"], size="640x480") == ("dma-heap reserved", [])
    memory, refused = capture(which, "auto", ["system"], size="640x480")
    assert "driver" in memory and len(refused) == 1 and "system" in refused[0], (memory, refused)
    memory, refused = capture(which, "auto", [], size="640x480")
    assert "driver" in memory and not refused, (memory, refused)
