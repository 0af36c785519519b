# SPDX-License-Identifier: BSD-2-Clause
"""What the tool says, and its exit codes, where a daemon is there and has nothing, or refuses."""
import signal

from lib import DEADLINE_S, Daemon
from test_replace import Feed
from test_status import captured

TIMEOUT = 6


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
