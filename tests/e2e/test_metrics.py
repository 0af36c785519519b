# SPDX-License-Identifier: BSD-2-Clause
"""`lumaring metrics` is Prometheus' text format to the letter, says what the status says, and is a file as a whole."""
import os
import re
import stat

import lib
from lib import DEADLINE_S, Daemon, wait_until

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^\\"\n]|\\\\|\\"|\\n)*)"'
SAMPLE = re.compile(rf"({NAME})\{{({LABEL}(?:,{LABEL})*)\}} (NaN|[+-]Inf|[+-]?[0-9.]+(?:e[+-]?[0-9]+)?)")
TYPES = {"counter", "gauge", "summary"}


def unescaped(value):
    return re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), value)


class Family:
    def __init__(self, name, text):
        self.name, self.help, self.type, self.samples = name, text, None, {}

    def take(self, name, labels, value):
        suffix = name[len(self.name):]
        assert name.startswith(self.name) and suffix in (("", "_sum", "_count") if self.type == "summary" else ("",)), name
        assert ("quantile" in labels) == (self.type == "summary" and not suffix), (name, labels)
        key = suffix, tuple(sorted(labels.items()))
        assert key not in self.samples, f"{name}{labels} twice"
        self.samples[key] = value


def parse(text):
    """Families by name. Stricter than Prometheus: HELP, TYPE and samples stand together and in this order, units are base
    units, counters end in _total and nothing else does."""
    families, family = {}, None
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            _, _, name, text = line.split(" ", 3)
            assert re.fullmatch(NAME, name) and name not in families and text, line
            assert family is None or family.samples, f"{family.name} has no sample"
            family = families[name] = Family(name, text)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == family.name and family.type is None and kind in TYPES, line
            assert (kind == "counter") == name.endswith("_total"), line
            assert not re.search(r"_(us|ms|ns|kb|mb|percent)(_|$)", name), line
            family.type = kind
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample and family.type, line
            labels = [(name, unescaped(value)) for name, value in re.findall(LABEL, sample[2])]
            assert len(dict(labels)) == len(labels), line
            family.take(sample[1], dict(labels), float(sample[7]))
    return families


def values(families, name, suffix="", **labels):
    """The one sample that has these labels."""
    found = [value for (s, key), value in families[name].samples.items()
             if s == suffix and labels.items() <= dict(key).items()]
    assert len(found) == 1, (name, labels, found)
    return found[0]


def run(daemon, *arguments):
    with daemon.tool("metrics", *arguments, text=True) as tool:
        out, err = tool.communicate(timeout=DEADLINE_S)
    return tool.returncode, out, err


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def test_format_and_values():
    clip = "clip \\ and \"so on\"\n.y4m"
    with open(clip, "wb") as file:
        file.write(b"YUV4MPEG2 W64 H48 F100:1 Cmono\n" + (b"FRAME\n" + bytes(64 * 48)) * 3)
    with Daemon("--source", f"replay:{clip}", "--stream", "main", "--stream", "past,always=true", "--loop") as daemon:
        daemon.wait_ready()
        with daemon.tool("watch", stdout=lib.subprocess.DEVNULL) as reader:
            def told():
                code, out, err = run(daemon)
                assert code == 0 and not err, (code, err)
                families = parse(out)
                name, camera = "lumaring_stream_frames_published_total", daemon.camera
                return families if values(families, name, stream="main", camera=camera) >= 10 else None
            families = wait_until(told, "frames are published")
            reader.terminate()
    assert values(families, "lumaring_up") == 1
    assert values(families, "lumaring_source_state", state="live") == 1
    assert values(families, "lumaring_image_width_pixels") == 64
    assert values(families, "lumaring_stream_clients", stream="main") == 1
    assert values(families, "lumaring_cpu_seconds_total") > 0
    assert values(families, "lumaring_stream_slots", stream="past") == 8
    published = values(families, "lumaring_stream_frames_published_total", stream="past")
    assert values(families, "lumaring_stream_copied_bytes_total", stream="past") == published * 64 * 48
    for times in ("copy", "ready_to_published", "sensor_to_published"):
        name = f"lumaring_stream_{times}_seconds"
        quantiles = [values(families, name, stream="past", quantile=q) for q in ("0.5", "0.9", "0.99")]
        assert quantiles == sorted(quantiles) and 0 < quantiles[0] < 10, (name, quantiles)
        assert 0 <= values(families, name, "_count", stream="past") - published <= 1
        assert values(families, name, "_sum", stream="past") > 0


def test_file():
    """Replaced as a whole, readable, and left alone when that cannot be."""
    os.umask(0o022)
    with Daemon("--source", "synthetic", "--framerate", 100, "--size", "64x48") as daemon:
        daemon.wait_ready()
        with open("lumaring.prom", "w", encoding="ascii") as file:
            file.write("old\n")
        with open("lumaring.prom", encoding="ascii") as old:
            assert run(daemon, "--output", "lumaring.prom") == (0, "", "")
            assert old.read() == "old\n", "who has it open reads on in the old one"
        assert values(parse(read("lumaring.prom")), "lumaring_up") == 1
        assert stat.S_IMODE(os.stat("lumaring.prom").st_mode) == 0o644
        code, out, err = run(daemon, "--output", "nowhere/lumaring.prom")
        assert code == 1 and not out and "nowhere/lumaring.prom" in err, err
        os.mkdir("directory.prom")
        code, out, err = run(daemon, "--output", "directory.prom")
        assert code == 1 and not out and "directory.prom" in err, err
        code, out, err = run(daemon, "--output", "-")
        assert code == 0 and values(parse(out), "lumaring_up") == 1, err
    assert not [name for name in os.listdir(".") if ".prom." in name], os.listdir(".")


def test_what_is_no_file():
    """Devices, FIFOs and links stay what they are, whoever runs it; /dev/stdout is standard output."""
    with Daemon("--source", "synthetic", "--framerate", 100, "--size", "64x48") as daemon:
        daemon.wait_ready()
        os.mkdir("other")
        links = {"null.prom": "/dev/null", "full.prom": "/dev/full", "out.prom": "/proc/self/fd/1",
                 "file.prom": "other/file.prom", "new.prom": "other/new.prom"}
        for name, target in links.items():
            os.symlink(target, name)
        with open("other/file.prom", "w", encoding="ascii") as file:
            file.write("old\n")
        assert run(daemon, "--output", "null.prom") == (0, "", "")
        assert run(daemon, "--output", "full.prom") == (1, "", "lumaring: cannot write full.prom: No space left on device\n")
        code, out, err = run(daemon, "--output", "out.prom")
        assert code == 0 and values(parse(out), "lumaring_up") == 1, err
        with open("log", "w+", encoding="ascii") as log:
            log.write("before\n")
            log.flush()
            assert daemon.tool("metrics", "--output", "out.prom", stdout=log).wait(DEADLINE_S) == 0
            log.seek(0)
            assert log.readline() == "before\n" and values(parse(log.read()), "lumaring_up") == 1
        for name in ("file.prom", "new.prom"):
            assert run(daemon, "--output", name) == (0, "", "")
            assert values(parse(read(f"other/{name}")), "lumaring_up") == 1
        assert {name: os.readlink(name) for name in links} == links
        os.mkfifo("fifo.prom")
        tool = daemon.tool("metrics", "--output", "fifo.prom")
        with open("fifo.prom", encoding="ascii") as fifo:
            assert values(parse(fifo.read()), "lumaring_up") == 1
        assert tool.wait(DEADLINE_S) == 0 and stat.S_ISFIFO(os.stat("fifo.prom").st_mode)
        assert sorted(os.listdir("other")) == ["file.prom", "new.prom"]


def test_no_daemon():
    """Down is a figure as well; and so that no old one is taken for it, the file says so, too."""
    with Daemon("--source", "synthetic", "--framerate", 100, "--size", "64x48") as daemon:
        daemon.wait_ready()
        assert run(daemon, "--output", "lumaring.prom")[0] == 0
        daemon.stop()
        code, out, err = run(daemon, "--wait", 0)
        assert code == 3 and list(parse(out)) == ["lumaring_up"], out
        assert values(parse(out), "lumaring_up", camera=daemon.camera) == 0 and "no daemon" in err, err
        code, out, err = run(daemon, "--wait", 0, "--output", "lumaring.prom")
        assert code == 3 and not out and values(parse(read("lumaring.prom")), "lumaring_up") == 0
        # A call that could never work says nothing of any daemon.
        code, out, err = run(daemon, "--camera", "No!")
        assert code == 2 and not out and err, err


def test_parser():
    """The one above refuses what Prometheus would, and what ours should never be."""
    good = '# HELP a_total x\n# TYPE a_total counter\na_total{b="c"} 1\n'
    parse(good)
    for bad in (good[:-1], good.replace("counter", "gauge"), good.replace("_total", ""), good + 'a_total{b="c"} 2\n',
                good.replace(" 1", ""), good.replace(" 1", " x"), good.replace('"c"', '"c\\x"'), good + good,
                good.replace('"c"', '"c"d"'), good.replace("x\n", "\n"), good.replace('b="c"', 'b="c",b="d"'),
                good.replace("a_total{", "b_total{"), good.replace("a_total", "a_us_total"),
                "\n".join(good.split("\n")[1:]), good + "\n"):
        try:
            parse(bad)
        except (AssertionError, ValueError, AttributeError):
            continue
        raise AssertionError(f"taken for good: {bad!r}")
