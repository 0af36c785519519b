# SPDX-License-Identifier: BSD-2-Clause
"""`lumaring doctor` where systemd runs the daemon: what it says of a service that is well or not, and to whom.
"""
import json
import os

from lib import wait_until
from service import Service, make_user, run

SETTINGS = dict(source="synthetic", size="320x240", framerate=100)
UNWELL = 7


def examine(service, **keywords):
    """(exit code, findings by check)"""
    # Of this machine's settings, which tests keep out elsewhere.
    env = {name: value for name, value in os.environ.items() if name != "LUMARING_CONFIG_DIR"}
    done = service.lumaring("doctor", "--json", check=False, env=env, **keywords)
    assert done.stderr == "" and done.returncode in (0, UNWELL), done
    return done.returncode, {c["check"]: c for c in json.loads(done.stdout)["checks"]}


def has(found, level, text, command=None, advice=None):
    assert found["level"] == level and text in found["text"], found
    assert found.get("command") == command and found.get("advice") == advice, found


def test_all_is_well():
    with Service("well", **SETTINGS) as service:
        service.start()
        service.wait_state("live")
        _, found = examine(service)
        has(found["unit"], "note", "will not be after a reboot (disabled)", "sudo systemctl enable lumaringd@well")
        run("systemctl", "enable", service.name)
        code, found = examine(service)
        for check in ("daemon", "version", "frames", "unit", "sandbox", "settings", "groups", "camera", "holders"):
            assert found[check]["level"] == "ok", found[check]
        has(found["version"], "ok", "of tool, library and daemon")
        has(found["sandbox"], "ok", "exposure 1.0 OK")
        assert code == 0, found
        shown = service.lumaring("doctor").stdout
        assert "\nwell: nothing is wrong" in shown, shown
        print(f"figure: lines on the screen: {len(shown.splitlines())}")


def test_who_may():
    with Service("whom", **SETTINGS) as service:
        service.start()
        stranger, reader = make_user("stranger"), make_user("reader", "video")
        code, found = examine(service, user=stranger)
        assert code == UNWELL
        has(found["groups"], "problem", "for the group video, which you are not in",
            "sudo usermod -aG video stranger  # then log in again")
        _, found = examine(service, user=reader, groups=["video"])
        has(found["groups"], "note", "changes are for the group lumaring",
            "sudo usermod -aG lumaring reader  # then log in again")
        for check in ("daemon", "frames", "sandbox", "settings"):
            assert found[check]["level"] == "ok", found[check]
        # What the manager tells of a unit anybody may read.
        has(found["unit"], "note", "will not be after a reboot", "sudo systemctl enable lumaringd@whom")


def test_a_service_that_failed():
    with Service("ill1", **{**SETTINGS, "size": "320"}) as service:
        service.start(check=False)
        wait_until(lambda: service.unit("ActiveState") == "failed", "the service has failed")
        code, found = examine(service)
        assert code == UNWELL
        has(found["unit"], "problem", "exit code 2, its settings are wrong: " + str(service.path),
            advice="see settings; then sudo systemctl restart lumaringd@ill1")
        has(found["settings"], "problem", "ill1.json:1:", "lumaringd --check-config --camera ill1")
        assert found["daemon"]["level"] == "problem" and found["daemon"]["advice"] == "see unit", found["daemon"]


def test_a_service_that_was_not_started():
    with Service("ill2", **SETTINGS) as service:
        code, found = examine(service)
        assert code == UNWELL
        has(found["daemon"], "problem", "frames is not there", advice="see unit")
        has(found["unit"], "problem", "is inactive", "sudo systemctl enable --now lumaringd@ill2")


def test_a_sandbox_with_holes():
    with Service("ill3", **SETTINGS) as service:
        service.drop_in("bare", "[Unit]\nRequires=\n[Service]\nCapabilityBoundingSet=~\nSystemCallFilter=\n"
                                "DevicePolicy=auto\nPrivateNetwork=no\nProtectSystem=no\nNoNewPrivileges=no\n"
                                "ProtectHome=no\nRestrictNamespaces=no\nMemoryDenyWriteExecute=no\n"
                                "ProtectProc=default\n")
        service.start()
        service.wait_state("live")
        _, found = examine(service)
        assert found["sandbox"]["level"] == "note" and "as it is installed has 1.0" in found["sandbox"]["text"], found


def test_another_daemon():
    """By hand, where the service could be."""
    with Service("hand", **SETTINGS) as service:
        unit = "by-hand.service"
        run("systemd-run", "--unit", unit, "lumaringd", "--camera", "hand")
        wait_until(lambda: service.lumaring("status", check=False).returncode == 0, "it serves")
        _, found = examine(service)
        has(found["unit"], "note", "was started otherwise")
        run("systemctl", "stop", unit)
