# SPDX-License-Identifier: BSD-2-Clause
"""`lumaring top` on a terminal, for a file and for programs: what it shows is what happens, it goes on without a daemon,
and leaves the terminal as it was."""
import json
import os
import re
import shutil
import signal
import subprocess
import termios

import raw
from lib import BUILD, DEADLINE_S, Daemon, wait_until
from terminal import Terminal

RAW = termios.ICANON | termios.ECHO


def synthetic(*options):
    return Daemon("--source", "synthetic", "--framerate", 100, "--size", "64x48", *options)


def top(daemon, *arguments, columns=100, rows=30):
    return Terminal([BUILD / "lumaring", "top", "--camera", daemon.camera, "--runtime-dir", daemon.runtime_dir,
                     "--interval", 0.1, *arguments], columns, rows)


def run(daemon, *arguments, **keywords):
    with daemon.tool("top", *arguments, text=True, stdin=subprocess.DEVNULL, **keywords) as tool:
        out, err = tool.communicate(timeout=DEADLINE_S)
    return tool.returncode, out, err


def rate_of_stream(screen):
    """Of main, when it is there."""
    for line in screen.lines():
        words = line.split()
        if words[:1] == ["main"] and len(words) > 1 and words[1] != "-":
            return float(words[1])
    return None


def test_screen():
    """A client comes and is seen with its rate, the window changes its size, and q ends it."""
    with synthetic() as daemon:
        with top(daemon.wait_ready()) as screen:
            screen.wait_text("no clients")
            screen.wait_text("q quit")  # the last line, which may come in another piece
            assert screen.inside and screen.hidden and not screen.modes() & RAW
            screen.wait(lambda s: f"{daemon.camera} live, 64x48 R8" in s.lines()[0] and s.lines()[-1].startswith("q quit"),
                        "the first line and the last")  # it is live with its first frame
            with daemon.tool("watch", stdout=subprocess.DEVNULL) as reader:
                screen.wait(lambda s: any(line.split()[:3] == [str(reader.pid), "lumaring", "main"]
                                          for line in s.lines()), "the client")
                screen.wait(lambda s: (rate_of_stream(s) or 0) > 1, "a rate")
                screen.wait(lambda s: " of one core, - a frame" not in s.text(), "CPU time for each frame")
                for columns, rows in ((60, 15), (200, 60), (20, 3), (1, 1), (100, 30)):
                    screen.size(columns, rows)
                    drawn = screen.drawn
                    screen.wait(lambda s, n=drawn: s.drawn > n + 1, f"two screens of {columns}x{rows}")
                screen.wait_text(str(reader.pid))
                reader.terminate()
                reader.wait(DEADLINE_S)
            screen.wait_text("no clients")
            screen.press("q")
            assert screen.wait_end() == 0
            screen.assert_restored()


def test_ends():
    """Each way out leaves the terminal as it was."""
    with synthetic() as daemon:
        daemon.wait_ready()
        for way, code in ((lambda s: s.press("\x03"), 0), (lambda s: s.press("\x1b"), 0), (lambda s: s.process.send_signal(signal.SIGTERM), 0),
                          (lambda s: s.process.send_signal(signal.SIGHUP), 129),
                          (lambda s: s.process.send_signal(signal.SIGALRM), 128 + signal.SIGALRM),
                          (lambda s: s.process.send_signal(signal.SIGUSR1), -signal.SIGUSR1)):
            with top(daemon) as screen:
                screen.wait_text("no clients")
                way(screen)
                assert screen.wait_end() == code
                screen.assert_restored()
        with top(daemon, "-n", 2) as screen:
            assert screen.wait_end() == 0
            screen.assert_restored()


def test_without_a_daemon():
    """At the start it is an error as of any other verb, outside of the screen; later it is told, and waited for."""
    with synthetic() as daemon:
        daemon.wait_ready()
        with top(daemon) as screen:
            screen.wait_text("no clients")
            daemon.stop()
            screen.wait_text("asking again: no daemon serves")
            screen.press("m \x1b[A\x1b[6~")  # keys go on
            daemon.start()
            screen.wait_text("no clients")
            screen.press("q")
            assert screen.wait_end() == 0
            screen.assert_restored()
        daemon.stop()
        with top(daemon, "--wait", 0) as screen:
            assert screen.wait_end() == 3 and "no daemon serves" in screen.text().replace("\n", ""), screen.text()
            assert screen.drawn == 0


def test_stopped_daemon():
    """A daemon that does not answer holds up nobody who wants to leave."""
    with synthetic() as daemon:
        daemon.wait_ready()
        with top(daemon) as screen:
            screen.wait_text("no clients")
            daemon.process.send_signal(signal.SIGSTOP)
            screen.wait_text("did not tell its status")
            screen.press("q")
            assert screen.wait_end() == 0
        with top(daemon) as screen:
            daemon.process.send_signal(signal.SIGCONT)
            screen.wait_text("no clients")
            daemon.process.send_signal(signal.SIGSTOP)
            screen.process.send_signal(signal.SIGTERM)
            assert screen.wait_end() == 0
            screen.assert_restored()


def test_many_clients():
    """Who is most behind is in front, what does not fit is counted, and arrows show it."""
    with synthetic("--slots", 64) as daemon:
        daemon.wait_ready()
        clients = [raw.Client(daemon) for _ in range(12)]
        try:
            for client in clients[1:]:
                client.attach()
                client.page.words[client.welcome.account_offset // 8 + 3] = 1 << 40  # says that it has all there is
            clients[0].attach()
            with top(daemon, rows=18) as screen:
                def rows():
                    """Of the clients that stand there."""
                    lines = screen.lines()
                    head = next((i for i, line in enumerate(lines) if line.lstrip().startswith("PID")), len(lines))
                    return [line.split() for line in lines[head + 1:] if "python3" in line]

                def rest():
                    """How many are left out, above and below; (-1, -1) while the screen is half drawn."""
                    found = re.search(r"^\.\.\. (?:(\d+) more above)?(?:, )?(?:and (\d+) more)?$", screen.text(), re.M)
                    return tuple(int(n or 0) for n in found.groups()) if found else (-1, -1)
                screen.wait(lambda s: rows() and int(rows()[0][3]) > 2, "who took nothing is in front")
                # A line is taken by losses when there are some.
                screen.wait(lambda s: rest()[0] == 0 and rest()[1] + len(rows()) == 12, "the rest is counted")
                screen.press("\x1b[B\x1b[B")
                screen.wait(lambda s: rest()[0] == 2 and sum(rest()) + len(rows()) == 12, "two are above")
                screen.press("\x1b[F")
                screen.wait(lambda s: rest()[1] == 0 and sum(rest()) + len(rows()) == 12, "the last one stands there")
                screen.press("s")
                screen.wait(lambda s: rest()[0] == 0, "from the first one on")
                screen.press("q")
                assert screen.wait_end() == 0
        finally:
            for client in clients:
                client.close()


def test_hostile_name():
    """What a process calls itself does nothing to the terminal: its class here knows no such escape."""
    name = "a\x1b[31m\n\x07"
    shutil.copy(BUILD / "lumaring", name)
    with synthetic() as daemon:
        daemon.wait_ready()
        with subprocess.Popen([os.path.abspath(name), "watch", "--camera", daemon.camera, "--runtime-dir",
                               daemon.runtime_dir], stdout=subprocess.DEVNULL) as reader, top(daemon) as screen:
            screen.wait_text(f"{reader.pid}  a?[31m")
            screen.press("q")
            assert screen.wait_end() == 0
            reader.terminate()
        code, out, _ = run(daemon, "-n", 1, "--json", "--interval", 0.1)
        assert code == 0 and json.loads(out)


def hears(pid, number):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        caught = next(line for line in file if line.startswith("SigCgt")).split()[1]
    return int(caught, 16) >> (number - 1) & 1


def test_tables():
    """Where there is no terminal: whole tables, one after the other, and not an escape."""
    with synthetic() as daemon:
        daemon.wait_ready()
        code, out, err = run(daemon, "-n", 2, "--interval", 0.1)
        assert code == 0 and not err and out.count("no clients") == 2, (code, out, err)
        assert all(" " <= c <= "~" or c == "\n" for c in out) and "STATE\nmain" in out.replace(" ", ""), out
        assert " - frames/s" not in out, "each has a rate"
        code, out, err = run(daemon, "-n", 1, "--interval", 0.1, env=dict(os.environ, TERM="dumb"))
        assert code == 0 and "\x1b" not in out, out
        # Who reads has enough after a table.
        with daemon.tool("top", "--interval", 0.1, stdin=subprocess.DEVNULL) as tool:
            assert b"live" in tool.stdout.readline()
            tool.stdout.close()
            assert tool.wait(DEADLINE_S) == 0 and not tool.stderr.read()
        with daemon.tool("top", "--interval", 100, stdin=subprocess.DEVNULL) as tool:
            wait_until(lambda: hears(tool.pid, signal.SIGTERM), "it hears the signal")
            tool.terminate()
            assert tool.wait(DEADLINE_S) == 0


def test_json():
    """A line for each look; that there is no daemon, too."""
    with synthetic() as daemon:
        daemon.wait_ready()
        with daemon.tool("top", "--json", "--interval", 0.1, text=True) as tool, \
                daemon.tool("watch", stdout=subprocess.DEVNULL) as reader:
            def line(condition):
                return wait_until(lambda: (lambda o: condition(o) and o)(json.loads(tool.stdout.readline())), "a line")
            look = line(lambda o: any(c.get("seen_per_second", 0) > 0 for c in o["clients"]))
            assert look["camera"] == daemon.camera and look["up"] is True and look["state"] == "live", look
            assert look["interval_us"] > 50000 and look["captured_per_second"] > 0 and look["cpu_per_frame_us"] > 0
            client, = look["clients"]
            assert (client["pid"], client["process"], client["stream"]) == (reader.pid, "lumaring", "main"), client
            stream, = look["streams"]
            assert stream["name"] == "main" and stream["clients"] == 1 and "no_slot" in stream["lost"], stream
            assert set(stream["ready_to_published_us"]) >= {"p50", "p99"}, stream
            daemon.stop()
            gone = line(lambda o: not o["up"])
            assert set(gone) == {"camera", "up", "reason"} and "no daemon" in gone["reason"], gone
            daemon.start()
            line(lambda o: o["up"])
            tool.terminate()
            reader.terminate()
            assert tool.wait(DEADLINE_S) == 0


def test_usage():
    with synthetic() as daemon:
        for arguments in (("--interval", 0.05), ("--interval", "x"), ("--interval", -1), ("-n", 0), ("more",),
                          ("--output", "x")):
            code, out, err = run(daemon, *arguments)
            assert code == 2 and not out and err.count("\n") == 1, (arguments, code, out, err)
