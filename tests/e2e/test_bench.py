# SPDX-License-Identifier: BSD-2-Clause
"""`lumaring bench --camera`: the report has its rows, wherever it runs; what is wrong is refused; and who measures is
found. How fast anything is, is never judged here."""
import glob
import os
import re
import resource
import shutil
import signal
import stat
import subprocess

from lib import BUILD, DEADLINE_S, skip_unless, wait_until
from test_lifecycle import SANITIZED

ROW = re.compile(r"^\| (\S+) +\| +(\d+x\d+) \| +(\d) \| ([0-9.]+) \[([0-9.]+)\.\.([0-9.]+)\] +\| +(\d+) \| +(\d+) \| "
                 r"+([0-9.]+) \| +([0-9.]+) % \|$", re.M)


def run(*words, program=None, **keywords):
    """(exit code, standard output, standard error)"""
    done = subprocess.run([program or BUILD / "lumaring", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=DEADLINE_S, check=False, **keywords)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def fake_daemon(directory):
    """A lumaringd that prints its words."""
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, "lumaringd")
    with open(path, "w", encoding="ascii") as file:
        file.write('#!/bin/sh\necho "$0 $*"\n')
    os.chmod(path, stat.S_IRWXU)


def test_report():
    code, report, talk = run("bench", "--camera", "--size", "800x600")
    assert code == 0 and talk.startswith("lumaringd: measuring, "), (code, talk)
    threads = range(1, min(4, len(os.sched_getaffinity(0))) + 1)
    rows = [match.groups() for match in ROW.finditer(report)]
    plain = [(size, int(n)) for memory, size, n, *_ in rows if memory == "plain"]
    assert plain == [(size, n) for size in ("800x600", "640x480", "64x64") for n in threads], report
    for _, size, _, ms, least, most, mbs, rate, *_ in rows:
        width, height = map(int, size.split("x"))
        assert 0 < float(least) <= float(ms) <= float(most), report
        # Rounded to 0.0001 ms and whole numbers.
        assert abs(float(ms) * int(rate) / 1000 - 1) < 0.00006 / float(ms) + 0.001, (ms, rate)
        assert abs(width * height * int(rate) / 1e6 - int(mbs)) <= 1 + int(mbs) / 100, (size, rate, mbs)
    for line in ("- Board: ", "- CPU: ", "- RAM: ", "- System: Linux ", "- lumaring ", "- plain: "):
        assert f"\n{line}" in report, (line, report)
    assert "; cached: read again and again " in report
    if not glob.glob("/dev/video*"):
        assert "- There is no camera, or none that is free: no buffers of a camera driver were measured.\n" in report
    if not os.path.exists("/dev/dma_heap"):
        assert "- No dma-heap: there is no /dev/dma_heap\n" in report


def test_small_images():
    """A part that is no smaller than the image is no row of its own."""
    code, report, _ = run("bench", "--camera", "--size", "64x64")
    assert code == 0 and {row[1] for row in ROW.findall(report)} == {"64x64"}, report
    code, report, _ = run("bench", "--camera", "--size", "1x1")
    assert code == 0 and {row[1] for row in ROW.findall(report)} == {"1x1"}, report


def test_refused():
    for words, sentence in (
            ((), "say what to measure, with --camera"),
            (("/dev/video0",), "say what to measure, with --camera"),
            (("--camera", "cam0"), "DEVICE is a path"),
            (("--camera", "/dev/a", "/dev/b"), "one DEVICE is enough"),
            (("--camera=cam0",), "it takes --camera"),
            (("--camera", "--wait", "2"), "it takes --camera"),
            (("--camera", "--size"), "--size needs a value"),
            (("--camera", "/" + 4096 * "x"), "DEVICE is too long")):
        code, output, talk = run("bench", *words)
        assert (code, output) == (2, "") and talk.startswith("lumaring: bench: ") and sentence in talk, (words, talk)
    assert run("--wait", "2", "bench")[::2] == (
        2, "lumaring: 'bench' comes before its options: lumaring bench --camera\n")
    code, output, talk = run("bench", "--camera", "--size", "12x")
    assert (code, output) == (2, "") and talk.startswith('lumaringd: --size: "12x" is not'), talk
    for device, why in (("/dev/null", "it captures no images"), ("/nowhere/video0", "cannot be opened: No such file")):
        code, output, talk = run("bench", "--camera", device)
        assert (code, output) == (1, "") and talk.startswith(f"lumaringd: {device}: {why}"), talk
    for environment, why in (({"LUMARING_CPU": "abacus"}, "LUMARING_CPU"),):
        code, output, talk = run("bench", "--camera", env=dict(os.environ, **environment))
        assert (code, output) == (1, "") and why in talk, talk


def test_memory():
    """An image that would take the memory of others is refused before anything is taken or printed."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    skip_unless(memory < 4 * 9 * 65535 * 65535, "this machine has memory for any image")
    skip_unless(not SANITIZED, "a sanitizer's shadow takes more addresses than the test leaves")

    def little():
        resource.setrlimit(resource.RLIMIT_AS, (1 << 31, 1 << 31))

    code, output, talk = run("bench", "--camera", "--size", "65535x65535", preexec_fn=little)
    assert (code, output) == (1, "") and "a quarter of this machine's: give a smaller --size" in talk, (code, output, talk)


def test_help():
    for words in (("bench", "--help"), ("bench", "-h"), ("help", "bench"), ("--help", "bench")):
        code, output, talk = run(*words)
        assert code == 0 and "Usage: lumaring bench --camera" in output and not talk, words


def test_who_measures():
    """Beside the tool first, PATH last; and a sentence where there is none."""
    os.mkdir("tool")
    tool = os.path.abspath(shutil.copy(BUILD / "lumaring", "tool/lumaring"))
    path = {"PATH": os.path.abspath("other")}
    code, output, talk = run("bench", "--camera", program=tool, env=path)
    skip_unless("which measures" in talk, "a lumaringd is installed where this build goes to")
    assert (code, output) == (1, "") and "which measures, is not there" in talk, talk
    fake_daemon("other")
    found = run("bench", "--camera", program=tool, env=path)
    assert found == (0, f"{path['PATH']}/lumaringd --bench-camera\n", ""), found
    fake_daemon("tool")
    found = run("bench", "--camera", "/dev/video7", "--size", "64x48", program=tool, env=path)
    assert found == (0, f"{os.path.dirname(tool)}/lumaringd --bench-camera=/dev/video7 --size 64x48\n", ""), found
    os.chmod("tool/lumaringd", 0o600)
    os.remove("other/lumaringd")
    code, output, talk = run("bench", "--camera", program=tool, env=path)
    assert (code, output) == (1, "") and "cannot be run: Permission denied" in talk, talk


def test_stopped():
    """What is there is printed, and the signal ends it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with open("report", "wb") as file, \
                subprocess.Popen([BUILD / "lumaring", "bench", "--camera"], stdout=file, stdin=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL) as tool:
            wait_until(lambda: os.path.getsize("report"), "the head of the report")
            tool.send_signal(number)
            assert tool.wait(DEADLINE_S) == -number
        with open("report", encoding="utf-8") as file:
            assert file.read().endswith("\n- Stopped before everything was measured.\n")
