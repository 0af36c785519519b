# SPDX-License-Identifier: BSD-2-Clause
"""What does not get better by trying again is tried once and said once, however many clients knock; what is put right
works after `systemctl restart`."""
import time

from lib import wait_until
from service import Clients, Service, run

SETTINGS = dict(source="synthetic", size="320x240", framerate=100)


def starts(service):
    """How often systemd has started the daemon."""
    return sum(str(e["MESSAGE"]).startswith("Starting ") for e in service.journal())


def failed(service, code):
    """It has been given up, with this exit code."""
    wait_until(lambda: service.unit("ActiveState") == "failed", "the service has failed")
    assert service.unit("ExecMainStatus") == code and service.unit("Result") == "exit-code", service.unit("Result")
    wait_until(lambda: not any(service.is_active(s) for s in service.sockets), "its sockets are closed")


def test_wrong_settings():
    """While clients want it back, all the time."""
    with Service("wrong1", **SETTINGS) as service:
        service.start()
        clients = Clients(service, "main", "--clients", 8).attached()
        began = starts(service)
        service.settings(**{**SETTINGS, "size": "320"})
        assert service.restart(check=False).returncode != 0
        failed(service, "2")
        said = [line for line in service.lines() if "size" in line]
        assert len(said) == 1 and str(service.path) in said[0], service.lines()
        print(f"figure: {said[0]}")
        since = time.monotonic()
        service.lumaring("status", check=False)
        wait_until(lambda: time.monotonic() - since > 2, "many attempts of each client")
        assert service.unit("ActiveState") == "failed" and starts(service) == began + 1, starts(service) - began
        assert len([line for line in service.lines() if "size" in line]) == 1, service.lines()

        service.settings(**SETTINGS)
        since = len(clients.events)
        service.restart()
        wait_until(lambda: len(clients.told("frame", since)) == 8, "the clients have frames again")
        found = clients.result()
        print(f"figure: {starts(service) - began} starts; the clients that knocked all the while went on: "
              f"{found['verified']} frames verified, {found['bad']} bad")
        assert service.is_active() and all(service.is_active(s) for s in service.sockets)


def test_wrong_settings_found_when_it_is_enabled():
    with Service("wrong2", **{**SETTINGS, "nonsense": 1}) as service:
        assert run("systemctl", "enable", "--now", service.name, check=False).returncode != 0
        failed(service, "2")
        assert sum("nonsense" in line for line in service.lines()) == 1, service.lines()
        service.settings(**SETTINGS)
        service.restart()
        Clients(service, "main", "--count", 20).attached().finished()


def test_missing_footage():
    """Exit code 4, likewise."""
    with Service("wrong3", source="replay:/nowhere/clip.y4m") as service:
        assert service.start(check=False).returncode != 0
        failed(service, "4")
        assert service.unit("NRestarts") == "0"
        said = [line for line in service.lines() if "/nowhere/clip.y4m" in line]
        assert len(said) == 1, service.lines()
        print(f"figure: {said[0]}")


def test_a_setting_that_is_wrong_later():
    """A reload that is refused leaves what is, and says so."""
    with Service("wrong4", **SETTINGS) as service:
        service.start()
        clients = Clients(service, "main", "--clients", 2).attached()
        pid = service.pid()
        service.settings(**{**SETTINGS, "slots": 3})
        run("systemctl", "reload", service.name, check=False)
        service.wait_line("slots")
        assert service.is_active() and service.pid() == pid
        clients.result()


def test_group_that_is_not_the_units():
    """One sentence, which names the drop-in."""
    with Service("wrong5", **SETTINGS, group="audio") as service:
        assert service.start(check=False).returncode != 0
        failed(service, "2")
        said = [line for line in service.lines() if "systemctl edit" in line]
        assert len(said) == 1 and service.name.removesuffix(".service") in said[0] and "SocketGroup=" in said[0], \
            service.lines()
        print(f"figure: {said[0]}")
