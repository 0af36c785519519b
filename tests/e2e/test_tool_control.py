# SPDX-License-Identifier: BSD-2-Clause
"""Every control verb of the tool against the real daemon, while clients read: what is changed, what is shown, what is kept
for the next start, and the exit codes. What it makes of answers that no daemon gives is in test_tool_answers.py.
"""
import grp
import json
import os
import signal
import subprocess

import lib
from control import Camera as Daemon
from lib import BUILD, DEADLINE_S, skip_unless
from test_access import SOMEBODY, as_user, reachable_copy

FAILED, USAGE, NO_DAEMON, REFUSED, TIMEOUT = 1, 2, 3, 4, 6
OF_ROOT = "the daemon takes configuration from root only: save as root"
NOT_SAVED = "not saved: the change is in force, but will not survive a restart of the daemon\n"


def camera(*options, **keywords):
    """A daemon with a configuration directory of its own, "etc", which is not there yet."""
    return Daemon("--source", "synthetic", "--size", "640x480", "--framerate", 100, "--config-dir", os.path.abspath("etc"),
                  *options, **keywords)


def run(daemon, *arguments):
    """(exit code, output, talk)"""
    tool = daemon.tool(*arguments)
    out, talk = tool.communicate(timeout=DEADLINE_S)
    return tool.returncode, out.decode(), talk.decode()


def good(daemon, *arguments):
    code, out, talk = run(daemon, *arguments)
    assert (code, talk) == (0, ""), (arguments, code, talk)
    return out


def bad(daemon, code, talk, *arguments):
    answer = run(daemon, *arguments)
    assert answer[0] == code and talk in answer[2], (arguments, answer)
    return answer[1]


def value(daemon, word):
    return json.loads(good(daemon, "get", word, "--json"))


def next_line(watch):
    return json.loads(watch.stdout.readline())


def read_until(watch, condition):
    """Lines of `watch --json` up to one that the condition holds for; returns that."""
    while True:
        line = next_line(watch)
        if condition(line):
            return line


def end(watch):
    watch.send_signal(signal.SIGTERM)
    watch.communicate(timeout=DEADLINE_S)
    assert watch.returncode == 0, watch.returncode


def test_size_and_rate():
    """Clients read on, and see the new size; what is printed is what is in force."""
    with camera() as daemon:
        daemon.wait_ready()
        watch = daemon.tool("watch", "--json")
        read_until(watch, lambda line: line.get("width") == 640)
        out = good(daemon, "set", "--width", 320, "--height", 240)
        assert out.startswith("320x240 R8, 100 frames/s\nthe camera was stopped and started for it\n"), out
        assert "no frame for " in out, out
        frame = read_until(watch, lambda line: line.get("width") == 320)
        assert frame["height"] == 240, frame
        out = good(daemon, "set", "--width", 1280, "--height", 720, "--framerate", "50-200", "--json")
        applied = json.loads(out)["applied"]
        assert applied["configuration"]["size"] == {"width": 1280, "height": 720}, applied
        assert applied["configuration"]["frame_duration_us"] == {"minimum": 5000, "maximum": 20000}, applied
        assert applied["restarted"] and applied["replaced"] == ["main"], applied
        assert value(daemon, "configuration") == applied["configuration"]
        events = []
        frame = read_until(watch, lambda line: events.append(line.get("event")) or line.get("width") == 1280)
        assert "replaced" in events, events
        assert good(daemon, "get", "size") == "1280x720\n"
        out = good(daemon, "set", "--framerate", 25)
        assert out == "1280x720 R8, 25 frames/s\n", out
        read_until(watch, lambda line: line.get("width") == 1280)
        end(watch)
        # Nothing is changed by trying.
        before = value(daemon, "configuration")
        out = good(daemon, "set", "--width", 64, "--height", 64, "--dry-run")
        assert out.startswith("would be: 64x64 R8, 25 frames/s\n"), out
        assert value(daemon, "configuration") == before


def test_a_busy_daemon_is_waited_for():
    """More changes of size than a second allows, and several at once."""
    with camera("--size-change-rate", 10) as daemon:
        daemon.wait_ready()
        sizes = [(width, 48) for width in range(64, 96, 2)]
        for width, height in sizes:
            good(daemon, "set", "--width", width, "--height", height, "--wait", DEADLINE_S)
        tools = [daemon.tool("set", "--width", width, "--height", height, "--wait", DEADLINE_S) for width, height in sizes]
        for tool in tools:
            assert (tool.communicate(timeout=DEADLINE_S)[1], tool.returncode) == (b"", 0)


def test_example():
    with camera() as daemon:
        daemon.wait_ready()
        for words, code, out in ((("1280", "720", "50"), 0, "now 1280x720, a frame every 20000 us; none for "),
                                 (("0", "720", "50"), 1, "control: size.width 0 is out of range: 1 to 65535\n")):
            example = subprocess.run([BUILD / "examples" / "control", *words], stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, timeout=DEADLINE_S, check=False,
                                     env={"LUMARING_CAMERA": daemon.camera, "LUMARING_RUNTIME_DIR": daemon.runtime_dir})
            text = example.stdout.decode()
            assert example.returncode == code and text.startswith(out), text
            assert code or text.splitlines()[-1].endswith(": 1280x720"), text


def test_refused_changes():
    """One sentence, the exit code, and everything as it was."""
    with camera("--stream", "main", "--stream", "ball=0,0,64,64") as daemon:
        daemon.wait_ready()
        before = good(daemon, "get", "--json")
        out = bad(daemon, REFUSED, "frame_duration_us.minimum 50 would become 100", "set", "--framerate", 20000, "--strict",
                  "--json")
        assert json.loads(out)["error"] == "io.lumaring.Camera.Adjusted", out
        bad(daemon, USAGE, "65535x65535", "set", "--width", 65535, "--height", 65535)
        code, _, talk = run(daemon, "set", "--pixel-format", "NOPE", "--width", 64, "--height", 64)
        assert code in (USAGE, REFUSED) and "pixel_format" in talk and talk.count("\n") == 1, (code, talk)
        bad(daemon, USAGE, "--gain 17 is out of range: 1 to 16", "set", "--gain", 17, "--width", 64, "--height", 64)
        bad(daemon, USAGE, "--gain 17 is out of range: 1 to 16", "set", "--gain", 17)
        out = bad(daemon, USAGE, "analogue_gain_milli 17000 is out of range: 1000 to 16000", "set", "--gain", 17, "--json")
        assert json.loads(out)["error"] == "io.lumaring.Camera.OutOfRange", out
        bad(daemon, REFUSED, "this source has no --contrast", "set", "--contrast", 1)
        bad(daemon, USAGE, "--shutter 1000001 is out of range: 1 to 1000000", "set", "--shutter", 1000001)
        bad(daemon, REFUSED, "there is no stream \"bal\", only main, ball", "region", "bal", "0,0,1,1")
        bad(daemon, USAGE, "region", "region", "ball", "600,0,64,64")
        bad(daemon, REFUSED, "there is a stream \"ball\" already", "streams", "add", "ball")
        bad(daemon, USAGE, "name", "streams", "add", "Ball")
        bad(daemon, REFUSED, "there is no stream \"bal\"", "streams", "remove", "bal")
        bad(daemon, REFUSED, "no method io.lumaring.Camera.Nod", "call", "Nod")
        bad(daemon, USAGE, "", "call", "Configure", '{"configuration": {"colour": 1}}')
        bad(daemon, USAGE, "many replies", "call", "Watch")
        assert good(daemon, "get", "--json") == before


def test_a_source_that_adjusts():
    """YUYV comes in whole groups of two pixels."""
    with camera("--pixel-format", "YUYV") as daemon:
        daemon.wait_ready()
        out = bad(daemon, REFUSED, "size.width 321 would become 32", "set", "--width", 321, "--height", 240, "--strict",
                  "--json")
        adjustment, = json.loads(out)["parameters"]["adjustments"]
        assert (adjustment["field"], adjustment["asked"]) == ("size.width", 321), adjustment
        assert good(daemon, "get", "size") == "640x480\n"
        out = good(daemon, "set", "--width", 321, "--height", 240)
        assert f"the source made of size.width 321: {adjustment['got']}\n" in out, out
        assert good(daemon, "get", "width") == f"{adjustment['got']}\n"


def test_controls():
    with camera() as daemon:
        daemon.wait_ready()
        assert good(daemon, "set", "--shutter", "5ms", "--gain", "2.5").splitlines()[1].split() == ["shutter", "5000", "us"]
        assert [good(daemon, "get", word) for word in ("shutter", "gain", "auto-exposure")] == ["5000\n", "2.5\n", "off\n"]
        watch = daemon.tool("watch", "-n", 1)
        assert watch.communicate(timeout=DEADLINE_S)[1] == b"lumaring: 1 frame, 0 missed\n"
        good(daemon, "set", "--auto-exposure", "on")
        assert good(daemon, "get", "auto-exposure") == "on\n"
        controls = json.loads(good(daemon, "set", "--gain", 3, "--auto-exposure", "off", "--json"))["controls"]
        assert controls == value(daemon, "controls"), controls


def test_rate_and_exposure_at_once():
    """An exposure is cut to what its rate has room for, also when it was saved, and comes back with a slower one."""
    with configured("rates") as daemon:
        daemon.wait_ready()
        good(daemon, "set", "--framerate", 10, "--shutter", 50000, "--save")
        assert good(daemon, "get", "shutter") == "50000\n"
        good(daemon, "set", "--framerate", 100, "--save")
        assert good(daemon, "get", "shutter") == "10000\n"
        again(daemon)
        assert (good(daemon, "get", "shutter"), good(daemon, "get", "framerate")) == ("10000\n", "100\n")
        good(daemon, "set", "--framerate", 20)
        assert good(daemon, "get", "shutter") == "50000\n"


def test_auto_exposure_ends_what_other_files_say():
    """Both at once keep a daemon from starting."""
    with configured("fixed", exposure_us=3000, analogue_gain_milli=2000) as daemon:
        daemon.wait_ready()
        good(daemon, "set", "--auto-exposure", "on", "--save")
        again(daemon)
        assert (good(daemon, "get", "auto-exposure"), good(daemon, "get", "gain")) == ("on\n", "1\n")


def test_regions():
    with camera("--stream", "main", "--stream", "ball=0,0,64,64") as daemon:
        daemon.wait_ready()
        watch = daemon.tool("watch", "--json", "--stream", "ball")
        read_until(watch, lambda line: line.get("region", {}).get("width") == 64)
        assert good(daemon, "region", "ball", "100,80,32,16") == "ball: 32x16 at 100,80\n"
        frame = read_until(watch, lambda line: line.get("region", {}).get("x") == 100)
        assert frame["region"] == {"x": 100, "y": 80, "width": 32, "height": 16}, frame
        assert good(daemon, "region", "ball", "0.25,0.5,0.5,0.5") == "ball: 320x240 at 160,240\n"
        read_until(watch, lambda line: line.get("region") == {"x": 160, "y": 240, "width": 320, "height": 240})
        assert good(daemon, "set", "--roi", "0,0,0.1,0.1", "--stream", "ball") == "ball: 64x48 at 0,0\n"
        out = json.loads(good(daemon, "region", "main", "320,240,0,0", "--json"))
        assert out["region"] == {"x": 320, "y": 240, "width": 320, "height": 240}, out
        end(watch)


def test_streams_and_clients():
    with camera() as daemon:
        daemon.wait_ready()
        assert good(daemon, "clients") == "no clients\n"
        assert good(daemon, "streams", "add", "ball=0.5,0.5,0.5,0.5,format=R16,bin=2,slots=5") == ""
        stream = next(s for s in value(daemon, "streams") if s["name"] == "ball")
        assert stream["region"] == {"x": 320, "y": 240, "width": 320, "height": 240}, stream
        assert (stream["format"], stream["bin"], stream["slots"]) == ("R16", 2, 5), stream
        assert run(daemon, "--stream", "ball", "snap", "ball.pgm")[0] == 0
        with open("ball.pgm", "rb") as picture:
            assert picture.read(17) == b"P5\n160 120\n65535\n"
        watch = daemon.tool("watch", "--json", "--stream", "ball")
        next_line(watch)
        client, = json.loads(good(daemon, "clients", "--json"))["clients"]
        assert (client["pid"], client["stream"], client["state"]) == (watch.pid, "ball", "reading"), client
        assert f"{watch.pid}  lumaring" in good(daemon, "clients")
        bad(daemon, REFUSED, "stream \"ball\" has 1 client", "streams", "remove", "ball")
        next_line(watch)
        assert json.loads(good(daemon, "streams", "remove", "ball", "--force", "--json")) == {}
        assert [s["name"] for s in value(daemon, "streams")] == ["main"]
        watch.communicate(timeout=DEADLINE_S)
        assert watch.returncode != 128 + signal.SIGSEGV
        bad(daemon, REFUSED, "no stream", "--stream", "ball", "snap", "ball.pgm")
        rows = [line.split() for line in good(daemon, "streams").splitlines()]
        assert rows[1][:2] == ["main", "all"], rows


def test_capabilities_and_calls():
    with camera() as daemon:
        daemon.wait_ready()
        capabilities = json.loads(good(daemon, "capabilities", "--json"))
        assert capabilities["size_changes"] and "exposure_us" in capabilities["controls"], capabilities
        out = good(daemon, "capabilities")
        assert "size and format can be changed while it runs" in out and "\nshutter " in out, out
        interface = json.loads(good(daemon, "call", "org.varlink.service.GetInterfaceDescription",
                                    '{"interface": "io.lumaring.Camera"}'))["description"]
        for method in ("GetStatus", "Configure", "Watch", "Reload"):
            assert f"\nmethod {method}(" in interface, method
        assert json.loads(good(daemon, "call", "GetMetrics"))["metrics"]
        assert json.loads(good(daemon, "call", "GetStatus"))["status"]["camera"] == daemon.camera
        watch = daemon.tool("call", "Watch", '{"interval_us": 100000}', "--more")
        assert next_line(watch)["kind"] == "state"
        good(daemon, "set", "--width", 64, "--height", 64)
        told = read_until(watch, lambda line: line["kind"] == "configuration" and
                          line["configuration"]["size"]["width"] == 64)
        assert told["configuration"]["size"]["height"] == 64, told
        good(daemon, "set", "--gain", 2)
        read_until(watch, lambda line: line["kind"] == "controls" and line["controls"]["analogue_gain_milli"] == 2000)
        watch.send_signal(signal.SIGINT)
        assert watch.communicate(timeout=DEADLINE_S)[1] == b"" and watch.returncode == 0


# --- the next start --------------------------------------------------------------------------------------------------

def saved(daemon):
    with open(f"etc/{daemon.camera}.json.d/50-set.json", encoding="ascii") as file:
        return json.loads(file.read().split("\n", 1)[1])


def configured(name, **keys):
    """A daemon that has all it was told from its file: what stands on its command line would win over what is saved."""
    os.makedirs(f"etc/{name}.json.d")
    with open(f"etc/{name}.json", "w", encoding="ascii") as file:
        json.dump({"source": "synthetic", "size": "640x480", "framerate": 100, **keys}, file)
    return Daemon("--config-dir", os.path.abspath("etc"), camera=name)


def again(daemon):
    daemon.stop()
    os.remove(daemon.log_path)  # which says that it serves
    daemon.start()
    daemon.wait_ready()


def test_save_of_footage():
    """What footage has of itself can be asked for, and saved, and its daemon starts again."""
    with open("clip.y4m", "wb") as clip:
        clip.write(b"YUV4MPEG2 W8 H4 F25:1 Cmono\n" + b"FRAME\n" + bytes(32))
    with configured("footage", source="replay:" + os.path.abspath("clip.y4m"), size="8x4", framerate=25, loop=True) as daemon:
        daemon.wait_ready()
        good(daemon, "set", "--pixel-format", "R8", "--width", 8, "--height", 4, "--framerate", 50, "--save")
        bad(daemon, REFUSED, "the footage is R8", "set", "--pixel-format", "NV12")
        again(daemon)
        assert (good(daemon, "get", "pixel-format"), good(daemon, "get", "framerate")) == ("R8\n", "50\n")


def test_save_survives_a_restart():
    with configured("kept", streams=[{"name": "main"}, {"name": "ball", "region": "0,0,64,64"}]) as daemon:
        daemon.wait_ready()
        good(daemon, "set", "--width", 320, "--height", 240, "--framerate", "50-200", "--save")
        good(daemon, "set", "--shutter", 3000, "--gain", "1.5", "--save")
        good(daemon, "streams", "add", "new=8,8,32,32,bin=2,always=true", "--save")
        good(daemon, "region", "ball", "0.5,0.5,0.5,0.5", "--save")
        good(daemon, "set", "--gain", 2)  # and is forgotten
        want = json.loads(good(daemon, "get", "--json"))
        want["controls"]["analogue_gain_milli"] = 1500
        keys = set(saved(daemon))
        assert keys == {"size", "framerate", "exposure_us", "analogue_gain_milli", "auto_exposure", "streams"}, keys
        again(daemon)
        assert json.loads(good(daemon, "get", "--json")) == want, good(daemon, "get", "--json")
        good(daemon, "streams", "remove", "new", "--force", "--save")
        assert [s["name"] for s in saved(daemon)["streams"]] == ["main", "ball"]
        # None at all is a wish as well.
        for name in ("main", "ball"):
            good(daemon, "streams", "remove", name, "--save")
        again(daemon)
        assert value(daemon, "streams") == []


def test_many_save_at_once():
    """Of different keys all are kept, and of one key what is in force; no lock is left over, also of one that was killed."""
    with configured("many") as daemon:
        daemon.wait_ready()
        tools = [daemon.tool(*words, "--save") for n in range(6) for words in (
            ("set", "--gain", 2 + n), ("set", "--framerate", 20 + n), ("streams", "add", f"s{n}"))]
        tools[4].kill()
        answers = [tool.communicate(timeout=DEADLINE_S) for tool in tools]
        assert all(tool.returncode in ((0, -signal.SIGKILL) if tool is tools[4] else (0,)) for tool in tools), answers
        file, streams = saved(daemon), {stream["name"] for stream in value(daemon, "streams")}
        assert streams == {"main", *(f"s{n}" for n in range(6))} == {stream["name"] for stream in file["streams"]}, file
        # Who was killed may have changed the rate last, and not come to save it.
        good(daemon, "set", "--framerate", 50, "--save")
        controls = json.loads(good(daemon, "get", "--json"))["controls"]
        assert saved(daemon) == {**file, "framerate": "50"} and file["analogue_gain_milli"] == controls["analogue_gain_milli"]
        assert os.listdir("etc/many.json.d") == ["50-set.json"]


def test_of_streams_what_was_asked_for_is_saved():
    """A default that changes later is to change them, too; who gave the same number as the default has it for good."""
    with configured("asked", slots=6, streams=[{"name": "main"}, {"name": "fixed", "slots": 6}]) as daemon:
        daemon.wait_ready()
        good(daemon, "streams", "add", "new", "--save")
        good(daemon, "streams", "add", "six,slots=6,format=r8,bin=1", "--save")
        wanted = [{"name": "main"}, {"name": "fixed", "slots": 6}, {"name": "new"}, {"name": "six", "slots": 6}]
        assert saved(daemon) == {"streams": wanted}, saved(daemon)
        with open("etc/asked.json.d/10-slots.json", "w", encoding="ascii") as file:
            file.write('{"slots": 9}')
        good(daemon, "reload")
        good(daemon, "region", "new", "0,0,8,8", "--save")
        assert saved(daemon) == {"streams": [*wanted[:2], {"name": "new", "region": "0,0,8,8"}, wanted[3]]}, saved(daemon)
        again(daemon)
        assert [stream["slots"] for stream in value(daemon, "streams")] == [9, 6, 9, 6]
        good(daemon, "call", "Configure", '{"configuration": {"streams": [{"name": "main", "slots": 9}, {"name": "new"}]}}')
        good(daemon, "region", "new", "0,0,9,9", "--save")
        assert saved(daemon) == {"streams": [{"name": "main", "slots": 9}, {"name": "new", "region": "0,0,9,9"}]}


def test_every_rate_is_saved_so_that_the_daemon_takes_it():
    with configured("rates") as daemon:
        daemon.wait_ready()
        for text, want in ((".5", "1000000/2000000"), ("30.", "1000000/33333"), ("15-56", "15-56"), ("29.97", "29.97"),
                           ("29.970029970029970", "1000000/33367"), ("30000.000/1001", "1000000/33367"),
                           (".5-60.", "1000000/2000000-1000000/16667"), ("30000/1001", "30000/1001")):
            good(daemon, "set", "--framerate", text, "--save")
            assert saved(daemon)["framerate"] == want, (text, saved(daemon))
            subprocess.run([BUILD / "lumaringd", "--check-config", "--camera", "rates", *daemon.options], check=True,
                           stdout=subprocess.DEVNULL, timeout=DEADLINE_S)


def test_saved_and_overruled():
    """What will not be in force after a restart is told, and is a failure; it is saved all the same."""
    with camera() as daemon:
        daemon.wait_ready()
        talk = ("lumaring: size is saved, but will not be in force after a restart: the daemon's command line has --size, "
                "which wins\n")
        assert run(daemon, "set", "--width", 320, "--height", 240, "--gain", 2, "--save")[::2] == (FAILED, talk)
        assert saved(daemon)["size"] == "320x240"
        assert good(daemon, "set", "--gain", 3, "--save")
    with configured("later") as daemon:
        daemon.wait_ready()
        for name, text in (("49-early", '{"size": "8x8"}'), ("60-late", '// mine\n{"size": "8x8", "streams": null}'),
                           ("70-broken", "{"), (".80-hidden", '{"framerate": 1}')):
            with open(f"etc/later.json.d/{name}.json", "w", encoding="ascii") as file:
                file.write(text)
        good(daemon, "set", "--framerate", 20, "--save")
        code, _, talk = run(daemon, "set", "--width", 320, "--height", 240, "--save")
        assert code == FAILED and talk.startswith("lumaring: size is saved, but ") and talk.count("\n") == 1, talk
        assert "/etc/later.json.d/60-late.json says it as well" in talk, talk
        bad(daemon, FAILED, "streams is saved, but ", "region", "main", "0,0,8,8", "--save")


def test_what_the_source_made_of_it_is_saved():
    """What was asked for might not be a configuration that a daemon starts with."""
    with configured("made", pixel_format="YUYV") as daemon:
        daemon.wait_ready()
        good(daemon, "set", "--width", 321, "--height", 240, "--framerate", "30000/1001", "--save")
        first = saved(daemon)
        assert first == {"size": good(daemon, "get", "size").strip(), "framerate": "1000000/33367"}, first
        good(daemon, "set", "--framerate", 20000, "--save")
        assert saved(daemon) == {**first, "framerate": "1000000/100"}, saved(daemon)
        again(daemon)
        assert value(daemon, "framerate") == {"minimum": 100, "maximum": 100}
        assert good(daemon, "get", "size").strip() == first["size"]


def test_save_and_reload():
    """A file that is changed by hand, and one that is wrong."""
    with Daemon("--source", "synthetic", "--config-dir", os.path.abspath("etc")) as daemon:
        daemon.wait_ready()
        good(daemon, "set", "--width", 320, "--height", 240, "--framerate", 50, "--save")
        good(daemon, "reload")
        assert good(daemon, "get", "size") == "320x240\n" and good(daemon, "get", "framerate") == "50\n"
        assert good(daemon, "reload") == "nothing changed\n"
        path = f"etc/{daemon.camera}.json.d/50-set.json"
        with open(path, "w", encoding="ascii") as file:
            file.write('// by hand\n{ "framerate": 25, "size": "64x64" }\n')
        out = good(daemon, "reload")
        assert out.startswith("changed: ") and "64x64 R8, 25 frames/s\n" in out, out
        assert good(daemon, "get", "size") == "64x64\n"
        with open(path, "w", encoding="ascii") as file:
            file.write('{ "framerate": 25, "slots": 3, "colour": 1 }\n')
        out = bad(daemon, REFUSED, "50-set.json", "reload", "--json")
        assert len(json.loads(out)["parameters"]["faults"]) == 2, out
        assert good(daemon, "get", "size") == "64x64\n"
        # What is there stays, right or wrong; only what is no JSON at all is not written over.
        good(daemon, "set", "--framerate", 20, "--save")
        assert saved(daemon) == {"framerate": "20", "slots": 3, "colour": 1}


def test_not_to_be_saved():
    with open("config.json", "w", encoding="ascii") as file:
        file.write("{}")
    with Daemon("--source", "synthetic", "--config", "config.json") as daemon:
        daemon.wait_ready()
        code, out, talk = run(daemon, "set", "--framerate", 20, "--save")
        assert code == FAILED and "--config" in talk and talk.endswith(NOT_SAVED), (code, talk)
        assert good(daemon, "get", "framerate") == "20\n"
    with camera() as daemon:
        daemon.wait_ready()
        os.mkdir("etc")
        with open(f"etc/{daemon.camera}.json.d", "w", encoding="ascii"):
            pass
        bad(daemon, FAILED, NOT_SAVED, "set", "--framerate", 20, "--save")
        assert good(daemon, "get", "framerate") == "20\n"


# --- who may, and whether it is there --------------------------------------------------------------------------------

def test_who_may():
    skip_unless(os.getuid() == 0, "being other users needs root")
    reachable_copy()
    groups = [g for g in grp.getgrall() if g.gr_gid not in (0, SOMEBODY)]
    reading, changing = groups[0], groups[1]
    with Daemon("--source", "synthetic", "--size", "64x48", "--group", reading.gr_name, "--control-group", changing.gr_name,
                "--config-dir", os.path.abspath("etc"), runtime_dir=lib.BUILD / "run") as daemon:
        daemon.wait_ready()

        def as_member(*groups_and_words):
            *member, words = groups_and_words
            tool = subprocess.run([*as_user(SOMEBODY, *member), lib.BUILD / "lumaring", "--camera", daemon.camera,
                                   "--runtime-dir", daemon.runtime_dir, *words], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=DEADLINE_S, check=False)
            return tool.returncode, tool.stderr.decode()

        look, change = ("get",), ("set", "--framerate", "20")
        assert as_member(reading.gr_gid, look) == (0, "")
        code, talk = as_member(reading.gr_gid, change)
        assert code == REFUSED and f"is for the group {changing.gr_name}" in talk, (code, talk)
        assert as_member(changing.gr_gid, change) == (0, "")
        assert as_member(changing.gr_gid, look) == (0, "")
        code, talk = as_member(look)
        assert code == REFUSED and "permission denied" in talk, (code, talk)
        code, talk = as_member(change)
        assert code == REFUSED and f"is for the group {changing.gr_name}" in talk, (code, talk)
        # Who may change may not always save, also where the directory would let them: a file of theirs would keep the
        # daemon from starting.
        os.makedirs(f"etc/{daemon.camera}.json.d")
        os.chmod(f"etc/{daemon.camera}.json.d", 0o777)
        code, talk = as_member(changing.gr_gid, (*change, "--save"))
        assert code == FAILED and talk == f"lumaring: {OF_ROOT}\nlumaring: {NOT_SAVED}", (code, talk)
        assert not os.listdir(f"etc/{daemon.camera}.json.d")


def test_no_daemon_and_no_answer():
    verbs = (("get",), ("set", "--framerate", 20), ("region", "main", "0,0,8,8"), ("streams",), ("streams", "add", "x"),
             ("clients",), ("capabilities",), ("reload",), ("call", "GetMetrics"), ("call", "Watch", "--more"))
    with camera() as daemon:
        daemon.wait_ready()
        daemon.process.send_signal(signal.SIGSTOP)
        tools = [(verb, daemon.tool(*verb, "--timeout", "0.2")) for verb in verbs]
        for verb, tool in tools:
            out, talk = tool.communicate(timeout=DEADLINE_S)
            assert tool.returncode == TIMEOUT and out == b"" and talk.count(b"\n") == 1, (verb, tool.returncode, talk)
        tool = daemon.tool("set", "--framerate", 20)
        tool.send_signal(signal.SIGTERM)
        tool.communicate(timeout=DEADLINE_S)
        assert tool.returncode in (128 + signal.SIGTERM, -signal.SIGTERM), tool.returncode  # before it had a handler
        daemon.stop()
        for verb in verbs:
            bad(daemon, NO_DAEMON, "no daemon serves", *verb, "--wait", 0)
    waiting = subprocess.Popen([BUILD / "lumaring", "--runtime-dir", os.path.abspath("later"), "--camera", "late", "get",
                                "size", "--wait", str(DEADLINE_S)], stdout=subprocess.PIPE)
    with Daemon("--source", "synthetic", "--size", "64x48", camera="late", runtime_dir="later"):
        assert waiting.communicate(timeout=DEADLINE_S)[0] in (b"64x48\n", b"") and waiting.returncode in (0, REFUSED)
