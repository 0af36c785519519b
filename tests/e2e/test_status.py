# SPDX-License-Identifier: BSD-2-Clause
"""The status agrees with what is known otherwise, is told at any time, and costs nobody anything, whoever asks and
however.

Where numbers are compared, the footage comes through a pipe that the test fills, so that nothing moves meanwhile.
"""
import errno
import grp
import json
import os
import re
import signal
import subprocess
import threading
import time

import lib
import raw
from lib import BUILD, DEADLINE_S, Daemon, skip_unless, wait_until
from test_access import SOMEBODY, as_user, reachable_copy
from test_lifecycle import SANITIZED, Client, settled
from test_replace import Feed

WIDTH, HEIGHT = 64, 48
REQUESTS_MAX, WHOSE = (20, "") if os.getuid() == 0 else (4, f" of uid {os.getuid()}")
GREETING_S = 5
CAUSES = {"unread", "no_slot", "copy_late", "reconfigure", "error", "sensor", "camera", "cancelled", "startup"}
SEQUENCED = CAUSES - {"sensor", "camera", "cancelled", "startup"}


def status(daemon):
    with raw.Client(daemon) as client:
        return client.status()


def stream_of(answer, name="main"):
    return next(s for s in answer["streams"] if s["name"] == name)


def clients_of(answer, pid):
    return [c for c in answer["clients"] if c["pid"] == pid]


def status_when(daemon, condition, what):
    """Ask until the condition holds for the answer; returns that."""
    def ask():
        answer = status(daemon)
        return answer if condition(answer) else None
    return wait_until(ask, what)


def captured(daemon, count):
    """The status when so many frames were captured and published or lost, in every stream."""
    return status_when(daemon, lambda s: s["source"]["captured"] == count and all(
        stream["published"] + sum(stream["lost"][c] for c in SEQUENCED) == count for stream in s["streams"]),
        f"{count} frames captured")


def check_times(times, count):
    assert times["count"] == count, times
    assert times["max"] <= times["sum"] <= times["max"] * max(count, 1), times
    assert times["p50"] <= times["p90"] <= times["p99"] <= times["max"], times
    assert (times["max"] > 0) == (count > 0), times


# --- what it says ----------------------------------------------------------------------------------------------------

def test_frames_and_losses():
    """Published and lost are what was captured; one stream is read, one is not, one is copied always."""
    with open("config.json", "w", encoding="ascii") as file:
        json.dump({"streams": [{"name": "main"}, {"name": "part", "region": "8,4,16,8", "slots": 5},
                               {"name": "past", "always": True}]}, file)
    with Feed("--config", "config.json", "--wait-clients", 1) as feed:
        daemon = feed.daemon.wait_ready()
        feed.write(WIDTH, HEIGHT, 10)
        answer = status_when(daemon, lambda s: s["source"]["width"], "the format is known")
        assert answer["source"]["captured"] == 0, answer["source"]
        assert [s["published"] for s in answer["streams"]] == [0, 0, 0]
        with raw.Client(daemon) as client:
            frames = client.attach(cursors=2).frames()
            for _ in range(10):
                next(frames)
            answer = captured(daemon, 10)
            assert answer["camera"] == daemon.camera and answer["pid"] == daemon.pid and answer["uid"] == os.getuid()
            assert answer["protocol_version"] == 1 and answer["version"] in subprocess.run(
                [str(BUILD / "lumaringd"), "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
            assert answer["loop"]["main"] in ("epoll", "io_uring") and answer["loop"]["main"] in daemon.log()
            source = answer["source"]
            assert (source["name"], source["path"]) == ("replay", "-"), source
            assert (source["width"], source["height"], source["format"]) == (WIDTH, HEIGHT, "R8"), source
            main, part, past = answer["streams"]
            assert [s["published"] for s in answer["streams"]] == [10, 0, 10]
            assert all(set(s["lost"]) == CAUSES for s in answer["streams"])
            assert part["lost"]["unread"] == 10 and sum(part["lost"].values()) == 10
            assert sum(main["lost"].values()) == sum(past["lost"].values()) == 0
            assert [s["always"] for s in answer["streams"]] == [False, False, True]
            for stream in answer["streams"]:
                check_times(stream["copy_us"], stream["published"])
                check_times(stream["ready_to_published_us"], stream["published"])
                check_times(stream["sensor_to_published_us"], stream["published"])
                assert stream["bytes_copied"] == stream["published"] * WIDTH * HEIGHT
            header = client.ring.header
            assert main["epoch"] == str(client.ring.epoch) and main["generation"] == client.ring.generation == 1
            assert (main["slots"], main["bytes"]) == (header.slot_count, client.ring.bytes)
            assert (main["slot_bytes"], main["width_max"], main["height_max"]) == (header.slot_bytes, WIDTH, HEIGHT)
            assert (part["slots"], part["cursors_max"], part["clients"]) == (5, 3, 0)
            assert part["region"] == dict(x=8, y=4, width=16, height=8)
            assert (main["cursors_granted"], main["cursors_max"], main["clients"]) == (2, 62, 1)
            assert answer["bytes"]["rings"] == sum(s["bytes"] for s in answer["streams"])
            assert answer["bytes"]["private_rings"] == 0 and answer["limits"]["clients_max"] == 512
            assert answer["limits"]["connections"] == 2 and len(answer["clients"]) == 1
            assert answer["streams_omitted"] == answer["clients_omitted"] == 0


def keys_of(value):
    """All keys of an object and of what is in it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner)


def test_every_key_is_documented():
    with open(lib.ROOT / "client-lib/cli/lumaring.1.scd", encoding="ascii") as file:
        section = file.read().split("\n# STATUS\n")[1].split("\n# ")[0]
    words = set(re.findall(r"[a-z0-9_]+", section))
    with Daemon("--source", "synthetic", "--framerate", 100, "--size", "64x48") as daemon, raw.Client(
            daemon.wait_ready()) as client:
        client.attach_private()
        keys = set(keys_of(status(daemon)))
    assert "owner_pid" in keys and keys <= words, keys - words


def test_before_the_format():
    """A daemon that knows no size yet tells that."""
    os.mkfifo("pipe")
    with Daemon("--source", "replay:pipe") as daemon:
        answer = status(daemon.wait_ready())
        assert answer["source"]["state"] == "paused" and answer["source"]["width"] == 0
        stream, = answer["streams"]
        assert (stream["state"], stream["epoch"], stream["bytes"]) == ("waiting", "0", 0)
        with raw.Client(daemon) as waiting:
            waiting.send(raw.hello())
            answer = status_when(daemon, lambda s: [c["state"] for c in s["clients"]] == ["attaching"], "it waits")
            assert answer["clients"][0]["cursors"] == 0 and answer["clients"][0]["stream"] == "main"


def test_manner():
    """How each client is told of frames, as it asked for."""
    with Daemon("--source", "synthetic", "--framerate", 100, "--size", "64x48") as daemon:
        with raw.Client(daemon.wait_ready()) as first, raw.Client(daemon) as second:
            first.attach()
            second.attach_by_futex()
            clients = status(daemon)["clients"]
            assert sorted(c["manner"] for c in clients) == ["futex", "notice"]
            # Who came later has the larger number; those that asked for the status have numbers of their own.
            by_manner = {c["manner"]: c["connection"] for c in clients}
            assert 1 <= by_manner["notice"] < by_manner["futex"], clients


def test_rate():
    with Daemon("--source", "synthetic", "--framerate", 200, "--size", "64x48") as daemon:
        answer = status_when(daemon.wait_ready(), lambda s: s["source"]["captured"] > 100, "100 frames")
        assert answer["source"]["frame_duration_us"] == 5000
        # How well a paced source keeps its rate is not what this tests.
        assert 0 < answer["source"]["measured_frame_duration_us"] < 1000000


def test_what_clients_saw():
    """Seen and missed are all frames since the first, for readers in order, of the newest, and without a pin."""
    with Feed("--wait-clients", 3, slots=4) as feed:
        daemon = feed.daemon.wait_ready()
        in_order = daemon.tool("watch", stdout=subprocess.DEVNULL)
        feed.write(WIDTH, HEIGHT, 5)
        status_when(daemon, lambda s: [c["cursors"] for c in s["clients"]] == [2], "the first has both pins")
        newest = daemon.tool("watch", "--latest", stdout=subprocess.DEVNULL)
        copying = daemon.tool("watch", "--copy", stdout=subprocess.DEVNULL)
        tools = (in_order, newest, copying)

        def accounts(answer):
            return [next(iter(clients_of(answer, tool.pid)), None) for tool in tools]

        captured(daemon, 5)
        answer = status_when(daemon, lambda s: all(c and c["seen"] and c["lag"] == 0 for c in accounts(s)),
                             "all have the newest frame")
        first, second, third = accounts(answer)
        assert first["cursors"] == 2 and first["copied"] == 0, first
        assert second["cursors"] == 0 and second["copied"] == second["seen"], second
        assert third["cursors"] == 0 and third["copied"] == 0, third    # as it wanted
        assert {c["stream"] for c in answer["clients"]} == {"main"}
        assert {c["state"] for c in answer["clients"]} == {"reading"}
        before = [c["seen"] + c["missed"] for c in accounts(answer)]
        # More than the ring has slots, while they are stopped: lost to them.
        for tool in tools:
            tool.send_signal(signal.SIGSTOP)
        feed.write(WIDTH, HEIGHT, 20)
        answer = captured(daemon, 25)
        assert [c["lag"] for c in accounts(answer)] == [20, 20, 20], answer["clients"]
        for tool in tools:
            tool.send_signal(signal.SIGCONT)
        answer = status_when(daemon, lambda s: all(c["lag"] == 0 for c in accounts(s)), "all have come after")
        assert [c["seen"] + c["missed"] for c in accounts(answer)] == [n + 20 for n in before], answer["clients"]
        assert all(c["missed"] > 0 for c in accounts(answer)), answer["clients"]
        feed.close()
        for tool in tools:
            assert tool.wait(DEADLINE_S) == 0


def test_lag_without_a_frame():
    """Who attached and took nothing is behind by what came since, not by what came before."""
    with Feed("--wait-clients", 1) as feed:
        daemon = feed.daemon.wait_ready()
        feed.write(WIDTH, HEIGHT, 3)
        with raw.Client(daemon) as first:
            first.attach()
            assert captured(daemon, 3)["clients"][0]["lag"] == 3
            with raw.Client(daemon) as second:
                second.attach()
                assert sorted(c["lag"] for c in status(daemon)["clients"]) == [0, 3]
                feed.write(WIDTH, HEIGHT, 4)
                assert sorted(c["lag"] for c in captured(daemon, 7)["clients"]) == [4, 7]


def test_dropped_notices():
    """What a client that never reads did not get, also when it has gone."""
    with Feed("--wait-clients", 2, slots=128) as feed:
        daemon = feed.daemon.wait_ready()
        feed.write(WIDTH, HEIGHT, 1)
        with raw.Client(daemon) as reader, raw.Client(daemon) as deaf:
            deaf.attach()
            frames = reader.attach().frames()
            feed.write(WIDTH, HEIGHT, 99)
            for _ in range(100):
                next(frames)
            answer = captured(daemon, 100)
            deaf_count, reader_count = (sorted(c["notices_dropped"] for c in answer["clients"])[i] for i in (1, 0))
            received = 0
            while True:
                try:
                    message = deaf.take(0)
                except TimeoutError:
                    break
                received += message.type == raw.NOTICE
            assert deaf_count > 0 and received + deaf_count == 100, (received, deaf_count)
            assert stream_of(answer)["notices_dropped"] == deaf_count + reader_count
            deaf.close()
            answer = status_when(daemon, lambda s: len(s["clients"]) == 1, "the deaf one has gone")
            assert stream_of(answer)["notices_dropped"] == deaf_count + reader_count


def test_private_stream():
    """Its owner, its bytes, the region as it moves; and nothing of it afterwards."""
    with Feed() as feed:
        daemon = feed.daemon.wait_ready()
        feed.write(WIDTH, HEIGHT, 1)
        with raw.Client(daemon) as client:
            client.attach_private(region=(8, 8, 16, 16), slots=4)
            answer = status(daemon)
            private = next(s for s in answer["streams"] if s["private"])
            assert private["name"] == raw.text(client.welcome.stream) == clients_of(answer, os.getpid())[0]["stream"]
            assert (private["owner_pid"], private["slots"], private["clients"]) == (os.getpid(), 4, 1)
            assert private["region"] == dict(x=8, y=8, width=16, height=16)
            assert answer["bytes"]["private_rings"] == client.ring.bytes == private["bytes"]
            assert answer["bytes"]["rings"] == sum(s["bytes"] for s in answer["streams"])
            assert answer["bytes"]["private_rings_max"] == 512 << 20
            for wanted, shown in (((20, 30, 16, 16), (20, 30, 16, 16)), ((60, 60, 10, 100), (54, 32, 10, 16)),
                                  ((0, 0, 0, 0), (0, 0, 16, 16))):
                client.page.set_region(*wanted)
                region = next(s for s in status(daemon)["streams"] if s["private"])["region"]
                assert tuple(region[k] for k in ("x", "y", "width", "height")) == shown, region
        answer = status_when(daemon, lambda s: not any(stream["private"] for stream in s["streams"]), "it is gone")
        assert answer["bytes"]["private_rings"] == 0


def test_replaced_ring():
    """A larger image: another epoch, and accounts that go on."""
    with Feed("--wait-clients", 1) as feed:
        daemon = feed.daemon.wait_ready()
        feed.write(32, 16, 3)
        with raw.Client(daemon) as client:
            frames = client.attach().frames()
            for _ in range(3):
                next(frames)
            before = stream_of(captured(daemon, 3))
            feed.write(64, 48, 4)
            for _ in range(4):
                next(frames)
            answer = captured(daemon, 7)
            after = stream_of(answer)
            assert before["epoch"] == str(client.rings[0].epoch) and after["epoch"] == str(client.rings[1].epoch)
            assert before["epoch"] != after["epoch"]
            assert (after["width_max"], after["height_max"], after["published"]) == (64, 48, 7)
            assert (answer["source"]["width"], answer["source"]["height"]) == (64, 48)
            check_times(after["copy_us"], 7)
            assert after["bytes_copied"] == 3 * 32 * 16 + 4 * 64 * 48


def test_ends():
    with Feed("--wait-clients", 1) as feed:
        daemon = feed.daemon.wait_ready()
        feed.write(WIDTH, HEIGHT, 2)
        with raw.Client(daemon) as client:
            frames = client.attach().frames()
            next(frames)
            answer = captured(daemon, 2)
            assert answer["source"]["state"] == "live" == stream_of(answer)["state"]
            feed.close()
            answer = status_when(daemon, lambda s: s["source"]["state"] == "ended", "the end")
            assert stream_of(answer)["state"] == "closed" and answer["source"]["measured_frame_duration_us"] == 0


# --- whoever asks, and however ---------------------------------------------------------------------------------------

def test_while_many_attach():
    """Asked again and again while 200 clients attach; then all of them are in it."""
    count = 200
    with Daemon("--source", "synthetic", "--framerate", 56, "--size", "64x48") as daemon:
        daemon.wait_ready()
        clients = Client(daemon, "count", "--handles", count)
        sizes = set()
        answer = status(daemon)
        while len(answer["clients"]) < count:
            sizes.add(len(answer["clients"]))
            answer = status(daemon)
        clients.expect("attached")
        answer = status_when(daemon, lambda s: all(c["state"] == "reading" and c["seen"] for c in s["clients"]),
                             "all read")
        assert len(clients_of(answer, clients.pid)) == count
        assert stream_of(answer)["clients"] == count and stream_of(answer)["cursors_granted"] == 6
        assert sum(c["cursors"] for c in answer["clients"]) == 6
        with raw.Client(daemon) as client:
            client.send(raw.STATUS_REQUEST_PACKET)
            data = b""
            while not data or not message.flags & raw.STATUS_LAST:
                message, _ = client.receive()
                data += message.text
        print(f"figure: {len(sizes) + 1} different numbers of clients told while {count} attached; with all of them a "
              f"status has {len(data)} bytes")
        assert daemon.stop() == 0
        result = clients.end()
        assert result["bad"] == 0, result


def fill(daemon, count=64):
    """So many clients that a status does not fit the buffer of a socket."""
    clients = [raw.Client(daemon) for _ in range(count)]
    wait_until(lambda: status(daemon)["limits"]["connections"] > count, "all are connected")
    return clients


def deaf_requests(daemon, count):
    requests = [raw.Client(daemon) for _ in range(count)]
    for request in requests:
        request.send(raw.STATUS_REQUEST_PACKET)
        request.receive()   # it is being answered
    return requests


def refused_busy(daemon):
    try:
        status(daemon)
    except raw.Refused as why:
        assert why.code == errno.EBUSY, why
        assert why.text == (f"{REQUESTS_MAX} status requests{WHOSE} are being answered already, "
                            f"{'its' if WHOSE else 'the'} limit")
        return True
    return False


def test_limit_of_requests():
    """As many as the limit that never read on: one more is refused, until one of them leaves."""
    with Daemon("--source", "synthetic", "--framerate", 100, "--size", "64x48") as daemon:
        before = raw.descriptors_at_rest(daemon.wait_ready())
        clients = fill(daemon)
        requests = deaf_requests(daemon, REQUESTS_MAX - 1)
        answer = status(daemon)     # the last place
        assert answer["limits"]["connections"] == len(clients) + REQUESTS_MAX
        assert len(answer["clients"]) == len(clients)   # who only asks is none
        requests += deaf_requests(daemon, 1)
        assert refused_busy(daemon)
        with raw.Client(daemon) as honest:
            next(honest.attach().newest())
            assert refused_busy(daemon)
        requests.pop().close()
        wait_until(lambda: not refused_busy(daemon), "a place is free again")
        for connection in clients + requests:
            connection.close()
        wait_until(lambda: daemon.fd_count() == before, "descriptors as before")


def test_never_reads():
    """Who asks and does not read is cut off after a while, in the middle of the text; meanwhile a reader notices
    nothing."""
    with Daemon("--source", "synthetic", "--framerate", 100, "--size", "64x48") as daemon:
        before = raw.descriptors_at_rest(daemon.wait_ready())
        witness = Client(daemon, "count", "--every", 100)
        witness.expect("attached")
        began = time.monotonic()
        with raw.Client(daemon) as stays:
            stays.attach()
            # These do not say anything and are cut off as well.
            clients = fill(daemon)
            requests = deaf_requests(daemon, REQUESTS_MAX)
            wait_until(lambda: daemon.fd_count() <= before + 2, "those who do not read are gone")
            assert time.monotonic() - began >= GREETING_S
            for request in requests:
                messages = []
                while True:
                    message, _ = request.receive()
                    if message is None:
                        break
                    messages.append(message)
                assert len(messages) < 40 and not any(m.flags & raw.STATUS_LAST for m in messages)
                request.close()
            for client in clients:
                client.close()
            assert not refused_busy(daemon)
        assert daemon.stop() == 0
        result = witness.end()
        assert result["bad"] == 0 and result["seen"] > 0, result


def test_slow_reader():
    """Who reads late, but in time, gets all of it, as it was when it asked."""
    with Daemon("--source", "synthetic", "--framerate", 100, "--size", "64x48") as daemon:
        daemon.wait_ready()
        clients = fill(daemon)
        with raw.Client(daemon) as slow:
            slow.send(raw.STATUS_REQUEST_PACKET)
            message, _ = slow.receive()
            data = message.text
            for client in clients:
                client.close()
            status_when(daemon, lambda s: not s["clients"], "all have gone")
            while not message.flags & raw.STATUS_LAST:
                message, _ = slow.receive()
                data += message.text
            assert len(json.loads(data)["clients"]) == len(clients)


def test_form():
    """What is no status request is told so, and what is one may be longer than known."""
    with Daemon("--source", "synthetic", "--framerate", 100, "--size", "64x48") as daemon:
        before = raw.descriptors_at_rest(daemon.wait_ready())
        good = raw.STATUS_REQUEST_PACKET
        for packet, sentence in (
                (good[:7], "the message is shorter than a message header"),
                (good + b"\0", "the size in the message is not the size of the packet"),
                (raw.MESSAGE.pack(raw.STATUS_REQUEST, 9, 0), "the size in the message is not the size of the packet"),
                (raw.MESSAGE.pack(raw.STATUS_REQUEST, 8, 1), "the first message must be HELLO, or a bare STATUS_REQUEST"),
                (raw.MESSAGE.pack(raw.STATUS, 8, 0), "the first message must be HELLO, or a bare STATUS_REQUEST"),
                (raw.MESSAGE.pack(raw.STATUS_REQUEST, 513, 0) + bytes(505), "the message is longer than 512 bytes")):
            with raw.Client(daemon) as client:
                client.send(packet)
                message, _ = client.receive()
                assert message.type == raw.REFUSAL and message.code == errno.EINVAL, message
                assert sentence in raw.text(message.text), message.text
                assert client.receive() == (None, [])
        for size in (9, 512):
            with raw.Client(daemon) as client:
                client.send(raw.MESSAGE.pack(raw.STATUS_REQUEST, size, 0) + b"\xff" * (size - 8))
                assert client.receive()[0].type == raw.STATUS
        with raw.Client(daemon) as client:      # after a HELLO it is one of the messages that are skipped
            client.attach().send(good)
            next(client.newest())
            assert status(daemon)["limits"]["connections"] == 2
        with raw.Client(daemon) as client, open("/dev/null", "rb") as null:
            client.send(good, [null.fileno()] * 253)
            assert client.receive()[0].type == raw.STATUS
        wait_until(lambda: daemon.fd_count() == before, "no descriptor was taken")


def ask_and_leave(daemon, until, what):
    """Requests in every wrong way, one after the other."""
    number = 0
    while time.monotonic() < until:
        with raw.Client(daemon) as client:
            number += 1
            try:
                if number % 4:
                    client.send(raw.STATUS_REQUEST_PACKET)
                if number % 4 > 1:
                    client.send(os.urandom(number % 500 + 1))
                if number % 4 > 2:
                    client.receive()
            except (BrokenPipeError, ConnectionResetError):
                pass
    what.append(number)


def test_flood():
    """Requests from four sides, few of them read: memory stays, and an honest client sees every frame it would."""
    with Daemon("--source", "synthetic", "--framerate", 200, "--size", "64x48") as daemon:
        daemon.wait_ready()
        witness = Client(daemon, "count", "--every", 100)
        witness.expect("attached")
        others = [raw.Client(daemon).attach() for _ in range(32)]

        def flood(seconds):
            made, until = [], time.monotonic() + seconds
            threads = [threading.Thread(target=ask_and_leave, args=(daemon, until, made)) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return sum(made), settled(daemon, clients=33)

        flood(1)    # what is allocated once, is
        _, before = flood(1)
        made, after = flood(3)
        witness.expect("at")
        print(f"figure: {made} status requests in 3 s: descriptors {before[0]} -> {after[0]}, RssAnon {before[1]} -> "
              f"{after[1]} KiB")
        assert after[0] == before[0]
        assert SANITIZED or after[1] - before[1] <= 512
        for other in others:
            other.close()
        assert daemon.stop() == 0
        result = witness.end()
        print(f"figure: an honest client meanwhile: {result['seen']} seen, {result['missed']} missed")
        assert result["bad"] == 0, result


def test_stranger():
    """Who may not read may not ask."""
    skip_unless(os.getuid() == 0, "being another user needs root")
    reachable_copy()
    group = grp.getgrall()[-1]
    with Daemon("--source", "synthetic", "--framerate", 100, "--size", "64x48", "--group", group.gr_name,
                runtime_dir=lib.BUILD / "run") as daemon:
        daemon.wait_ready()
        for groups, code in (([group.gr_gid], 0), ([], 4)):
            tool = subprocess.run([*as_user(SOMEBODY, *groups), lib.BUILD / "lumaring", "--camera", daemon.camera,
                                   "--runtime-dir", daemon.runtime_dir, "status", "--json"], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=DEADLINE_S, check=False)
            assert tool.returncode == code and (tool.stdout[:1] == b"{") == (code == 0), tool


# --- the tool --------------------------------------------------------------------------------------------------------

def run(daemon, *arguments, **keywords):
    tool = daemon.tool("status", *arguments, **keywords)
    output, talk = tool.communicate(timeout=DEADLINE_S)
    return tool.returncode, (output or b"").decode(), talk.decode()


def test_tool():
    with Daemon("--source", "synthetic", "--framerate", 100, "--size", "64x48", "--stream", "main", "--stream",
                "part=8,8,16,16") as daemon:
        daemon.wait_ready()
        clients = [raw.Client(daemon).attach() for _ in range(22)] + [raw.Client(daemon).attach_private()]
        status_when(daemon, lambda s: s["source"]["captured"], "the first frame came")
        code, output, talk = run(daemon, "--json")
        assert (code, talk) == (0, ""), talk
        assert output.endswith("}\n") and output.count("\n") == 1
        answer = json.loads(output)
        assert set(answer) == set(status(daemon)) and len(answer["clients"]) == len(clients)
        code, output, talk = run(daemon)
        assert (code, talk) == (0, ""), talk
        lines = output.splitlines()
        assert lines[0].startswith(f"{daemon.camera}: lumaringd ") and f", pid {daemon.pid}, up " in lines[0]
        if answer["loop"]["fallback_reason"]:
            assert lines[1].startswith("no io_uring: "), output
        assert any(line.startswith("source synthetic: live, 64x48, ") for line in lines), output
        starts = [line.split()[0] if line else "" for line in lines]
        assert starts.count("main") == starts.count("part") == starts.count("private-1") == 4
        assert starts.count(str(os.getpid())) == 40 and lines[-1] == "... and 3 more (--all)"
        assert max(len(line) for line in lines) <= 80, output
        assert f"of pid {os.getpid()}" in output and " python" in output
        code, output, talk = run(daemon, "--all")
        assert (code, talk) == (0, "") and output.count(f"{os.getpid()}  python") == 46
        for client in clients:
            client.close()
        reader, writer = os.pipe()
        os.close(reader)
        code, _, talk = run(daemon, stdout=writer)  # who reads has had enough
        assert (code, talk) == (0, ""), talk
        os.close(writer)
        with open("/dev/full", "wb") as full:
            code, _, talk = run(daemon, stdout=full)
            assert code == 1 and talk == "lumaring: cannot write to standard output: No space left on device\n", talk
        assert daemon.stop() == 0
        code, output, talk = run(daemon, "--wait", "0")
        assert code == 3 and "no daemon serves" in talk and not output, talk
        code, output, talk = run(daemon, "main")
        assert code == 2 and "'status' takes no 'main'" in talk, talk


def test_stopped_reader():
    """Who is stopped stands in front of all who are not, the longest first."""
    with Feed("--wait-clients", 1) as feed:
        daemon = feed.daemon.wait_ready()
        feed.write(WIDTH, HEIGHT, 3)
        readers = Client(daemon, "count", "--handles", 24)
        readers.expect("attached")
        stopped = daemon.tool("watch", "--futex", stdout=subprocess.DEVNULL)
        status_when(daemon, lambda s: [c["state"] for c in clients_of(s, stopped.pid)] == ["reading"], "it waits")
        feed.write(WIDTH, HEIGHT, 1)
        status_when(daemon, lambda s: s["streams"][0]["published"] == 4 and
                    [(c["seen"] > 0, c["lag"]) for c in clients_of(s, stopped.pid)] == [(True, 0)], "it has the newest")
        stopped.send_signal(signal.SIGSTOP)

        def pids_after(frames, behind):
            feed.write(WIDTH, HEIGHT, frames)
            status_when(daemon, lambda s: sorted(c["lag"] for c in s["clients"])[-len(behind) - 1:] == [0, *behind],
                        f"{behind} behind, and nobody else")
            code, output, talk = run(daemon)
            assert (code, talk) == (0, ""), talk
            words = [line.split() for line in output.splitlines()]
            at = next(i for i, line in enumerate(words) if line[:2] == ["PID", "PROCESS"])
            return [int(line[0]) for line in words[at + 1:at + 21]]

        pids = pids_after(30, [30])
        assert pids == [stopped.pid] + [readers.pid] * 19, pids
        with raw.Client(daemon) as never:
            never.attach()
            pids = pids_after(20, [20, 50])
            assert pids == [stopped.pid, os.getpid()] + [readers.pid] * 18, pids
        stopped.send_signal(signal.SIGCONT)
        feed.close()
        assert stopped.wait(DEADLINE_S) == 0
        assert readers.result()["handles"] == 24
        readers.process.stdin.close()
        readers.process.wait()  # it finds another source's pictures bad


def sockets_of(pid):
    return [link for link in (os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd"))
            if link.startswith("socket:")]


def test_tool_waits_for_a_daemon():
    with Daemon("--source", "synthetic", "--framerate", 100, "--size", "64x48") as daemon:
        daemon.wait_ready()
        daemon.stop()
        tool = daemon.tool("status", "--json", "--wait", DEADLINE_S)
        daemon.start()
        output, talk = tool.communicate(timeout=DEADLINE_S)
        assert tool.returncode == 0 and json.loads(output)["pid"] == daemon.pid, talk
        daemon.process.send_signal(signal.SIGSTOP)
        tool = daemon.tool("status", "--wait", 0.2)
        _, talk = tool.communicate(timeout=DEADLINE_S)
        assert tool.returncode == 6 and b"did not tell its status within 2000 ms" in talk, talk
        tool = daemon.tool("status", "--wait", DEADLINE_S)
        wait_until(lambda: sockets_of(tool.pid), "the tool has asked")
        tool.send_signal(signal.SIGTERM)
        assert tool.wait(DEADLINE_S) == 128 + signal.SIGTERM
        daemon.process.send_signal(signal.SIGCONT)
