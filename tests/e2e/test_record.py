# SPDX-License-Identifier: BSD-2-Clause
"""`lumaring record`: the history and then every frame, to the byte; and what is left when it cannot be written, or the
tool is killed.
"""
import csv
import os
import resource
import select
import signal
import subprocess

import clips
from lib import BUILD, DEADLINE_S, Daemon, wait_until
from terminal import Terminal

WIDTH, HEIGHT = 64, 48
FRAME = len(b"FRAME\n") + WIDTH * HEIGHT


def record(daemon, *arguments, code=0, **keywords):
    """Standard output and talk."""
    tool = daemon.tool("record", *arguments, **keywords)
    out, talk = tool.communicate(timeout=DEADLINE_S)
    assert tool.returncode == code, (tool.returncode, talk)
    return out, talk.decode()


def read(path):
    with open(path, "rb") as file:
        return file.read()


def header():
    return f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F25:1 Ip A1:1 Cmono\n".encode()


def footage(frames, *options, slots=256):
    """A daemon that has published all frames of clip.y4m, keeps them in its ring, and waits on the pipe for more."""
    with open("clip.y4m", "wb") as file:
        file.write(clips.y4m(WIDTH, HEIGHT, frames))
    return Daemon("--source", "replay:clip.y4m", "--unpaced", "--slots", slots, *options).wait_ready()


def frames_of(data):
    """The pictures of a recording, each of them whole."""
    head, rest = data.split(b"\n", 1)
    assert head.startswith(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} ".encode()), head
    assert len(rest) % FRAME == 0, len(rest)
    pictures = []
    for at in range(0, len(rest), FRAME):
        assert rest[at:at + 6] == b"FRAME\n"
        pictures.append(rest[at + 6:at + FRAME])
    return pictures


def check_in_order(pictures, first):
    for number, picture in enumerate(pictures, first):
        assert picture == clips.picture(number, WIDTH, HEIGHT), number


def test_same_as_cat_and_ffmpeg():
    """What `cat` writes of the same footage, and ffmpeg reads the luma of it."""
    for y4m, options in (("--y4m", ()), ("--y4m-420", ("--y4m-420",))):
        outputs = []
        for verb in (("cat", y4m), ("record", "now.y4m", *options)):
            with footage(40, "--wait-clients", 1) as daemon:
                tool = daemon.tool(*verb)
                out, talk = tool.communicate(timeout=DEADLINE_S)
                assert tool.returncode == 0, talk
                outputs.append(out)
        assert read("now.y4m") == outputs[0] and not outputs[1]
        assert b"now.y4m: 40 frames, 0 missed;" in talk, talk
        assert clips.reference("now.y4m") == clips.reference("clip.y4m")
    assert os.listdir(".").count("now.y4m") == 1 and not [name for name in os.listdir(".") if name.startswith("now.y4m.")]


class Fed:
    """A daemon on a FIFO, so that frames come when the test says."""

    def __init__(self, *options, slots=64):
        os.mkfifo("feed")
        self.daemon = Daemon("--source", "replay:feed", "--unpaced", "--slots", slots, *options)
        self.pipe = open("feed", "wb", buffering=0)
        self.pipe.write(header())
        self.sent = 0
        self.daemon.wait_ready()

    def send(self, frames):
        for number in range(self.sent + 1, self.sent + frames + 1):
            self.pipe.write(b"FRAME\n" + clips.picture(number, WIDTH, HEIGHT))
        self.sent += frames

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.pipe.close()
        self.daemon.__exit__(*why)


ALWAYS = ("--stream", f"main=0,0,{WIDTH},{HEIGHT},always=true")


def published(daemon):
    tool = daemon.tool("status", "--json")
    text, _ = tool.communicate(timeout=DEADLINE_S)
    return int(text.split(b'"published":')[1].split(b",")[0])


def test_history_first():
    """All frames in the ring and all after, each once, in order; --last 0: none of before; --seconds 0: only those."""
    with Fed(*ALWAYS) as fed:
        fed.send(1)
        wait_until(lambda: published(fed.daemon) == 1, "a frame in the ring")
        _, talk = record(fed.daemon, "one.y4m", "--seconds", 0)
        assert " s (1 frame) of before now; " in talk and " s (1 frame) comes first\n" in talk, talk
        fed.send(29)
        wait_until(lambda: published(fed.daemon) == 30, "30 frames in the ring")
        _, talk = record(fed.daemon, "only.y4m", "--seconds", 0)
        check_in_order(frames_of(read("only.y4m")), 1)
        assert len(frames_of(read("only.y4m"))) == 30 and "(30 frames) come first" in talk, talk
        _, talk = record(fed.daemon, "none.y4m", "--seconds", 0, "--last", 0)
        assert "no frame came, and none.y4m was not written" in talk and not os.path.exists("none.y4m"), talk
        tool = fed.daemon.tool("record", "all.y4m", "--times", "times.csv", "-n", 130)
        wait_until(lambda: os.path.exists("all.y4m"), "the history is written")
        for _ in range(10):
            fed.send(10)
            wait_until(lambda: len(read("all.y4m")) >= len(header()) + fed.sent * FRAME, "frames are written")
        _, talk = tool.communicate(timeout=DEADLINE_S)
        assert tool.returncode == 0 and b"130 frames, 0 missed" in talk, talk
        pictures = frames_of(read("all.y4m"))
        assert len(pictures) == 130
        check_in_order(pictures, 1)
        with open("times.csv", encoding="ascii", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [int(row["frame"]) for row in rows] == list(range(130))
        assert [int(row["sequence"]) for row in rows] == list(range(1, 131))
        assert {row["missed"] for row in rows} == {"0"} and len({row["epoch"] for row in rows}) == 1
        assert all(int(a["publish_ns"]) < int(b["publish_ns"]) for a, b in zip(rows, rows[1:]))


def test_less_than_was_asked_for():
    with Fed(*ALWAYS, slots=8) as fed:
        fed.send(30)
        wait_until(lambda: published(fed.daemon) == 30, "30 frames")
        _, talk = record(fed.daemon, "now.y4m", "--seconds", 0, "--last", 3600)
        assert "(8 frames) of the 3600 s before now that were asked for" in talk, talk
        check_in_order(frames_of(read("now.y4m")), 23)


def test_history_ends_at_a_pause():
    """What was in the ring when the last reader left is not what was before now."""
    with Fed() as fed:
        tool = fed.daemon.tool("cat", "--raw", "-n", 5)
        wait_until(lambda: b'"state":"reading"' in fed.daemon.tool("status", "--json").communicate()[0], "it reads")
        fed.send(5)
        tool.communicate(timeout=DEADLINE_S)
        wait_until(lambda: b'"clients":[]' in fed.daemon.tool("status", "--json").communicate()[0], "it has left")
        fed.send(7)     # nobody reads
        wait_until(lambda: b'"unread":7' in fed.daemon.tool("status", "--json").communicate()[0], "7 were not read")
        tool = fed.daemon.tool("record", "now.y4m", "-n", 4)
        wait_until(lambda: fed.daemon.tool("status", "--json").communicate()[0].count(b'"state":"reading"') == 2,
                   "it looks at the ring")
        fed.send(8)
        _, talk = tool.communicate(timeout=DEADLINE_S)
        assert b"holds nothing of before now" in talk and b"4 frames, 0 missed" in talk, talk
        pictures = frames_of(read("now.y4m"))
        assert pictures[0] in [clips.picture(number, WIDTH, HEIGHT) for number in range(13, 17)]


def limited(bytes_max):
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, bytes_max))


def test_a_file_that_may_not_grow():
    """What was written stays a recording; an old one stays where not one frame fits."""
    for limit, frames in ((len(header()) + 5 * FRAME + 1000, 5), (len(header()) + FRAME, 1), (100, None)):
        with open("now.y4m", "wb") as old:
            old.write(b"old")
        with footage(40, "--wait-clients", 1) as daemon:
            _, talk = record(daemon, "now.y4m", "--times", "times.csv", code=1, preexec_fn=limited(limit))
        assert "cannot write to now.y4m: File too large" in talk, talk
        if frames:
            assert f"now.y4m: {frames} frame" in talk, talk
            check_in_order(frames_of(read("now.y4m")), 1)
            assert len(frames_of(read("now.y4m"))) == frames
            assert read("times.csv").count(b"\n") == frames + 1
        else:
            assert read("now.y4m") == b"old"
        assert not [name for name in os.listdir(".") if name.startswith("now.y4m.")]
        os.unlink("now.y4m")


def test_killed():
    """Every whole frame is read by ffmpeg and by the daemon; SIGINT and SIGHUP leave nothing but whole ones."""
    for number, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 0), (signal.SIGHUP, 128 + signal.SIGHUP)):
        with Daemon("--source", "synthetic", "--size", "640x480", "--unpaced", "--wait-clients", 1) as daemon:
            daemon.wait_ready()
            # Also where this test runs without a terminal that could hang up, as under nohup.
            tool = daemon.tool("record", "now.y4m", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
            wait_until(lambda: os.path.exists("now.y4m") and os.path.getsize("now.y4m") > 3_000_000, "some frames")
            tool.send_signal(number)
            _, talk = tool.communicate(timeout=DEADLINE_S)
            assert tool.returncode == code, talk
        whole, rest = divmod(os.path.getsize("now.y4m") - read("now.y4m").index(b"\n") - 1, 6 + 640 * 480)
        assert rest == 0 or number == signal.SIGKILL, (rest, number)
        assert len(clips.ffmpeg("-i", "now.y4m", "-f", "rawvideo", "-pix_fmt", "gray", "-")) == whole * 640 * 480
        with Daemon("--source", "replay:now.y4m", "--unpaced", "--wait-clients", 1, "--slots", 64) as daemon:
            tool = daemon.wait_ready().tool("cat", "--raw", stdout=subprocess.DEVNULL)
            _, talk = tool.communicate(timeout=DEADLINE_S)
            assert f"{whole} frames".encode() in talk, (whole, talk)
        os.unlink("now.y4m")


def test_names():
    """Links are followed, a FIFO is written to, other endings and terminals refused."""
    os.mkdir("disk")
    os.symlink("disk/real.y4m", "link.y4m")     # leads nowhere yet
    for _ in range(2):
        with footage(3, "--wait-clients", 1) as daemon:
            record(daemon, "link.y4m")
        assert os.path.islink("link.y4m") and os.listdir("disk") == ["real.y4m"]
        check_in_order(frames_of(read("disk/real.y4m")), 1)
    with footage(3, "--wait-clients", 1) as daemon:
        for name, why in (("a.mp4", "does not end in .y4m"), ("disk/.y4m", "an ending without a name")):
            assert why in record(daemon, name, code=2)[1]
        assert "no/now.y4m: No such file" in record(daemon, "no/now.y4m", code=1)[1]
    with footage(3, "--wait-clients", 1) as daemon:
        out, talk = record(daemon, "-")
        assert len(frames_of(out)) == 3 and "standard output: 3 frames, 0 missed" in talk, talk


def said(tool, text):
    """Read what the tool says until this is in it."""
    talk = b""
    while text not in talk:
        assert select.select([tool.stderr], [], [], DEADLINE_S)[0], talk
        data = os.read(tool.stderr.fileno(), 4096)
        assert data, talk
        talk += data


def test_a_fifo_that_nobody_reads():
    """It is told, and waited for; the history is that of the moment when a reader comes; a signal ends the wait."""
    os.mkfifo("pipe")
    os.mkfifo("times")
    with Fed(*ALWAYS, slots=8) as fed:
        for number in (signal.SIGINT, signal.SIGTERM):
            tool = fed.daemon.tool("record", "pipe")
            said(tool, b"nobody reads the FIFO pipe yet, waiting")
            tool.send_signal(number)
            _, talk = tool.communicate(timeout=DEADLINE_S)
            assert talk == b"lumaring: stopped while it waited for a reader of the FIFO pipe; nothing was written\n", talk
            assert tool.returncode == 0, tool.returncode
        tool = fed.daemon.tool("record", "pipe", "--times", "times", "--seconds", 0)
        said(tool, b"nobody reads the FIFO pipe yet")
        fed.send(20)
        wait_until(lambda: published(fed.daemon) == 20, "20 frames, of which the ring keeps 8")
        with open("pipe", "rb") as pipe:
            said(tool, b"nobody reads the FIFO times yet")
            with open("times", "rb") as times:
                check_in_order(frames_of(pipe.read()), 13)
                assert times.read().count(b"\n") == 9
        assert b" 8 frames, 0 missed; " in tool.communicate(timeout=DEADLINE_S)[1]
        assert tool.returncode == 0


def on_terminal(daemon, columns):
    return Terminal([BUILD / "lumaring", "record", "now.y4m", "--camera", daemon.camera, "--runtime-dir",
                     daemon.runtime_dir], columns)


def test_progress():
    """One line on a terminal, written over and over, never wider than it is, and gone when there is something to say."""
    with Fed(*ALWAYS) as fed:
        with on_terminal(fed.daemon, 120) as screen:
            screen.wait_text("lumaring: the ring holds nothing of before now")
            fed.send(1)
            screen.wait_text("\n1 frame, 0 missed; 0.00 s, 0.0 MB")
            fed.send(39)
            screen.wait_text("\n40 frames, 0 missed; ")
            screen.wait_text(", 0.1 MB")
            assert screen.lines()[0].startswith("lumaring: the ring holds ") and not any(screen.lines()[2:]), screen.text()
            screen.size(20, 5)
            screen.wait(lambda s: "40 frames, 0 missed" in s.lines(), "a line that is cut")
            screen.size(120, 24)
            fed.daemon.stop(signal.SIGKILL)
            screen.wait_text("lumaring: the daemon vanished, waiting for one to come back")
            screen.wait(lambda s: any(line.startswith("40 frames, ") for line in s.lines()), "the line is back")
            screen.press("\x03")
            assert screen.wait_end() == 0
            lines = [line for line in screen.lines() if line]
            assert lines[0] == "lumaring: the daemon vanished, waiting for one to come back", lines
            assert lines[1].startswith("lumaring: now.y4m: 40 frames, 0 missed; ") and len(lines) == 2, lines
            screen.assert_restored()


def test_times_in_a_file_of_their_own():
    """A name of the file with the frames is none for their times, there or not."""
    with footage(4) as daemon:
        for there in (False, True):
            if there:
                with open("same.y4m", "wb") as file:
                    file.write(b"dear")
                os.symlink("same.y4m", "link")
            for name in ("same.y4m", "./same.y4m", os.path.abspath("same.y4m")) + (("link",) if there else ()):
                talk = record(daemon, "same.y4m", "--times", name, "-n", 1, code=2)[1]
                assert "must be another file" in talk, talk
            assert os.path.exists("same.y4m") == there
        assert read("same.y4m") == b"dear"
        assert "must be another file" in record(daemon, "-", "--times", "-", "-n", 1, code=2)[1]


def test_nothing_could_be_written():
    """Nor is an older recording touched where it is the times that cannot be written."""
    with footage(4, "--wait-clients", 1) as daemon:
        talk = record(daemon, "/dev/full", code=1)[1]
        assert "no frame could be written, and /dev/full was not written" in talk, talk
    with open("now.y4m", "wb") as old:
        old.write(b"old")
    with footage(4, "--wait-clients", 1) as daemon:
        talk = record(daemon, "now.y4m", "--times", "/dev/full", code=1)[1]
        assert "no frame could be written, and now.y4m was not written" in talk, talk
    assert read("now.y4m") == b"old" and not [name for name in os.listdir(".") if name.startswith("now.y4m.")]


def test_a_change_of_size():
    with Daemon("--source", "synthetic", "--size", "64x48", "--framerate", 200).wait_ready() as daemon:
        tool = daemon.tool("record", "now.y4m")
        wait_until(lambda: os.path.exists("now.y4m"), "it records")
        daemon.tool("set", "--width", 32, "--height", 24).communicate(timeout=DEADLINE_S)
        _, talk = tool.communicate(timeout=DEADLINE_S)
        assert tool.returncode == 5 and b"changed from 64x48 (8 bit) to" in talk, talk
        assert frames_of(read("now.y4m"))
