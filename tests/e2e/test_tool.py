# SPDX-License-Identifier: BSD-2-Clause
"""What the tool says, and its exit codes, where a daemon is there and has nothing, or refuses."""
import contextlib
import errno
import os
import signal
import socket
import struct
import subprocess
import threading

import raw
from lib import BUILD, DEADLINE_S, Daemon, wait_until
from test_replace import Feed
from test_status import captured

REFUSED, TIMEOUT = 4, 6


class Answerer:
    """Says the same to every client, by hand, and hangs up."""

    def __init__(self, name, answer):
        self.name, self.answer = name, answer
        os.mkdir(name)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(f"{name}/frames")
        self.listener.listen(8)
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        try:
            while True:
                client, _ = self.listener.accept()
                with client:
                    client.recv(raw.MESSAGE_MAX)
                    client.send(self.answer)
        except OSError:  # the listener was shut down
            pass

    def tool(self, *arguments):
        return subprocess.Popen([str(BUILD / "lumaring"), "--runtime-dir", ".", "--camera", self.name, *arguments],
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()


def end_of(tool):
    _, talk = tool.communicate(timeout=DEADLINE_S)
    return tool.returncode, talk.decode()


def test_a_daemon_that_is_there_is_not_hurried():
    verbs = (("watch", "-n", 1), ("snap", "now.png"), ("cat", "--raw", "-n", 1), ("status",))
    with Daemon("--source", "synthetic", "--framerate", 100, "--size", "64x48") as daemon:
        daemon.wait_ready()
        for verb in verbs:
            assert end_of(daemon.tool(*verb, "--wait", 0))[0] == 0, verb
        daemon.process.send_signal(signal.SIGSTOP)
        code, talk = end_of(daemon.tool("snap", "now.png", "--wait", 0))
        assert code == TIMEOUT and "within 2000 ms" in talk, talk
        daemon.stop()
        for verb in verbs:
            code, talk = end_of(daemon.tool(*verb, "--wait", 0))
            assert code == 3 and "no daemon serves" in talk, (verb, talk)


def test_no_frame_is_there():
    with Feed() as feed:
        feed.write(64, 48, 1)
        feed.daemon.wait_ready()
        captured(feed.daemon, 1)
        code, talk = end_of(feed.daemon.tool("watch", "--timeout", 0))
        assert code == TIMEOUT and talk.startswith("lumaring: no frame is there\n"), talk
        code, talk = end_of(feed.daemon.tool("snap", "now.png", "--timeout", 0.01))
        assert code == TIMEOUT and talk.startswith("lumaring: no frame came for 0.01 s (although "), talk


def test_busy_daemons_refuse():
    with contextlib.ExitStack() as stack:
        tools = []
        for code in (errno.EBUSY, errno.EMFILE, errno.ENFILE):
            refusal = struct.pack("<HHIII240s", raw.REFUSAL, 256, 0, code, 0, f"no more ({code})".encode())
            answerer = stack.enter_context(Answerer(f"busy{code}", refusal))
            tools += [(code, answerer.tool("watch")), (code, answerer.tool("status"))]
        ends = [(code, end_of(tool)) for code, tool in tools]
        assert ends == [(code, (REFUSED, f"lumaring: no more ({code})\n")) for code, _ in tools], ends


def test_a_daemon_without_wake_words():
    layout, welcome = raw.MESSAGES[raw.WELCOME]
    fields = dict.fromkeys(welcome._fields, 0)
    fields.update(type=raw.WELCOME, size=104, version=raw.VERSION, stream=b"main")
    with Answerer("old", layout.pack(*welcome(**fields))[:104]) as answerer:
        code, talk = end_of(answerer.tool("watch", "--futex"))
        assert code == REFUSED and "this daemon offers no word to wait on" in talk, talk


def hears(tool, number):
    """Does it note this signal by now?"""
    with open(f"/proc/{tool.pid}/status", encoding="ascii") as file:
        caught = next(line for line in file if line.startswith("SigCgt:")).split()[1]
    return int(caught, 16) >> (number - 1) & 1


def test_a_signal_while_no_daemon_is_there():
    """The wait ends, with the exit code that the verb has for a signal later on."""
    verbs = {("watch",): 0, ("record", "now.y4m"): 0, ("view",): 0, ("top",): 0, ("call", "Watch", "--more"): 0,
             ("snap", "now.png"): 130, ("cat", "--raw"): 130, ("status",): 130, ("call", "GetMetrics"): 130}
    tools = {verb: subprocess.Popen([str(BUILD / "lumaring"), "--runtime-dir", ".", *verb, "--wait", "600"],
                                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
             for verb in verbs}
    for verb, tool in tools.items():
        wait_until(lambda: hears(tool, signal.SIGINT), "it hears SIGINT")
        tool.send_signal(signal.SIGINT)
        assert end_of(tool) == (verbs[verb], ""), verb
    assert not [name for name in os.listdir(".") if name.startswith("now.")], os.listdir(".")


def test_no_stream_at_all():
    with Daemon("--source", "synthetic", "--framerate", 100, "--size", "64x48") as daemon:
        daemon.wait_ready()
        assert end_of(daemon.tool("streams", "remove", "main"))[0] == 0
        code, talk = end_of(daemon.tool("watch"))
        assert (code, talk) == (REFUSED, f'lumaring: there is no stream "main": {daemon.camera} has none\n'), talk


def test_footage_that_is_over():
    """One sentence, whoever asks, and the tally of those who tell one."""
    closed = "lumaring: the stream was closed before a frame came: its footage is over, or somebody removed it\n"
    with Feed() as feed:
        feed.write(64, 48, 1)
        feed.daemon.wait_ready()
        feed.pipe.close()
        feed.daemon.wait_log("source replay: ended")
        for verb, tally in ((("watch",), True), (("cat", "--raw"), True), (("view",), False)):
            assert end_of(feed.daemon.tool(*verb)) == (5, closed + "lumaring: 0 frames, 0 missed\n" * tally), verb


def test_slow_frames():
    with Daemon("--source", "synthetic", "--framerate", 0.01, "--size", "64x48") as daemon:
        code, talk = end_of(daemon.wait_ready().tool("watch", "--timeout", 0.1))
        assert code == TIMEOUT and talk.startswith("lumaring: no frame came for 0.1 s: one comes every 100 s\n"), talk


def test_nobody_reads_the_help():
    for words in (("help",), ("watch", "--help"), ("bench", "--help")):
        ends = os.pipe()
        os.close(ends[0])
        with open(ends[1], "wb") as pipe:
            tool = subprocess.Popen([str(BUILD / "lumaring"), *words], stdout=pipe, stderr=subprocess.PIPE)
        assert end_of(tool) == (0, ""), words
