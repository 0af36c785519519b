# SPDX-License-Identifier: BSD-2-Clause
"""`lumaring view` on a terminal of the test's own: what stands on the screen, keys, other sizes, a daemon that leaves;
and as text where the output is no terminal.
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios

import clips
from lib import BUILD, DEADLINE_S, Daemon, wait_until

WIDTH, HEIGHT = 96, 64
LETTERS = dict(NO_COLOR="1", TERM="xterm", LC_ALL="C.UTF-8")
TRUE = dict(COLORTERM="truecolor", TERM="xterm", LC_ALL="C.UTF-8")


class Screen:
    """The tool on a terminal, and what it shows."""

    def __init__(self, daemon, *arguments, columns=48, rows=17, **environment):
        self.master, slave = pty.openpty()
        self.slave = slave
        self.modes = termios.tcgetattr(slave)
        self.resize(columns, rows)
        env = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLORTERM", "LC_ALL")}
        self.tool = daemon.tool("view", *arguments, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                env=dict(env, **environment))
        self.bytes = 0
        self.text = ""
        self.row = self.column = 0

    def resize(self, columns, rows):
        self.cells = [[" "] * columns for _ in range(rows)]
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def take(self):
        """What the tool has sent, onto the cells."""
        while select.select([self.master], [], [], 0)[0]:
            data = os.read(self.master, 65536)
            self.bytes += len(data)
            self.text += data.decode("utf-8", "replace")
        rest = re.search(r"\x1b(\[[\d;?]*)?$", self.text)
        done = self.text[:rest.start()] if rest else self.text
        self.text = self.text[len(done):]
        for parameters, last, letter in re.findall(r"\x1b\[([\d;?]*)([A-Za-z])|([^\x1b])", done):
            self.put(parameters, last, letter)
        return self.lines()

    def put(self, parameters, last, letter):
        if letter == "\r":
            self.column = 0
        elif letter == "\n":
            self.row += 1
        elif letter and self.row < len(self.cells) and self.column < len(self.cells[0]):
            self.cells[self.row][self.column] = letter
            self.column += 1
        elif last == "H":
            row, column = (int(n) for n in (parameters or "1;1").split(";"))
            self.row, self.column = row - 1, column - 1
        elif last == "J":
            self.cells = [[" "] * len(row) for row in self.cells]
        elif last == "K" and self.row < len(self.cells):
            self.cells[self.row][self.column:] = [" "] * (len(self.cells[0]) - self.column)

    def lines(self):
        return ["".join(row) for row in self.cells]

    def wait_for(self, text):
        wait_until(lambda: any(text in line for line in self.take()), f"{text!r} on the screen")

    def key(self, text):
        os.write(self.master, text)

    def end(self, code=0):
        wait_until(lambda: (self.take(), self.tool.poll() is not None)[1], "the tool ends")
        assert self.tool.returncode == code, (self.tool.returncode, self.lines())
        assert termios.tcgetattr(self.slave) == self.modes, "the terminal is not as it was found"
        os.close(self.master)
        os.close(self.slave)


def checkers():
    """A frame whose left half is black and whose right half is white."""
    picture = (b"\0" * (WIDTH // 2) + b"\xff" * (WIDTH // 2)) * HEIGHT
    with open("clip.y4m", "wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F25:1 Cmono\n".encode() + (b"FRAME\n" + picture) * 2)
    return Daemon("--source", "replay:clip.y4m", "--loop").wait_ready()


def test_screen():
    """Letters: the picture in its place, the line of a region, a status; another size; q."""
    with checkers() as daemon:
        screen = Screen(daemon, "--region", "0,0,24,32", **LETTERS)
        screen.wait_for("lost 0 mean 128")
        lines = screen.lines()
        assert lines[0] == "+----------+" + " " * 12 + "@" * 24, lines
        assert lines[1] == "|          |" + " " * 12 + "@" * 24, lines
        assert lines[7] == lines[0] and lines[8] == " " * 24 + "@" * 24 == lines[15], lines
        assert lines[16].startswith(f"main {WIDTH}x{HEIGHT} ") and "lost 0" in lines[16], lines
        screen.take()
        screen.resize(30, 11)
        screen.tool.send_signal(signal.SIGWINCH)
        screen.wait_for(" " * 15 + "@" * 15)
        wait_until(lambda: screen.take()[9] == " " * 15 + "@" * 15, "a picture of 30x10")
        assert screen.lines()[10].startswith("main "), screen.lines()
        screen.key(b"q")
        screen.end()


def test_colours():
    """24 bits and half blocks; a picture that does not change costs next to nothing."""
    with checkers() as daemon:
        screen = Screen(daemon, "--framerate", 100, columns=62, **TRUE)
        screen.wait_for("mean 128")
        before = screen.bytes
        first = int(re.search(r"seq (\d+)", screen.lines()[16])[1])
        wait_until(lambda: int(re.search(r"seq (\d+)", screen.take()[16])[1]) > first + 10, "ten frames more")
        last = int(re.search(r"seq (\d+)", screen.lines()[16])[1])
        assert (screen.bytes - before) / (last - first) < 200, "it is sent again and again"
        screen.key(b" ")
        screen.wait_for("PAUSED")
        screen.tool.send_signal(signal.SIGTERM)
        screen.end()


def test_zoom():
    """Half of it in the middle, to the left, where all is black; to the region and back; also of a picture that stands."""
    with checkers() as daemon:
        screen = Screen(daemon, "--region", "48,32,16,16", columns=160, **LETTERS)
        screen.wait_for("mean 128 min 0 max 255")
        assert screen.lines()[16].rstrip().endswith("+ - z arrows: zoom"), screen.lines()
        screen.key(b" ")
        screen.wait_for("PAUSED")
        screen.key(b"+")
        screen.wait_for("ZOOM 24,16,48,32 ")
        screen.key(b"\x1b[D")
        screen.wait_for("ZOOM 12,16,48,32 ")
        assert "mean 64 min 0 max 255" in screen.lines()[16], screen.lines()
        screen.key(b"\x1b[D")
        screen.wait_for("ZOOM 0,16,48,32 ")
        assert "mean 0 min 0 max 0" in screen.lines()[16] and "@" not in "".join(screen.lines()), screen.lines()
        screen.key(b" ")
        wait_until(lambda: "PAUSED" not in screen.take()[16], "it goes on")
        screen.key(b"z")
        wait_until(lambda: "ZOOM" not in screen.take()[16], "all of it")
        screen.key(b"z")
        screen.wait_for("ZOOM 48,32,16,16 ")
        assert "mean 255 min 255 max 255" in screen.lines()[16], screen.lines()
        screen.resize(32, 9)
        screen.tool.send_signal(signal.SIGWINCH)
        # Eight rows of 16 columns, in the middle, with the region's line around it.
        wait_until(lambda: screen.take()[0] == " " * 8 + "+" + "-" * 14 + "+" + " " * 8, "the part, and its line")
        screen.key(b"q")
        screen.end()


def test_keys_that_do_not_end_it():
    """A report of a mouse and F1 have an Escape, a q or an A in them; Escape alone ends it."""
    with checkers() as daemon:
        screen = Screen(daemon, columns=100, **LETTERS)
        screen.wait_for("mean 128")
        for key in (b"\x1b[M q!", b"\x1b[<0;5;5M", b"\x1b[[A", b"\x1b]11;rgb:q/q/q\x1b\\", b"\x1bq"):
            screen.key(key)
        screen.key(b" ")
        screen.wait_for("PAUSED")
        assert "STRETCHED" in screen.lines()[16], screen.lines()   # as letters are from the first
        screen.key(b"\x1b")
        screen.end()


def test_the_terminal_hangs_up():
    with checkers() as daemon:
        screen = Screen(daemon, columns=100, **LETTERS)
        screen.wait_for("mean 128")
        screen.tool.send_signal(signal.SIGHUP)
        screen.end(128 + signal.SIGHUP)


def test_the_daemon_leaves():
    with checkers() as daemon:
        screen = Screen(daemon, columns=100, **LETTERS)
        screen.wait_for("mean 128")
        daemon.stop(signal.SIGKILL)
        screen.wait_for("the daemon vanished, waiting for one to come back")
        daemon.start()
        daemon.wait_ready()
        wait_until(lambda: screen.take()[16].startswith("main "), "it goes on")
        daemon.stop()
        screen.wait_for("the stream was closed, waiting for it to come back")
        screen.key(b"q")
        screen.end()


def view(daemon, *arguments, code=0, **environment):
    tool = daemon.tool("view", *arguments, env=dict(os.environ, COLUMNS="24", LINES="9", **environment))
    out, talk = tool.communicate(timeout=DEADLINE_S)
    assert tool.returncode == code, (tool.returncode, talk)
    return out.decode(), talk.decode()


def test_no_terminal():
    """One picture in letters; more with -n; also of 16 bits, and of footage that ends."""
    with checkers() as daemon:
        expected = (" " * 12 + "@" * 12 + "\n") * 8
        assert view(daemon, COLORTERM="truecolor") == (expected, "")
        assert view(daemon, "-n", 2) == (2 * expected, "")
        daemon.tool("streams", "add", "deep=24,0,48,32,format=R16").communicate(timeout=DEADLINE_S)
        assert view(daemon, "--stream", "deep") == (expected, "")
        assert view(daemon, "--framerate", "5-10", code=2)[1].startswith("lumaring: --framerate is '5-10'")
