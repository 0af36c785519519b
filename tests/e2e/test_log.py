# SPDX-License-Identifier: BSD-2-Clause
"""What the log says of clients that are refused, however often; and that the journal's catalog names what there is."""
import os
import re
import subprocess
import sys

import lib
import raw
from lib import DEADLINE_S, ROOT, Daemon, skip_unless
from test_access import as_user
from test_daemon import SYNTHETIC

LINES = 5  # of a uid, LIMIT_LOG_LINES
FLOOD = 40


def refused(daemon, uid, times):
    """A user asks so many times for a stream that there is not."""
    subprocess.run([*as_user(uid), sys.executable, "-c", raw.KNOCK, daemon.socket_path, raw.hello("nosuch").hex(),
                    str(times)], check=True, timeout=DEADLINE_S, stdout=subprocess.DEVNULL)


def test_flood():
    """Who is refused again and again fills no log, keeps nobody else's line out, and is told of in the end."""
    skip_unless(os.getuid() == 0, "becoming another user needs root")
    os.chmod(".", 0o755)
    with Daemon(*SYNTHETIC) as daemon:
        daemon.wait_ready()
        for path in (daemon.runtime_dir, daemon.socket_path):
            os.chmod(path, 0o777)
        refused(daemon, 60001, FLOOD)
        refused(daemon, 60002, 1)
        refused(daemon, 60003, LINES)
        assert daemon.stop() == 0
        log = daemon.log()
        for uid, lines in ((60001, LINES), (60002, 1), (60003, LINES)):
            sentence = f"uid {uid}: there is no stream \"nosuch\"; streams of {daemon.camera} are: main\n"
            assert log.count(sentence) == lines, (uid, log)
        assert f"clients of uid 60001: lines left out: {FLOOD - LINES}, within " in log, log
        assert log.count("lines left out") == 1, log


def words_of_help(program, *arguments):
    done = subprocess.run([program, *arguments, "--help"], stdout=subprocess.PIPE, check=True, timeout=DEADLINE_S,
                          encoding="utf-8")
    return done.stdout


def test_catalog_names():
    """Commands, options, settings and files that the catalog tells people about exist."""
    with open(ROOT / "systemd/lumaring.catalog", encoding="utf-8") as file:
        catalog = "\n".join(line for line in file.read().split("\n") if not line.startswith(("#", "Subject:")))
    flat = " ".join(catalog.split())
    daemon, tool = words_of_help(lib.BUILD / "lumaringd"), words_of_help(lib.BUILD / "lumaring")
    commands = re.findall(r"(?<![-.\w])(lumaringd?)((?: --?[a-z-]+| @LUMARING_CAMERA@)+)(?: ([a-z]+)$)?", catalog, re.M)
    options = 0
    for program, words, verb in commands:
        known = daemon if program == "lumaringd" else tool
        for option in re.findall(r"--[a-z-]+", words):
            assert re.search(rf"^ +{option}\b", known, re.M), (program, option)
            options += 1
        assert not verb or re.search(rf"^  {verb}\b", tool, re.M), (program, verb)
    assert options >= 8, commands
    assert options == len(re.findall(r"(?<!\w)--[a-z-]+", catalog)), "an option that belongs to no command of ours"
    settings = [word for found in re.findall(r"\bsettings? ([a-z_]+(?:(?:, | and )[a-z_]+)*)", flat)
                for word in re.split(", | and ", found)]
    assert len(settings) >= 8, settings
    for setting in settings:
        assert re.search(rf"^  --{setting.replace('_', '-')}\b", daemon, re.M), setting
    units = set(re.findall(r"\b(lumaringd[a-z-]*)@@LUMARING_CAMERA@(\.\w+)?", catalog))
    for name, kind in units:
        assert list((ROOT / "systemd").glob(f"{name}@{kind or '.service'}.in")), (name, kind)
    assert units


def test_catalog_drop_ins_come_into_force():
    """What is changed in a unit counts from the next start, and of a file that is put there systemd must be told."""
    with open(ROOT / "systemd/lumaring.catalog", encoding="utf-8") as file:
        entries = file.read().split("\n-- ")[1:]
    changing = [e for e in entries if "systemctl edit" in e or ".service.d" in e]
    assert len(changing) >= 3, "the catalog tells of drop-ins"
    for entry in changing:
        assert "\n    systemctl restart lumaringd@@LUMARING_CAMERA@\n" in entry, entry
        assert ".service.d" not in entry or "\n    systemctl daemon-reload\n" in entry, entry


def test_catalog_is_taken():
    """systemd's own tool takes the catalog, and explains each kind."""
    ids = re.findall(r"^-- ([0-9a-f]{32})$", (ROOT / "systemd/lumaring.catalog").read_text(encoding="utf-8"), re.M)
    os.makedirs("root/usr/lib/systemd/catalog")
    os.makedirs("root/var/lib/systemd/catalog")
    os.symlink(ROOT / "systemd/lumaring.catalog", "root/usr/lib/systemd/catalog/lumaring.catalog")
    try:
        subprocess.run(["journalctl", "--root=root", "--update-catalog"], check=True, timeout=DEADLINE_S)
    except FileNotFoundError as why:
        raise lib.Skip("journalctl is not here") from why
    listed = subprocess.run(["journalctl", "--root=root", "--list-catalog"], stdout=subprocess.PIPE, check=True,
                            timeout=DEADLINE_S, encoding="utf-8").stdout
    for identity in ids:
        assert re.search(rf"^{identity} lumaring: \S", listed, re.M), (identity, listed)
