# SPDX-License-Identifier: BSD-2-Clause
"""A terminal for tests: a program on a pseudo terminal, what it draws as a screen of letters, and keys.

Knows the escapes that the tool uses, and fails at any other. Waits for what is drawn, never for a time.
"""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

from wait import DEADLINE_S

ESCAPE = re.compile(rb"\x1b\[(\??)([0-9;]*)([A-Za-z])")


class Terminal:
    """`with Terminal(command, columns, rows) as terminal`: the program leads a session of its own, whose terminal it is."""

    def __init__(self, command, columns=80, rows=24, **keywords):
        self.master, slave = pty.openpty()
        self.size(columns, rows)
        self.modes_before = termios.tcgetattr(slave)[3]
        self.inside = self.bold = False  # of the other screen; letters now
        self.hidden = False              # the cursor
        self.drawn = 0                   # screens begun
        self.row = self.column = 0
        self.rest = b""
        environment = dict(os.environ, TERM="xterm-256color", **keywords.pop("env", {}))
        self.process = subprocess.Popen([str(c) for c in command], stdin=slave, stdout=slave,
                                        stderr=keywords.pop("stderr", slave), env=environment, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), **keywords)
        os.close(slave)

    def size(self, columns, rows):
        """As when somebody pulls at the window: what was there is gone, until it is drawn anew."""
        self.columns, self.rows = columns, rows
        self.letters = [[" "] * columns for _ in range(rows)]
        self.row = self.column = 0
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys):
        os.write(self.master, keys.encode())

    def modes(self):
        return termios.tcgetattr(self.master)[3]

    def lines(self):
        return ["".join(line).rstrip() for line in self.letters]

    def text(self):
        return "\n".join(self.lines())

    def _escape(self, private, numbers, letter):
        if private:
            for number in numbers.split(b";"):
                assert number in (b"1049", b"25", b"7"), number
                self.inside = letter == b"h" if number == b"1049" else self.inside
                self.hidden = letter == b"l" if number == b"25" else self.hidden
        elif letter == b"H" and not numbers:
            self.row = self.column = 0
            self.drawn += 1
        elif letter == b"K" and not numbers:
            self.letters[self.row][self.column:] = [" "] * (self.columns - self.column)
        elif letter == b"J":
            first = 0 if numbers == b"2" else self.row + 1
            for row in range(first, self.rows):
                self.letters[row] = [" "] * self.columns
        else:
            assert letter == b"m" and numbers in (b"0", b"1", b"7"), (numbers, letter)

    def _letter(self, byte):
        if byte == 0x0d:
            self.column = 0
        elif byte == 0x0a:
            self.row = min(self.row + 1, self.rows - 1)
        else:
            assert 0x20 <= byte < 0x7f, f"byte {byte:#x} is drawn"
            # Lines may be longer than the window was made meanwhile.
            self.letters[self.row][min(self.column, self.columns - 1)] = chr(byte)
            self.column += self.column < self.columns

    def _take(self, data):
        data = self.rest + data
        at = 0
        while at < len(data):
            if data[at] != 0x1b:
                self._letter(data[at])
                at += 1
                continue
            found = ESCAPE.match(data, at)
            if not found:
                assert len(data) - at < 16, data[at:at + 16]
                break
            self._escape(*found.groups())
            at = found.end()
        self.rest = data[at:]

    def read(self, timeout):
        """What was drawn until now, or within so many seconds. False: the program closed the terminal."""
        if not select.select([self.master], [], [], timeout)[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self._take(data)
        return bool(data)

    def wait(self, condition, what):
        """Until the condition holds for the terminal."""
        deadline = time.monotonic() + DEADLINE_S
        open_still = True
        while not condition(self):
            if not open_still or time.monotonic() > deadline:
                raise AssertionError(f"{what}: not so after {DEADLINE_S} s, or never:\n{self.text()}")
            open_still = self.read(0.1)

    def wait_text(self, text):
        self.wait(lambda t: text in t.text(), f"'{text}' on the screen")

    def wait_end(self):
        """Read on until the program has ended; its exit code, negative for a signal."""
        deadline = time.monotonic() + DEADLINE_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"still there:\n{self.text()}"
            self.read(0.05)
        while select.select([self.master], [], [], 0)[0] and self.read(0):
            pass
        return self.process.returncode

    def assert_restored(self):
        assert not self.inside and not self.hidden, (self.inside, self.hidden)
        assert self.modes() == self.modes_before, (self.modes(), self.modes_before)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
