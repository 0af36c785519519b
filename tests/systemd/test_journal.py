# SPDX-License-Identifier: BSD-2-Clause
"""What the journal has of a run: each failure once, of a kind, with its fields, and explained by journalctl -x."""
import collections
import contextlib
import errno
import json
import os
import signal
import subprocess

import raw
from lib import DEADLINE_S, wait_until
from service import Service, make_user, run
from test_quiet import write_to

LINES = 5  # of a uid, LIMIT_LOG_LINES
FLOOD = 40
# What a run has without anything being wrong.
GOOD = {"STARTED", "STOPPING", "STOPPED", "SOURCE_FORMAT", "SOURCE_LIVE", "SOURCE_ENDED", "STREAM_SERVED", "STREAM_ACCOUNT",
        "CONFIG_RELOADED", "CONFIG_CHANGED", "MEMORY_NOT_LOCKED"}


def knock(service, user, times=1):
    """A user asks so many times for a stream that there is not: (pid, uid) that the daemon saw, as the journal has it."""
    done = run("python3", "-c", raw.KNOCK, f"{service.runtime_dir}/{service.camera}/frames", raw.hello("nosuch").hex(), times,
               user=user, groups=["video"])
    return tuple(done.stdout.split())


def events(service):
    """The daemon's entries that are of a kind, by kind; each is what every entry must be."""
    found = collections.defaultdict(list)
    for entry in service.journal():
        if entry.get("SYSLOG_IDENTIFIER") != "lumaringd":
            continue
        assert entry["LUMARING_CAMERA"] == service.camera and entry["PRIORITY"] in "3456", entry
        assert ("LUMARING_EVENT" in entry) == ("MESSAGE_ID" in entry), entry
        if "LUMARING_EVENT" in entry:
            found[entry["LUMARING_EVENT"]].append(entry)
    return found


def fields_of(entry):
    """Those of ours that not every entry has, without the prefix."""
    return {key.removeprefix("LUMARING_"): value for key, value in entry.items()
            if key == "ERRNO" or key.startswith("LUMARING_") and key not in ("LUMARING_CAMERA", "LUMARING_EVENT")}


def explanation(service, entry):
    """What journalctl -x adds to an entry."""
    text = run("journalctl", "--no-pager", "--catalog", "--output", "short", f"MESSAGE_ID={entry['MESSAGE_ID']}",
               f"LUMARING_CAMERA={service.camera}").stdout
    assert entry["MESSAGE"] in text, text
    return "\n".join(line for line in text.splitlines() if line.startswith(("░░", "--")))


def check_failures(service, expected):
    """These failures (kind, number, fields), each so often and no other; all that there is, is explained."""
    found = events(service)
    failures = {kind: len(entries) for kind, entries in found.items() if kind not in GOOD}
    assert failures == {kind: number for kind, number, _ in expected}, (failures, expected)
    for kind, _, fields in expected:
        for entry in found[kind]:
            assert fields_of(entry) == {key: str(value) for key, value in fields.items()}, (kind, entry)
    for kind, entries in found.items():
        text = explanation(service, entries[0])
        assert "Subject: " in text and "Defined-By: lumaring" in text and len(text.splitlines()) > 5, (kind, text)
        assert service.camera in text and "@LUMARING" not in text, (kind, text)
    print(f"figure: {sum(map(len, found.values()))} entries of {len(found)} kinds explained: "
          f"{', '.join(f'{len(found[kind])} {kind}' for kind in sorted(found))}")
    return found


def systemd_failed(service, status):
    """systemd has seen it end so, and does not start it again."""
    wait_until(lambda: service.unit("ActiveState") == "failed", "the service failed")
    assert int(service.unit("ExecMainStatus")) == status, service.unit("ExecMainStatus")


def test_run():
    """From the start to the end, with clients and configurations that are refused."""
    eye = make_user("eye", "video")
    with Service("journal1", source="synthetic", size="320x240") as service:
        service.start()
        service.wait_state("live")
        pid, uid = knock(service, eye)
        refused = run("setpriv", "--reuid", eye, "--regid", eye, "--groups", "video", "lumaring", "--camera", service.camera,
                      "set", "--framerate", "20", check=False)
        assert refused.returncode == 4, refused
        service.settings(source="synthetic", size="320x240", framerate="25")
        run("systemctl", "reload", service.name)
        service.wait_line("read the configuration anew")
        service.settings(source="synthetic", size="320x", framerate="25")
        run("systemctl", "reload", service.name, check=False)
        service.wait_line("is left as it was")
        service.lumaring("streams", "add", "ball=0,0,64,64")
        service.lumaring("streams", "remove", "ball")
        service.stop()
        denied = events(service)["CLIENT_DENIED"][0]["LUMARING_CLIENT_PID"]
        found = check_failures(service, [
            ("CLIENT_REFUSED", 1, {"CLIENT_PID": pid, "CLIENT_UID": uid, "STREAM": "nosuch", "ERRNO": errno.ENOENT}),
            ("CLIENT_DENIED", 1, {"CLIENT_PID": denied, "CLIENT_UID": uid, "ERRNO": errno.EACCES}),
            ("CONFIG_REFUSED", 1, {})])
        for kind in ("STARTED", "STOPPING", "STOPPED", "CONFIG_RELOADED"):
            assert len(found[kind]) == 1, kind
        assert [fields_of(e)["STREAM"] for e in found["CONFIG_CHANGED"]] == ["ball", "ball"]
        assert [fields_of(e) for e in found["STREAM_ACCOUNT"]] == [{"STREAM": "main"}]
        assert "journal1.json" in found["CONFIG_REFUSED"][0]["MESSAGE"]
        assert f"lumaringd --check-config --camera {service.camera}" in explanation(service, found["CONFIG_REFUSED"][0])
        assert f"systemctl reload lumaringd@{service.camera}" in explanation(service, found["CONFIG_REFUSED"][0])


def test_flood():
    """Of each uid so many lines, whatever the others do, and one that tells how many there would have been."""
    users = [make_user(f"eye{number}", "video") for number in range(3)]
    with Service("journal2", source="synthetic", size="320x240") as service:
        service.start()
        seen = [knock(service, user, times) for user, times in zip(users, (FLOOD, 1, LINES))]
        service.stop()
        found = events(service)
        lines = collections.Counter(fields_of(e)["CLIENT_UID"] for e in found["CLIENT_REFUSED"])
        assert lines == {seen[0][1]: LINES, seen[1][1]: 1, seen[2][1]: LINES}, lines
        assert [fields_of(e) for e in found["CLIENT_LEFT_OUT"]] == [{"CLIENT_UID": seen[0][1]}]
        assert f"lines left out: {FLOOD - LINES}, " in found["CLIENT_LEFT_OUT"][0]["MESSAGE"]


def refused_start(camera, status, kind, fields, settings, before=lambda service: None):
    with Service(camera, **settings) as service:
        before(service)
        service.start(check=False)
        systemd_failed(service, status)
        found = check_failures(service, [(kind, 1, fields)])
        assert found[kind][0]["PRIORITY"] == "3"
        assert f"systemctl restart lumaringd@{camera}" in explanation(service, found[kind][0])


def test_wrong_settings():
    refused_start("journal3", 2, "REFUSED_SETTINGS", {}, {"source": "synthetic", "size": "320x240", "slots": 2})


def test_no_footage():
    refused_start("journal4", 4, "SOURCE_FAILED", {}, {"source": "replay:/nowhere/clip.y4m"})


@contextlib.contextmanager
def small_shm(size):
    """The box's own; no test runs beside this one."""
    status = os.statvfs("/dev/shm")
    run("mount", "-o", f"remount,size={size}", "/dev/shm")
    try:
        yield
    finally:
        run("mount", "-o", f"remount,size={status.f_blocks * status.f_frsize}", "/dev/shm")


def test_no_room():
    """Each daemon that finds none says so once, before it waits and after, whether or not it is started again."""
    with small_shm("256k"), Service("journal5", source="synthetic", size="640x480") as service:
        service.start(check=False)
        wait_until(lambda: events(service)["NO_ROOM"], "the line")
        service.clear()
        found = events(service)
        ended = {entry["_PID"] for entry in found["NO_ROOM"]}
        for kind in ("NO_ROOM_RETRYING", "NO_ROOM"):
            lines = collections.Counter(entry["_PID"] for entry in found[kind])
            assert set(lines.values()) == {1} and ended <= set(lines) <= {e["_PID"] for e in found["STARTED"]}, found
            for entry in found[kind]:
                assert fields_of(entry) == {"STREAM": "main", "ERRNO": str(errno.ENOSPC)}, entry
        assert "df /dev/shm" in explanation(service, found["NO_ROOM"][0])


def test_locked():
    """One that somebody started by hand has the camera."""
    with Service("journal6", source="synthetic", size="320x240") as service:
        other = subprocess.Popen(["lumaringd", "--camera", service.camera, "--source", "synthetic"], stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: os.path.exists(f"{service.runtime_dir}/{service.camera}/frames"), "the other one serves")
            # Its sockets are in the way of the unit's, so another unit asks for the camera.
            run("systemd-run", "--quiet", "--wait", "--collect", "--unit", "journal6-other", "lumaringd", "--camera",
                service.camera, "--source", "synthetic", check=False)
        finally:
            other.terminate()
            other.wait(DEADLINE_S)
        run("journalctl", "--sync")
        text = run("journalctl", "--output", "json", "--unit", "journal6-other").stdout
        found = [entry for entry in map(json.loads, text.splitlines()) if "LUMARING_EVENT" in entry]
        assert [entry["LUMARING_EVENT"] for entry in found] == ["REFUSED_LOCK"], found
        assert "Subject: Camera journal6 is served by another lumaringd" in explanation(service, found[0])


def test_no_camera():
    """There is none in the box: said once, however often it is looked for."""
    with Service("journal7", source="libcamera") as service:
        service.start()
        service.wait_state("lost")
        wait_until(lambda: events(service)["CAMERA_ABSENT"], "the line")
        service.stop()
        found = events(service)
        assert len(found["CAMERA_ABSENT"]) == 1 and fields_of(found["CAMERA_ABSENT"][0]) == {"ERRNO": str(errno.ENODEV)}
        assert "lumaringd --list-cameras" in explanation(service, found["CAMERA_ABSENT"][0])


def test_killed():
    """What it left is told of, once, and that it did not stop."""
    with Service("journal8", source="synthetic", size="320x240") as service:
        service.start()
        service.wait_state("live")
        pid = service.pid()
        service.kill()
        wait_until(lambda: service.pid() not in (0, pid) and service.is_active(), "another one serves")
        service.stop()
        found = check_failures(service, [("LEFT_OVER_REMOVED", 1, {})])
        assert len(found["STARTED"]) == 2 and len(found["STOPPED"]) == 1
        assert found["STARTED"][0]["_PID"] == str(pid)


def test_no_descriptors():
    """New clients are turned away, and told; of the daemon's trouble there is one line, and one that it is over."""
    with Service("journal9", source="synthetic", size="320x240") as service:
        service.drop_in("few", "[Service]\nLimitNOFILE=40\n")
        service.start()
        service.wait_state("live")
        clients = []
        while "cannot take new clients" not in " ".join(service.lines()):
            assert len(clients) < 80
            clients += [subprocess.Popen(["lumaring", "--camera", service.camera, "watch"], stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL) for _ in range(8)]
        for client in clients:
            client.kill()
            client.wait(DEADLINE_S)
        wait_until(lambda: events(service)["ACCEPT_RESUMED"], "clients are taken again")
        service.stop()
        found = events(service)
        outages = [entry for entry in found["DESCRIPTORS_OUT"] if "LUMARING_CLIENT_UID" not in entry]
        assert len(outages) == len(found["ACCEPT_RESUMED"]) == 1, found
        assert fields_of(outages[0]) == {"ERRNO": str(errno.EMFILE)}
        assert "LimitNOFILE=" in explanation(service, outages[0])


def test_quiet_writer():
    """Footage from a pipe whose writer stands still: when, by its frames, and that it goes on."""
    pipe = "/srv/lumaring-journal11"  # where the unit lets it look
    with Service("journal11", source=f"replay:{pipe}") as service:
        os.mkfifo(pipe)
        writer = write_to(pipe)
        try:
            service.start()
            service.wait_state("live")
            writer.send_signal(signal.SIGSTOP)
            wait_until(lambda: events(service)["SOURCE_QUIET"], "the line")
            writer.send_signal(signal.SIGCONT)
            wait_until(lambda: events(service)["CAMERA_RECOVERED"], "frames again")
            service.stop()
        finally:
            writer.kill()
            writer.wait(DEADLINE_S)
            os.unlink(pipe)
        found = events(service)
        quiet, again = found["SOURCE_QUIET"], found["CAMERA_RECOVERED"]
        assert len(quiet) == len(again) == 1 and quiet[0]["PRIORITY"] == "4", found
        assert fields_of(quiet[0]).keys() == fields_of(again[0]).keys() == {"SEQUENCE"}, found
        assert 0 < int(quiet[0]["LUMARING_SEQUENCE"]) <= int(again[0]["LUMARING_SEQUENCE"]), found
        assert "Look at the program that writes into it." in explanation(service, quiet[0])


def test_no_io_uring():
    """Where it is forbidden one line says so; the capture thread does not say it again."""
    with Service("journal10", source="synthetic", size="320x240") as service:
        service.drop_in("forbid", "[Service]\nSystemCallFilter=~io_uring_setup\n")
        service.start()
        service.wait_state("live")
        service.stop()
        check_failures(service, [("IO_FALLBACK", 1, {})])
