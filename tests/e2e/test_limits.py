# SPDX-License-Identifier: BSD-2-Clause
"""What one uid may have: each limit at its value and one beyond it, for another uid than the daemon's. Root and the
daemon's own uid are exempt."""
import errno
import grp
import json
import os
import time
import traceback

import raw
from lib import Daemon, skip_unless, wait_until
from test_access import SOMEBODY
from test_daemon import SYNTHETIC


def limited(*options):
    """A daemon that somebody else may attach to."""
    skip_unless(os.getuid() == 0, "being another user needs root")
    os.chmod(".", 0o755)
    daemon = Daemon(*SYNTHETIC, "--group", grp.getgrall()[-1].gr_name, *options).wait_ready()
    os.chmod(daemon.runtime_dir, 0o755)
    return daemon


class Somebody:
    """A process of another uid that does as it is told: a line of JSON in, a line out."""

    def __init__(self, daemon, uid=SOMEBODY):
        self.daemon = daemon
        questions, self.ask = os.pipe()
        self.answer, answers = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.ask)
            os.setgroups([grp.getgrall()[-1].gr_gid])
            os.setgid(uid)
            os.setuid(uid)
            try:
                self.serve(os.fdopen(questions), os.fdopen(answers, "w"))
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        os.close(questions)
        os.close(answers)
        self.ask, self.answer = os.fdopen(self.ask, "w"), os.fdopen(self.answer)

    def serve(self, questions, answers):
        clients = []
        for line in questions:
            verb, count = json.loads(line)
            said = None
            if verb == "end":   # not the end of the pipe, whose other end those that were made later have as well
                return
            for _ in range(count):
                if verb == "close":
                    clients.pop().close()
                    continue
                client = raw.Client(self.daemon)
                try:
                    if verb == "ask":   # and read no more than the first piece
                        client.send(raw.STATUS_REQUEST_PACKET)
                        message, _ = client.receive()
                        if message.type == raw.REFUSAL:
                            raise raw.Refused(message)
                        clients.append(client)
                        continue
                    client.attach_private((0, 0, 16, 16)) if verb == "private" else client.attach(cursors=0)
                    clients.append(client)
                except raw.Refused as refused:
                    said = (refused.code, refused.text)
                    client.close()
                    break
            answers.write(json.dumps([len(clients), said]) + "\n")
            answers.flush()

    def __call__(self, verb, count):
        """(clients that it has then, what it was refused with or None)"""
        self.ask.write(json.dumps([verb, count]) + "\n")
        self.ask.flush()
        clients, said = json.loads(self.answer.readline())
        return clients, said and tuple(said)

    def end(self):
        self.ask.write('["end", 0]\n')
        self.ask.close()
        os.waitpid(self.pid, 0)


def test_clients_per_uid():
    with limited("--clients-max", 10, "--clients-per-uid", 3) as daemon:
        before = raw.descriptors_at_rest(daemon)
        first, second = Somebody(daemon), Somebody(daemon, SOMEBODY - 1)
        assert first("attach", 3) == (3, None)
        clients, (code, text) = first("attach", 1)
        assert (clients, code) == (3, errno.EUSERS)
        assert text == (f"uid {SOMEBODY} has 3 clients of this camera already, its limit (clients-per-uid): close some, or "
                        "raise it"), text
        assert second("attach", 3) == (3, None)  # its own account
        assert first("close", 1) == (2, None)
        wait_until(lambda: first("attach", 1) == (3, None), "there is room for one again")
        mine = [raw.Client(daemon).attach(cursors=0) for _ in range(4)]  # root is exempt
        first.end()
        second.end()
        for client in mine:
            client.close()
        wait_until(lambda: daemon.fd_count() == before, "all are gone")


def test_half_by_default():
    with limited("--clients-max", 8) as daemon:
        somebody = Somebody(daemon)
        assert somebody("attach", 4) == (4, None)
        clients, (code, text) = somebody("attach", 1)
        assert (clients, code) == (4, errno.EUSERS) and "its limit (clients-per-uid)" in text
        somebody.end()


def test_reserve_for_root():
    """When others have all there is, root still gets in to look."""
    with limited("--clients-max", 4, "--clients-per-uid", 4) as daemon:
        somebody, other = Somebody(daemon), Somebody(daemon, SOMEBODY - 1)
        assert somebody("attach", 4) == (4, None)
        clients, (code, text) = other("attach", 1)
        assert (clients, code) == (0, errno.EUSERS)
        assert text == "this camera has 4 clients already, its limit (clients-max): close some, or raise it", text
        tool = daemon.tool("status", "--json")
        status = json.loads(tool.communicate()[0])
        assert tool.returncode == 0 and status["limits"] == {
            "connections": 5, "clients_max": 4, "clients_per_uid": 4, "attach_rate": 200, "private_streams": 0,
            "private_streams_max": 64}, status["limits"]
        somebody.end()
        other.end()


def test_attach_rate():
    """A burst of twice the clients that a uid may have, then the rate, whatever it does with them."""
    with limited("--clients-per-uid", 5, "--attach-rate", 1) as daemon:
        somebody, other = Somebody(daemon), Somebody(daemon, SOMEBODY - 1)
        began = time.monotonic()
        for _ in range(2):
            assert somebody("attach", 5) == (5, None)
            assert somebody("close", 5) == (0, None)
            wait_until(lambda: "clients" in status_of(daemon) and not status_of(daemon)["clients"], "all are gone")
        refusals = 0
        for attempt in range(20):
            clients, said = somebody("attach", 1)
            if said:
                refusals += 1
                assert said == (errno.EBUSY, f"uid {SOMEBODY} opens connections faster than 1 a second (attach-rate; 10 at "
                                "once after a pause): try again later, or raise it"), said
            else:
                somebody("close", clients)
        assert refusals >= 20 - (time.monotonic() - began) - 1, refusals
        assert other("attach", 1) == (1, None)
        for client in [raw.Client(daemon).attach(cursors=0) for _ in range(20)]:  # root is exempt
            client.close()
        wait_until(lambda: somebody("attach", 1)[1] is None, "its time has come")
        somebody.end()
        other.end()


def status_of(daemon):
    return json.loads(daemon.tool("status", "--json").communicate()[0])


def test_private_streams():
    with limited("--private-streams", 2) as daemon:
        somebody = Somebody(daemon)
        assert somebody("private", 2) == (2, None)
        clients, (code, text) = somebody("private", 1)
        assert (clients, code) == (2, errno.EDQUOT)
        assert text == "this camera has 2 private streams already, its limit (private-streams): close some, or raise it", text
        assert status_of(daemon)["limits"]["private_streams"] == 2
        assert somebody("attach", 1) == (3, None)  # a shared one is another matter
        assert somebody("close", 3) == (0, None)
        wait_until(lambda: somebody("private", 1)[1] is None, "there is room again")
        somebody.end()
    with limited("--private-streams", 0) as daemon:
        somebody = Somebody(daemon)
        assert somebody("private", 1)[1][0] == errno.EDQUOT
        somebody.end()


def test_oldest_private_first():
    """Private rings are made one after the other, in the order in which they were asked for: nobody is passed over."""
    os.mkfifo("pipe")
    with Daemon("--source", "replay:pipe", "--unpaced") as daemon:
        daemon.wait_ready()
        clients = []
        for _ in range(6):
            clients.append(raw.Client(daemon))
            clients[-1].send(raw.hello("", 0, flags=raw.HELLO_PRIVATE))
            wait_until(lambda: [c["state"] for c in status_of(daemon)["clients"]] == len(clients) * ["attaching"], "it waits")
        with open("pipe", "wb") as pipe:
            pipe.write(b"YUV4MPEG2 W640 H480 F25:1 Cmono\n")
            pipe.flush()
            epochs = [client.take_welcome().ring.epoch for client in clients]
            assert epochs == sorted(epochs), epochs


def test_status_requests():
    """Who does not read its answers keeps four places at most, and root always gets one."""
    with limited() as daemon:
        crowd = [raw.Client(daemon).attach(cursors=0) for _ in range(64)]  # a status that fills a socket's buffer
        some = [Somebody(daemon, SOMEBODY - i) for i in range(4)]
        for i, somebody in enumerate(some):
            assert somebody("ask", 4) == (4, None)
            clients, (code, text) = somebody("ask", 1)
            assert (clients, code) == (4, errno.EBUSY)
            assert text == f"4 status requests of uid {SOMEBODY - i} are being answered already, its limit", text
        last = Somebody(daemon, SOMEBODY - 4)
        assert last("ask", 1)[1] == (errno.EBUSY, "16 status requests are being answered already, the limit")
        assert status_of(daemon)["limits"]["connections"] >= len(crowd)
        for somebody in (*some, last):
            somebody.end()
