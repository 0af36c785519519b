# SPDX-License-Identifier: BSD-2-Clause
"""The tool's control verbs against a daemon made by hand: what is asked, what is shown of each answer, every exit code, and
what `--save` writes where it can and where it cannot. The real daemon is in test_tool_control.py.
"""
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import threading

from lib import BUILD, DEADLINE_S, skip_unless, wait_until

FAILED, USAGE, NO_DAEMON, REFUSED, TIMEOUT = 1, 2, 3, 4, 6
SIZE = {"width": 640, "height": 480}
WHOLE = {"x": 0, "y": 0, "width": 0, "height": 0}
STREAMS = [{"name": "main", "region": WHOLE, "slots": 8, "format": "R8", "bin": 1, "always": False},
           {"name": "ball", "region": {"x": 1, "y": 2, "width": 64, "height": 0}, "max_size": {"width": 128, "height": 96},
            "slots": 5, "format": "R16", "bin": 2, "always": True}]
CONFIGURATION = {"configuration": {"size": SIZE, "pixel_format": "YUV420",
                                   "frame_duration_us": {"minimum": 17857, "maximum": 66667}, "streams": STREAMS},
                 "controls": {"exposure_us": 5000, "analogue_gain_milli": 2500, "auto_exposure": False,
                              "exposure_value_milli": -500}}
CAPABILITIES = {"cameras": [{"id": "/base/soc/imx708", "model": "imx708", "location": "back", "served": True},
                            {"id": "two", "served": False}],
                "modes": [{"minimum": {"width": 64, "height": 64}, "maximum": {"width": 4608, "height": 2592},
                           "step": {"width": 2, "height": 1}, "pixel_formats": ["YUV420", "R8"],
                           "frame_duration_us": {"minimum": 8333, "maximum": 66667}}],
                "controls": {"exposure_us": {"minimum": 26, "maximum": 66000, "default": 5000},
                             "analogue_gain_milli": {"minimum": 1123, "maximum": 16000, "default": 1123},
                             "auto_exposure": {"minimum": 0, "maximum": 1, "default": 1}},
                "size_changes": True, "rate_changes": True}


def applied(**changes):
    return {"applied": {"configuration": CONFIGURATION["configuration"], "adjustments": [], "restarted": False,
                        "replaced": [], **changes}}


class Error(dict):
    """An error of the interface's, or with dots another one."""

    def __init__(self, error, **parameters):
        super().__init__(error=error if "." in error else f"io.lumaring.Camera.{error}", parameters=parameters)


class Control:
    """Answers each method with what the test says: parameters, an Error, a list of them (many replies), or bytes."""
    number = 0

    def __init__(self, **answers):
        Control.number += 1
        self.camera = f"fake{Control.number}"
        self.asked, self.answers, self.clients = [], answers, []
        self.directory = os.path.abspath(f"{self.camera}.etc")
        self.answers.setdefault("GetStatus", {"status": {"camera": self.camera,
                                                         "configuration": {"directory": self.directory}}})
        self.answers.setdefault("GetConfiguration", CONFIGURATION)
        self.answers.setdefault("GetCapabilities", CAPABILITIES)
        os.mkdir(self.camera)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(f"{self.camera}/control")
        self.listener.listen(8)
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        try:
            while True:
                client, _ = self.listener.accept()
                with client:
                    self.talk(client)
        except OSError:  # the listener was shut down
            pass

    def talk(self, client):
        text = b""
        while True:
            part = client.recv(65536)
            if not part:
                return
            text += part
            while b"\0" in text:
                request, text = text.split(b"\0", 1)
                request = json.loads(request)
                method = request["method"].rpartition(".")[2]
                self.asked.append((method, request["parameters"]))
                try:
                    self.answer(client, self.answers[method])
                except (BrokenPipeError, ConnectionResetError):
                    return

    def answer(self, client, answer):
        if isinstance(answer, bytes):
            client.sendall(answer)
        elif isinstance(answer, list):
            for reply in answer:
                client.sendall(json.dumps({"parameters": reply, "continues": True}).encode() + b"\0")
        else:
            client.sendall(json.dumps(answer if isinstance(answer, Error) else {"parameters": answer}).encode() + b"\0")

    def start(self, *arguments, **keywords):
        keywords.setdefault("stdout", subprocess.PIPE)
        return subprocess.Popen([str(BUILD / "lumaring"), "--runtime-dir", ".", "--camera", self.camera,
                                 *[str(a) for a in arguments]], stderr=subprocess.PIPE, **keywords)

    def tool(self, *arguments, **keywords):
        """(exit code, output, talk)"""
        tool = self.start(*arguments, **keywords)
        out, talk = tool.communicate(timeout=DEADLINE_S)
        return tool.returncode, (out or b"").decode(), talk.decode()

    def saved(self):
        with open(f"{self.directory}/{self.camera}.json.d/50-set.json", encoding="ascii") as file:
            first, rest = file.read().split("\n", 1)
        assert first.startswith("// Written by"), first
        return json.loads(rest)

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()


def check(answer, code, *, out=None, talk=None):
    assert answer[0] == code, answer
    assert out is None or answer[1] == out, answer
    assert talk is None or talk in answer[2], answer
    assert (answer[2] == "") == (code == 0), answer


# --- looking ---------------------------------------------------------------------------------------------------------

def test_get():
    with Control() as control:
        code, out, talk = control.tool("get")
        assert (code, talk) == (0, "") and [line.rstrip() for line in out.splitlines()] == """\
WHAT             VALUE  UNIT
size           640x480  px
pixel-format    YUV420
framerate        15-56  frames/s
shutter           5000  us
gain               2.5
auto-exposure      off
ev                -0.5  stops

STREAM  REGION px  CAPACITY px  SLOTS  FORMAT  BIN  COPIED
main          all            -      8  R8        1  when read
ball     1,2,64,0       128x96      5  R16       2  always
""".splitlines(), out
        for word, value in (("size", "640x480"), ("width", "640"), ("height", "480"), ("pixel-format", "YUV420"),
                            ("framerate", "15-56"), ("shutter", "5000"), ("gain", "2.5"), ("auto-exposure", "off"),
                            ("ev", "-0.5")):
            check(control.tool("get", word), 0, out=value + "\n")
        check(control.tool("get", "contrast"), REFUSED, out="", talk="this source has no contrast")
        check(control.tool("get", "contrast", "--json"), REFUSED, out="", talk="this source has no contrast")
        check(control.tool("get", "weather"), USAGE, out="", talk="there is no 'weather' to get, only configuration, ")
        for word, value in (("size", SIZE), ("streams", STREAMS), ("gain", 2500), ("auto-exposure", False),
                            ("framerate", {"minimum": 17857, "maximum": 66667}), ("controls", CONFIGURATION["controls"]),
                            ("configuration", CONFIGURATION["configuration"])):
            code, out, talk = control.tool("get", word, "--json")
            assert (code, json.loads(out), talk) == (0, value, ""), (word, out, talk)
        for word, lines in (("streams", 3), ("controls", 5), ("configuration", 4)):
            code, out, _ = control.tool("get", word)
            assert code == 0 and out.count("\n") == lines, (word, out)
        check(control.tool("get", "--json"), 0, out=json.dumps(CONFIGURATION) + "\n")
        check(control.tool("streams"), 0)
        code, out, _ = control.tool("streams", "--json")
        assert code == 0 and json.loads(out) == STREAMS


def test_rates():
    """Those that set knows are printed as they were given."""
    with Control(Configure=applied()) as control:
        for text, printed in (("30", "30"), ("29.97", "29.97"), ("24000/1001", "23.98"), ("0.5", "0.5"), ("1/60", "0.016667"),
                              ("1/3600", "0.000278"), ("1000", "1000"), ("0.5-30000/1001", "0.5-29.97"), ("1", "1")):
            check(control.tool("set", "--framerate", text), 0)
            durations = control.asked[-1][1]["configuration"]["frame_duration_us"]
            control.answers["GetConfiguration"] = {"configuration": {"frame_duration_us": durations}, "controls": {}}
            check(control.tool("get", "framerate"), 0, out=printed + "\n")


def test_what_get_prints_set_takes():
    with Control(SetControls={"controls": {}}, Configure=applied()) as control:
        for word in ("shutter", "gain", "auto-exposure", "ev", "framerate", "pixel-format"):
            value = control.tool("get", word)[1].strip()
            check(control.tool("set", f"--{word}", value), 0)
        durations = [p["configuration"]["frame_duration_us"] for m, p in control.asked
                     if m == "Configure" and "frame_duration_us" in p["configuration"]]
        assert durations == [CONFIGURATION["configuration"]["frame_duration_us"]], durations
        controls = [p["controls"] for m, p in control.asked if m == "SetControls"]
        assert {k: v for c in controls for k, v in c.items()} == CONFIGURATION["controls"], controls


def test_little_is_known():
    little = {"configuration": {"streams": []}, "controls": {}}
    with Control(GetConfiguration=little, GetCapabilities={"cameras": [], "modes": [], "controls": {}}) as control:
        code, out, talk = control.tool("get")
        assert code == 0 and "WHAT" in out and not talk, (out, talk)
        check(control.tool("get", "size"), REFUSED, talk="this source has no size")
        code, out, _ = control.tool("capabilities")
        assert code == 0 and out.startswith("no camera is known\n\nno sizes are known\n\nno controls\n"), out
        assert out.endswith("size and format cannot be changed while it runs, the rate cannot\n"), out
        check(control.tool("region", "main", "0.5,0.5,0.5,0.5"), REFUSED, talk="the size of the image is not known yet")


def test_capabilities():
    with Control() as control:
        check(control.tool("capabilities", "--json"), 0, out=json.dumps(CAPABILITIES) + "\n")
        code, out, talk = control.tool("capabilities")
        assert (code, talk) == (0, "")
        assert [line.split() for line in out.splitlines()] == [
            ["CAMERA", "MODEL", "LOCATION", "SERVED"], ["/base/soc/imx708", "imx708", "back", "here"], ["two"], [],
            ["SMALLEST", "px", "LARGEST", "px", "STEP", "FRAMES/S", "FORMATS"],
            ["64x64", "4608x2592", "2x1", "15-120", "YUV420", "R8"], [],
            ["CONTROL", "MINIMUM", "MAXIMUM", "DEFAULT", "UNIT"], ["shutter", "26", "66000", "5000", "us"],
            ["gain", "1.123", "16", "1.123"], ["auto-exposure", "off", "on", "on"], [],
            "size and format can be changed while it runs, the rate can".split()], out


def test_clients():
    clients = {"clients": [{"pid": os.getpid(), "uid": 0, "stream": "main", "state": "reading", "private": False,
                            "cursors": 2, "futex": True, "notices_dropped": 3},
                           {"pid": 0, "uid": 7, "stream": None, "state": "greeting", "private": False, "cursors": 0,
                            "futex": False, "notices_dropped": 0}]}
    with Control(ListClients=clients) as control:
        check(control.tool("clients", "--json"), 0, out=json.dumps(clients) + "\n")
        code, out, _ = control.tool("clients")
        rows = [line.split() for line in out.splitlines()]
        with open("/proc/self/comm", encoding="ascii") as file:
            name = file.read().split()
        assert code == 0 and rows[1] == [str(os.getpid()), *name, "0", "main", "reading", "futex", "2", "3"], out
        assert rows[2] == ["0", "?", "7", "-", "greeting", "notice", "0", "0"], out
        control.answers["ListClients"] = {"clients": []}
        check(control.tool("clients"), 0, out="no clients\n")


# --- changing --------------------------------------------------------------------------------------------------------

def test_set_size_and_rate():
    changed = applied(adjustments=[{"field": "size.width", "asked": 643, "got": 640}], restarted=True,
                      replaced=["main", "ball"], gap_us=214000, gap_frames=12)
    with Control(Configure=changed) as control:
        code, out, talk = control.tool("set", "--width", 643, "--height", 480, "--framerate", "15-56",
                                       "--pixel-format", "R8", "--strict")
        assert (code, talk) == (0, ""), talk
        assert out == ("640x480 YUV420, 15-56 frames/s\nthe source made of size.width 643: 640\n"
                       "the camera was stopped and started for it\n"
                       "larger rings, which clients were handed: main, ball\nno frame for 214.0 ms, the time of 12\n"), out
        assert control.asked == [("Configure", {"configuration": {
            "size": {"width": 643, "height": 480}, "pixel_format": "R8",
            "frame_duration_us": {"minimum": 17857, "maximum": 66667}}, "strict": True})], control.asked
        check(control.tool("set", "--framerate", 30, "--json"), 0, out=json.dumps(changed) + "\n")
        code, out, _ = control.tool("set", "--framerate", 30, "--dry-run")
        assert out.startswith("would be: 640x480 YUV420") and "the camera would be stopped" in out, out
        assert control.asked[-1] == ("Configure", {"configuration": {"frame_duration_us": {"minimum": 33333,
                                                                                          "maximum": 33333}},
                                                   "dry_run": True}), control.asked[-1]


def test_set_controls():
    with Control(SetControls={"controls": {"exposure_us": 5000, "analogue_gain_milli": 2000}}) as control:
        check(control.tool("set", "--shutter", "5ms", "--gain", 2, "--ev=-0.5", "--brightness=-1", "--contrast", "1.25",
                           "--sharpness", 0, "--scaler-crop-x", 0, "--scaler-crop-y", 2, "--scaler-crop-width", 65535,
                           "--scaler-crop-height", 1, "--auto-exposure", "on"), 0,
              out="WHAT     VALUE  UNIT\nshutter   5000  us\ngain         2  \n")
        assert control.asked == [("SetControls", {"controls": {
            "exposure_us": 5000, "analogue_gain_milli": 2000, "auto_exposure": True, "exposure_value_milli": -500,
            "brightness_milli": -1000, "contrast_milli": 1250, "sharpness_milli": 0, "scaler_crop_x": 0,
            "scaler_crop_y": 2, "scaler_crop_width": 65535, "scaler_crop_height": 1}})], control.asked
        check(control.tool("set", "--gain", "1.5", "--json"), 0, out=json.dumps(control.answers["SetControls"]) + "\n")


def test_set_checks_before_it_changes():
    """What would be refused after half of it was done is refused before."""
    with Control(Configure=applied(), SetControls={"controls": {}}) as control:
        size = ("--width", 640, "--height", 480)
        check(control.tool("set", *size, "--gain", "16.001"), USAGE, out="",
              talk="--gain 16.001 is out of range: 1.123 to 16\n")
        check(control.tool("set", *size, "--shutter", 25), USAGE, talk="--shutter 25 is out of range: 26 to 66000\n")
        check(control.tool("set", *size, "--contrast", 1), REFUSED, talk="this source has no --contrast")
        check(control.tool("set", "--gain", 17, "--dry-run"), USAGE, talk="out of range")
        assert {m for m, _ in control.asked} == {"GetCapabilities"}, control.asked
        check(control.tool("set", "--gain", 16, "--dry-run"), 0, out="")
        assert {m for m, _ in control.asked} == {"GetCapabilities"}, control.asked
        check(control.tool("set", *size, "--gain", 16), 0)
        assert [m for m, _ in control.asked[-3:]] == ["GetCapabilities", "Configure", "SetControls"], control.asked
        control.answers["SetControls"] = Error("NotSupported", field="controls.analogue_gain_milli", reason="not now")
        check(control.tool("set", *size, "--gain", 16, "--save"), REFUSED, talk="lumaring: what was set before that stays\n")
        assert not os.listdir(f"{control.directory}/{control.camera}.json.d")


def test_regions():
    with Control(SetRegion={"region": {"x": 160, "y": 120, "width": 320, "height": 240}, "replaced": False},
                 Configure=applied()) as control:
        check(control.tool("region", "ball", "0.25,0.25,0.5,0.5"), 0, out="ball: 320x240 at 160,120\n")
        assert control.asked[-1] == ("SetRegion", {"stream": "ball", "region": {"x": 160, "y": 120, "width": 320,
                                                                               "height": 240}}), control.asked
        check(control.tool("region", "ball", "160,120,320,0", "--json"), 0,
              out=json.dumps(control.answers["SetRegion"]) + "\n")
        assert control.asked[-1][1]["region"] == {"x": 160, "y": 120, "width": 320, "height": 0}
        check(control.tool("set", "--roi", "0,0.5,1,0.5", "--stream", "ball"), 0)
        assert control.asked[-1][1] == {"stream": "ball", "region": {"x": 0, "y": 240, "width": 640, "height": 240}}
        check(control.tool("set", "--roi", "1,2,3,4", "--width", 640, "--height", 480), 0)
        assert [m for m, _ in control.asked[-2:]] == ["Configure", "SetRegion"]
        assert control.asked[-1][1] == {"stream": "main", "region": {"x": 1, "y": 2, "width": 3, "height": 4}}
        before = len(control.asked)
        for bad in ((), ("ball",)):
            check(control.tool("region", *bad), USAGE, out="", talk="say which stream, and its region")
        for bad in ("1,2,3", "0.5,0,0.6,1", "1,2,3,70000"):
            check(control.tool("region", "ball", bad), USAGE, out="", talk=f"the region is '{bad}'; it must be X,Y,")
        check(control.tool("set", "--roi", "1,1,1,1", "--dry-run"), USAGE, talk="--roi")
        assert len(control.asked) == before
        check(control.tool("region", "ball", "0.5,0,0.0001,1"), USAGE, talk="less than a pixel of an image of 640x480")


def test_streams():
    with Control(AddStream={"stream": {"name": "a"}}, RemoveStream={}) as control:
        for text, stream in (
                ("a", {"name": "a"}),
                ("a=1,2,3,4", {"name": "a", "region": {"x": 1, "y": 2, "width": 3, "height": 4}}),
                ("a=0.5,0,0.5,1,bin=2", {"name": "a", "region": {"x": 320, "y": 0, "width": 320, "height": 480}, "bin": 2}),
                ("a,format=r16,slots=4,max_size=1x65535,always=true,bin=1",
                 {"name": "a", "format": "R16", "slots": 4, "max_size": {"width": 1, "height": 65535}, "always": True,
                  "bin": 1}),
                ("a=0,0,0,0,always=false", {"name": "a", "always": False})):
            check(control.tool("streams", "add", text), 0, out="")
            assert control.asked[-1] == ("AddStream", {"stream": stream}), (text, control.asked[-1])
        check(control.tool("streams", "remove", "a"), 0, out="")
        assert control.asked[-1] == ("RemoveStream", {"name": "a"})
        check(control.tool("streams", "remove", "a", "--force", "--json"), 0, out="{}\n")
        assert control.asked[-1] == ("RemoveStream", {"name": "a", "force": True})
        before = len(control.asked)
        for bad in (("a=",), ("a=1,2,3",), ("a=1,2,3,4x",), ("a=1,2,3,4,5",), ("a,slots=3",), ("a,slots=65536",),
                    ("a,bin=3",), ("a,format=R9",), ("a,always=1",), ("a,max_size=1",), ("a,max_size=0x1",), ("a,",),
                    ("a,colour=red",), ("a,bin=1,bin=2",), ("a" * 256,), ("a", "--force"), ()):
            check(control.tool("streams", "add", *bad), USAGE, out="")
        for bad in (("remove",), ("rename", "a"), ("--save",), ("--force",)):
            check(control.tool("streams", *bad), USAGE, out="", talk="say 'streams'")
        assert len(control.asked) == before
        control.answers["RemoveStream"] = Error("StreamInUse", stream="a", clients=2)
        check(control.tool("streams", "remove", "a"), REFUSED, out="", talk="stream \"a\" has 2 clients")
        assert "--force disconnects them" in control.tool("streams", "remove", "a")[2]


def test_reload():
    with Control(Reload={"changed": ["framerate", "streams"], "needs_restart": ["io"], **applied()}) as control:
        check(control.tool("reload"), 0, out="changed: framerate, streams\nchanged in the files, and needs a restart: io\n"
                                             "640x480 YUV420, 15-56 frames/s\n")
        control.answers["Reload"] = {"changed": [], "needs_restart": []}
        check(control.tool("reload"), 0, out="nothing changed\n")
        control.answers["Reload"] = Error("BadConfiguration", faults=["/etc/lumaring/cam0.json:3:5: slots is 3", "b"])
        assert control.tool("reload") == (REFUSED, "", "lumaring: /etc/lumaring/cam0.json:3:5: slots is 3\nlumaring: b\n"
                                                       "lumaring: nothing was changed\n")


# --- any call --------------------------------------------------------------------------------------------------------

def test_call():
    with Control(GetInfo={"vendor": "x"}, Configure=applied()) as control:
        check(control.tool("call", "org.varlink.service.GetInfo"), 0, out='{"vendor": "x"}\n')
        check(control.tool("call", "Configure", '{"configuration": {}}'), 0, out=json.dumps(applied()) + "\n")
        assert control.asked[-1] == ("Configure", {"configuration": {}})
        before = len(control.asked)
        check(control.tool("call", "Configure", "{"), USAGE, talk="the parameters are not a JSON object: byte 1")
        check(control.tool("call", "a b"), USAGE, talk="is no name of a method")
        check(control.tool("call"), USAGE, talk="say which method")
        assert len(control.asked) == before
        control.answers["Configure"] = Error("OutOfRange", field="configuration.size.width", minimum=1, maximum=65535,
                                             given=70000)
        code, out, talk = control.tool("call", "Configure", "{}")
        assert code == USAGE and talk == "lumaring: size.width 70000 is out of range: 1 to 65535\n", talk
        assert json.loads(out) == control.answers["Configure"], out


def test_call_more():
    last = json.dumps({"parameters": {"n": 3}}).encode() + b"\0"
    with Control(Watch=[{"n": 1}, {"n": 2}]) as control:
        tool = control.start("call", "Watch", '{"interval_us": 100000}', "--more")
        assert [tool.stdout.readline() for _ in range(2)] == [b'{"n": 1}\n', b'{"n": 2}\n']
        tool.send_signal(signal.SIGTERM)
        assert tool.communicate(timeout=DEADLINE_S) == (b"", b"") and tool.returncode == 0
        check(control.tool("call", "Watch", "--more", "--timeout", "0.3"), TIMEOUT, out='{"n": 1}\n{"n": 2}\n',
              talk="no reply came for 0.3 s")
        control.answers["Watch"] = last
        check(control.tool("call", "Watch", "--more"), 0, out='{"n": 3}\n')
        # Without --more the daemon answers once, or says that it is a call for more.
        control.answers["Watch"] = Error("org.varlink.service.ExpectedMore")
        check(control.tool("call", "Watch"), USAGE, talk="this method has many replies")
        check(control.tool("call", "Watch", "--more"), USAGE, talk="this method has many replies")


# --- what goes wrong -------------------------------------------------------------------------------------------------

ERRORS = [
    (Error("OutOfRange", field="configuration.size.width", minimum=1, maximum=2, given=3), USAGE,
     "size.width 3 is out of range: 1 to 2"),
    (Error("InvalidField", field="configuration", reason="why"), USAGE, "configuration: why"),
    (Error("NotSupported", field="configuration.size", reason="not a pipe"), REFUSED, "size: not a pipe"),
    (Error("NoSuchStream", stream="a", streams=["main"]), REFUSED, "there is no stream \"a\", only main"),
    (Error("StreamExists", stream="a"), REFUSED, "there is a stream \"a\" already"),
    (Error("StreamInUse", stream="a", clients=1), REFUSED, "has 1 client"),
    (Error("Adjusted", adjustments=[{"field": "size.width", "asked": 3, "got": 2}]), REFUSED, "size.width 3 would become 2"),
    (Error("Busy", reason="slowly", retry_after_us=1000), REFUSED, "slowly: try again in 1 ms"),
    (Error("NoRoom", stream="a", reason="full", needed_bytes="2", available_bytes="1"), REFUSED, "no room for stream \"a\""),
    (Error("SourceRefused", step="start", reason="x", restored=True), REFUSED, "it runs as before"),
    (Error("BadConfiguration", faults=["x"]), REFUSED, "x"),
    (Error("LimitReached", limit="control-rate", maximum=100, retry_after_us=9000), REFUSED, "control-rate is 100"),
    (Error("PermissionDenied", method="Configure", group="video"), REFUSED, "Configure is for the group video"),
    (Error("org.varlink.service.MethodNotFound", method="Configure"), REFUSED, "it may be older"),
    (Error("com.example.New"), REFUSED, "com.example.New"),
    (b"hello\0", FAILED, "is not a JSON object"),
    (b'{"parameters": {"applied": 7}}\0', FAILED, "makes no sense"),
]


def test_every_error():
    with Control() as control:
        for answer, code, talk in ERRORS:
            control.answers["Configure"] = answer
            check(control.tool("set", "--framerate", 30), code, out="", talk=talk)
            if isinstance(answer, Error):
                out = control.tool("set", "--framerate", 30, "--json")[1]
                assert json.loads(out) == answer, out


def test_no_answer():
    with Control(Configure=b"", GetConfiguration=b'{"parameters":') as control:
        check(control.tool("set", "--framerate", 30, "--timeout", "0.1"), TIMEOUT, out="",
              talk="did not answer within 100 ms")
        check(control.tool("get", "--timeout", 0), TIMEOUT, out="", talk="did not answer within 0 ms")
        tool = control.start("set", "--framerate", 30)
        wait_until(lambda: sum(method == "Configure" for method, _ in control.asked) == 2, "the question")
        tool.send_signal(signal.SIGINT)
        _, talk = tool.communicate(timeout=DEADLINE_S)
        assert tool.returncode == 128 + signal.SIGINT and talk == b"", (tool.returncode, talk)
    for verb in (("get",), ("set", "--gain", 2), ("region", "a", "1,2,3,4"), ("streams",), ("clients",), ("capabilities",),
                 ("reload",), ("call", "GetMetrics")):
        check(control.tool(*verb, "--wait", 0), NO_DAEMON, out="", talk="no daemon serves")


def test_answers_of_another_kind():
    """Tables of what has other types, or is missing: nothing is believed, nothing crashes."""
    odd = [{}, {"configuration": 7, "controls": []}, {"configuration": {"size": [], "streams": [1, None, {}, []]}},
           {"configuration": {"streams": {"a": {}}, "frame_duration_us": {"minimum": -1, "maximum": "x"}},
            "controls": {"exposure_us": "x", "gain": {}}},
           {"configuration": {"size": {"width": 1e300, "height": 2}, "pixel_format": "\u001b[31m" + "x" * 5000}},
           {"cameras": {}, "modes": [1, [], {"pixel_formats": [1, {}]}], "controls": {"exposure_us": 3}},
           {"cameras": [[]], "modes": {"a": {"pixel_formats": ["x" * 300, "y"]}}, "controls": []},
           {"clients": [1, None, {"pid": -1, "stream": 7}]}, {"clients": "no"}, {"changed": 1, "needs_restart": [1, {}]},
           {"changed": ["x" * 3000], "applied": []}, {"applied": {"adjustments": [1], "replaced": [{}], "gap_us": "x"}}]
    with Control() as control:
        for answer in odd:
            for method in ("GetConfiguration", "GetCapabilities", "ListClients", "Reload"):
                control.answers[method] = answer
            for verb in ("get", "streams", "capabilities", "clients", "reload"):
                code, out, talk = control.tool(verb)
                assert code in (0, FAILED) and "\x1b" not in out + talk, (verb, answer, code, talk)
                code, out, _ = control.tool(verb, "--json")
                assert code in (0, REFUSED), (verb, answer, code)


def test_reader_has_had_enough():
    reader, writer = os.pipe()
    os.close(reader)
    with Control() as control:
        code, _, talk = control.tool("get", stdout=writer)
        assert (code, talk) == (0, ""), talk
        with open("/dev/full", "wb") as full:
            check(control.tool("get", "--json", stdout=full), FAILED, talk="cannot write to standard output: No space left")
    os.close(writer)


# --- saving ----------------------------------------------------------------------------------------------------------

def test_save():
    with Control(Configure=applied(), SetControls={"controls": {}}, SetRegion={"region": WHOLE, "replaced": False},
                 AddStream={}, RemoveStream={}) as control:
        check(control.tool("set", "--width", 640, "--height", 480, "--save"), 0)
        assert control.saved() == {"size": "640x480"}
        check(control.tool("set", "--framerate", "30000/1001", "--pixel-format", "R8", "--save"), 0)
        check(control.tool("set", "--auto-exposure", "on", "--ev", "0.5", "--save"), 0)
        saved = {"size": "640x480", "framerate": "30000/1001", "pixel_format": "R8", "auto_exposure": True,
                 "exposure_us": None, "analogue_gain_milli": None, "exposure_value_milli": 500}
        assert control.saved() == saved, control.saved()
        # A time ends auto exposure, and auto exposure ends a time, as the calls do.
        check(control.tool("set", "--shutter", 5000, "--gain", "1.5", "--save"), 0)
        saved.update(exposure_us=5000, analogue_gain_milli=1500, auto_exposure=False)
        assert control.saved() == saved, control.saved()
        check(control.tool("set", "--auto-exposure", "on", "--save"), 0)
        saved.update(auto_exposure=True, exposure_us=None, analogue_gain_milli=None)
        assert control.saved() == saved, control.saved()
        check(control.tool("set", "--auto-exposure", "off", "--brightness=-0.5", "--contrast", 2, "--sharpness", 0,
                           "--scaler-crop-x", 8, "--scaler-crop-y", 6, "--scaler-crop-width", 1640,
                           "--scaler-crop-height", 1232, "--save"), 0)
        saved.update(auto_exposure=False, brightness_milli=-500, contrast_milli=2000, sharpness_milli=0,
                     scaler_crop_x=8, scaler_crop_y=6, scaler_crop_width=1640, scaler_crop_height=1232)
        assert control.saved() == saved, control.saved()
        streams = [{"name": "main", "slots": 8},
                   {"name": "ball", "region": "1,2,64,0", "max_size": "128x96", "slots": 5, "format": "R16", "bin": 2,
                    "always": True}]
        for verb in (("region", "ball", "1,2,64,0"), ("streams", "add", "ball"), ("streams", "remove", "a"),
                     ("set", "--roi", "1,2,64,0", "--stream", "ball")):
            check(control.tool(*verb, "--save"), 0)
            assert control.saved() == {**saved, "streams": streams}, (verb, control.saved())
            control.tool("set", "--gain", 2)
        assert os.listdir(control.directory) == [f"{control.camera}.json.d"]
        assert os.listdir(f"{control.directory}/{control.camera}.json.d") == ["50-set.json"]


NOT_SAVED = "not saved: the change is in force, but will not survive a restart of the daemon\n"


def test_save_fails():
    with Control(Configure=applied()) as control:
        save = ("set", "--framerate", 30, "--save")
        control.answers["Configure"] = Error("Busy", reason="x", retry_after_us=0)
        check(control.tool(*save), REFUSED)
        assert not os.listdir(f"{control.directory}/{control.camera}.json.d")  # nothing that was refused is saved
        shutil.rmtree(control.directory)
        control.answers["Configure"] = applied()
        for status, why in (({}, "does not say where"), ({"status": 7}, "does not say where"),
                            ({"status": {"camera": "../x", "configuration": {"directory": control.directory}}},
                             "does not say where"),
                            ({"status": {"camera": "c", "configuration": {"directory": "etc"}}}, "does not say where"),
                            ({"status": {"camera": "c", "configuration": {"directory": ""}}}, "--config"),
                            (Error("PermissionDenied", method="GetStatus", group=""), "you may not call GetStatus")):
            good, control.answers["GetStatus"] = control.answers["GetStatus"], status
            code, _, talk = control.tool(*save)
            assert code == FAILED and why in talk and talk.endswith(NOT_SAVED), talk
            control.answers["GetStatus"] = good
        with open(control.directory, "w", encoding="ascii"):
            code, _, talk = control.tool(*save)
        assert code == FAILED and "Not a directory" in talk and talk.endswith(NOT_SAVED), talk
        os.unlink(control.directory)
        check(control.tool(*save), 0)
        path = f"{control.directory}/{control.camera}.json.d/50-set.json"
        # Neither what cannot be read nor what cannot be replaced is lost.
        with open(path, "w", encoding="ascii") as file:
            file.write("{ not mine")
        code, _, talk = control.tool(*save)
        assert code == FAILED and "is no JSON object: correct it or remove it" in talk and talk.endswith(NOT_SAVED), talk
        with open(path, encoding="ascii") as file:
            assert file.read() == "{ not mine"


def test_what_was_made_of_it_is_saved():
    """What the source would not take might not be a configuration that a daemon starts with."""
    with Control(Configure=applied(adjustments=[{"field": "size.width", "asked": 643, "got": 640}])) as control:
        check(control.tool("set", "--width", 643, "--height", 481, "--framerate", "15-99", "--save"), 0)
        assert control.saved() == {"size": "640x480", "framerate": "1000000/66667-1000000/17857"}, control.saved()
        # But nothing that was not asked for.
        check(control.tool("set", "--pixel-format", "R8", "--save"), 0)
        assert control.saved() == {"size": "640x480", "framerate": "1000000/66667-1000000/17857", "pixel_format": "R8"}


def test_save_on_a_full_disk():
    skip_unless(os.getuid() == 0 and shutil.which("mount"), "only root may mount a small file system")
    with Control(Configure=applied()) as control:
        os.mkdir(control.directory)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", control.directory], check=False,
                                 stderr=subprocess.PIPE)
        skip_unless(mounted.returncode == 0, f"no mount here: {mounted.stderr.decode().strip()}")
        try:
            check(control.tool("set", "--framerate", 30, "--save"), 0)
            with open(f"{control.directory}/filler", "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    pass
            code, _, talk = control.tool("set", "--framerate", 15, "--save")
            assert code == FAILED and "No space left on device" in talk and talk.endswith(NOT_SAVED), talk
            assert control.saved() == {"framerate": "30"}
            assert os.listdir(f"{control.directory}/{control.camera}.json.d") == ["50-set.json"]
            subprocess.run(["mount", "-o", "remount,ro", control.directory], check=True)
            code, _, talk = control.tool("set", "--framerate", 15, "--save")
            assert code == FAILED and "Read-only file system" in talk and talk.endswith(NOT_SAVED), talk
        finally:
            subprocess.run(["umount", control.directory], check=True)


def test_save_of_some_bytes():
    """The disk is full after any number of bytes: the file is the old or the new one, whole."""
    with Control(Configure=applied()) as control:
        check(control.tool("set", "--framerate", 1000, "--width", 640, "--height", 480, "--save"), 0)
        old, codes = control.saved(), []
        for room in range(0, 240, 8):
            tool = control.start("set", "--framerate", 30, "--save", stdout=subprocess.DEVNULL,
                                 preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)))
            talk = tool.communicate(timeout=DEADLINE_S)[1].decode()
            codes.append(tool.returncode)
            if tool.returncode == 0:
                break
            assert tool.returncode == FAILED and "File too large" in talk and talk.endswith(NOT_SAVED), talk
            assert control.saved() == old, (room, control.saved())
        assert codes[-1] == 0 and len(codes) > 10 and control.saved() == {**old, "framerate": "30"}, codes
