# SPDX-License-Identifier: BSD-2-Clause
"""What the packages do with instances of the service when they are installed again, removed and purged."""
import os
import pathlib
import re

import service
from lib import BUILD, ROOT, wait_until
from service import CONFIG, DROP_INS, RUNTIME, Service, make_user, run

PACKAGES = ("lumaringd", "liblumaring0", "liblumaring-dev", "lumaring-tools", "python3-lumaring")
PATTERNS = ("lumaringd@*", "lumaringd-*@*")


def install():
    run(ROOT / "tests" / "systemd" / "install", BUILD)


def apt(verb, *packages):
    run("apt-get", verb, "-y", "-o", "DPkg::Options::=--force-unsafe-io", *packages, env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"))


def loaded(*options):
    return run("systemctl", "list-units", "--all", "--plain", "--no-legend", *options, *PATTERNS).stdout.splitlines()


def names(directory):
    """Of all below it that is ours, but not of the box."""
    return [str(path) for path in pathlib.Path(directory).rglob("*lumaring*") if "sdbox" not in path.name]


def test_running_instances_are_restarted():
    with Service("again1", source="synthetic", size="64x64") as running, \
            Service("again2", source="synthetic", size="64x64") as stopped, \
            Service("again3", source="synthetic", size="0x0") as failed:
        for s in (running, stopped, failed):
            run("systemctl", "enable", s.name)
            s.start(check=s is not failed)
        stopped.stop()
        wait_until(lambda: failed.unit("ActiveState") == "failed", "bad settings are refused")
        failed.settings(source="synthetic", size="64x64")
        before = running.pid()
        listening = [running.unit("InvocationID", socket) for socket in running.sockets]
        install()
        assert running.is_active() and running.pid() not in (0, before), running.unit("StatusText")
        assert [running.unit("InvocationID", socket) for socket in running.sockets] == listening
        assert not stopped.is_active() and stopped.pid() == 0
        assert stopped.is_active(stopped.sockets[0]), "it can be started by a client, as before"
        assert failed.is_active(), "it is given another chance"
        for s in (running, failed):
            s.lumaring("watch", "-n", "1")


def test_python():
    """What the README shows of Python runs from the package, for a member of the group that may read; root may set."""
    shown = [code for name in ("README.md", "client-lib/python/README.md")
             for code in re.findall(r"^```python\n(.*?)^```$", (ROOT / name).read_text(encoding="utf-8"), re.M | re.S)]
    assert shown
    make_user("watcher", "video")
    with Service("cam0", source="synthetic", size="640x480", framerate=100) as s:
        s.start()
        for code in shown:
            assert run("sh", "-c", 'timeout 60 python3 -uc "$1" | head -n 3', "sh", code).stdout.count("\n") == 3, code
        read = "import lumaring; c = lumaring.open(); print(c.stream().next(60).array.shape, c.size); c.set(framerate=50)"
        done = run("/usr/bin/python3", "-c", read, user="watcher", groups=["video"], check=False, cwd="/")
        assert done.stdout == "(480, 640) (640, 480)\n", done
        assert done.stderr.splitlines()[-1].startswith("lumaring.refused.PermissionDenied: "), done.stderr
        assert "sudo usermod -aG lumaring watcher" in done.stderr, done.stderr


def check_purge():
    with Service("purged1", source="synthetic", size="64x64") as s, \
            Service("purged2", source="synthetic", size="0x0") as failed:
        failed.start(check=False)
        wait_until(lambda: failed.unit("ActiveState") == "failed", "bad settings are refused")
        run("systemctl", "enable", s.name)
        s.drop_in("slow", "[Service]\nWatchdogSec=20\n")
        (CONFIG / "purged1.json.d").mkdir()
        (CONFIG / "purged1.json.d" / "rate.json").write_text('{ "framerate": 30 }', encoding="ascii")
        s.start()
        s.lumaring("watch", "-n", "1")
        assert names(DROP_INS) and RUNTIME.is_dir() and s.shm_names()

        apt("remove", *PACKAGES)
        # An instance that is enabled is still asked for.
        assert all(" inactive dead " in line for line in loaded()), loaded()
        assert not RUNTIME.exists() and not s.shm_names()
        assert (CONFIG / "purged1.json.d" / "rate.json").exists(), "settings outlive a removal"

        apt("purge", "lumaringd")
        assert not loaded(), loaded()
        assert not CONFIG.exists() and not names("/etc"), names("/etc")
        left = names("/usr/lib") + names("/usr/sbin") + names("/usr/share") + names("/var/lib/systemd")
        assert not left, left
        assert run("getent", "group", "lumaring", check=False).returncode == 2


def test_purge():
    try:
        check_purge()
    finally:
        install()
    with Service("purged3", source="synthetic", size="64x64") as s:
        s.start()
        s.lumaring("watch", "-n", "1")


def test_purge_leaves_a_group_with_members():
    service.make_user("keeper")
    run("usermod", "--append", "--groups", "lumaring", "keeper")
    try:
        apt("purge", *PACKAGES)
        assert run("getent", "group", "lumaring").stdout.strip().endswith(":keeper")
    finally:
        run("gpasswd", "--delete", "keeper", "lumaring", check=False)
        install()
