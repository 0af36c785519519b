# SPDX-License-Identifier: BSD-2-Clause
"""`make install` and `make uninstall`, below a directory of the test's own: what one puts there the other takes, and
nothing else. Nothing is built: `-o all` takes what there is."""
import os
import pathlib
import re
import subprocess
import tempfile
import zipfile

from lib import BUILD, DEADLINE_S, ROOT

MULTIARCH = ("PREFIX=/usr", "LIBDIR=/usr/lib/x86_64-linux-gnu")


def make(target, root, *variables, **more):
    # What the make that runs this test was told is not for this one.
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"}
    for name in ("PREFIX", "BINDIR", "SBINDIR", "LIBDIR", "INCLUDEDIR", "MANDIR", "DOCDIR", "EXAMPLEDIR", "VENDORDIR",
                 "PYTHON", "PYTHONDIR", "SOURCE_DATE_EPOCH", "UNITDIR", "SYSUSERSDIR", "CATALOGDIR", "BASHCOMPDIR"):
        env.pop(name, None)
    return subprocess.run(["make", "-C", ROOT, "-s", "-o", "all", target, f"BUILD={BUILD}", f"DESTDIR={root}", *variables],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=DEADLINE_S, check=True, text=True,
                          env=env | more).stdout


def files(root):
    """All below it that is no directory, with / for the root."""
    return {"/" + str(path.relative_to(root)) for path in pathlib.Path(root).rglob("*")
            if path.is_symlink() or not path.is_dir()}


def version():
    return re.search(r"^VERSION := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)[1]


def modules():
    """Files of the Python package."""
    folder = ROOT / "client-lib/python/lumaring"
    return {path.name for path in folder.iterdir() if path.suffix in (".py", ".typed")}


def python(*arguments, **env):
    """What the system's Python says, as a program that looks where it always does; in a directory without any."""
    done = subprocess.run(["/usr/bin/python3", *arguments], cwd="/", env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_comes_goes():
    for variables in ((), MULTIARCH):
        with tempfile.TemporaryDirectory() as root:
            make("install", root, *variables)
            there = files(root)
            assert len(there) > 20 and any(name.endswith("/lumaringd") for name in there), there
            make("uninstall", root, *variables)
            assert not files(root), files(root)
            # Nor are directories left that only lumaring has.
            named = [path for path in pathlib.Path(root).rglob("*") if "lumaring" in path.name]
            assert not named, named


def test_what_is_others_stays():
    with tempfile.TemporaryDirectory() as root:
        make("install", root)
        mine = pathlib.Path(root, "usr/local/lib/lumaring/mine.json")
        mine.write_text("{}", encoding="ascii")
        elsewhere = pathlib.Path(root, "usr/local/sbin/other")
        elsewhere.write_text("", encoding="ascii")
        make("uninstall", root)
        assert files(root) == {"/usr/local/lib/lumaring/mine.json", "/usr/local/sbin/other"}, files(root)
        # Once more does no harm.
        make("uninstall", root)


def test_where_things_are():
    with tempfile.TemporaryDirectory() as root:
        make("install", root, *MULTIARCH)
        there = files(root)
        library = "/usr/lib/x86_64-linux-gnu/"
        for name in ("/usr/sbin/lumaringd", "/usr/bin/lumaring", library + "liblumaring.so", library + "liblumaring.a",
                     library + "liblumaring.so.0", library + "pkgconfig/lumaring.pc", "/usr/include/lumaring/lumaring.h",
                     "/usr/lib/lumaring/lumaringd.json", "/usr/share/man/man8/lumaringd.8",
                     "/usr/lib/systemd/system/lumaringd@.service", "/usr/share/doc/lumaring/examples/first.c",
                     "/usr/share/bash-completion/completions/lumaring",
                     "/usr/share/bash-completion/completions/lumaringd"):
            assert name in there, (name, sorted(there))
        assert os.readlink(root + library + "liblumaring.so") == "liblumaring.so.0"
        assert os.access(root + "/usr/sbin/lumaringd", os.X_OK)
        # Each source of a unit has come, and no word that make was to fill in.
        sources = sorted(path.name[:-3] for path in (ROOT / "systemd").glob("*.in"))
        assert sources
        for name in sources:
            text = pathlib.Path(root, "usr/lib/systemd/system", name).read_text(encoding="utf-8")
            assert not re.search(r"@[A-Z]+@", text), (name, text)
        for name in (ROOT / "systemd").glob("*.sysusers"):
            assert f"/usr/lib/sysusers.d/{name.stem}.conf" in there, sorted(there)


def test_systemd_says_where():
    """And bash-completion. Debian 12 calls the prefix of units another name than that of the rest."""
    with tempfile.TemporaryDirectory() as root, tempfile.TemporaryDirectory() as described:
        pathlib.Path(described, "systemd.pc").write_text(
            "prefix=/nowhere\nrootprefix=/elsewhere\nsystemdsystemunitdir=${rootprefix}/own/units\n"
            "sysusersdir=${prefix}/own/users\ncatalogdir=${prefix}/own/catalog\n"
            "Name: systemd\nDescription: a test's\nVersion: 300\n", encoding="ascii")
        pathlib.Path(described, "bash-completion.pc").write_text(
            "prefix=/nowhere\ncompletionsdir=${prefix}/own/completions\n"
            "Name: bash-completion\nDescription: a test's\nVersion: 3\n", encoding="ascii")
        make("install", root, "PREFIX=/opt/lumaring", PKG_CONFIG_PATH=described)
        there = files(root)
        assert "/opt/lumaring/own/units/lumaringd@.service" in there, sorted(there)
        assert "/opt/lumaring/own/completions/lumaring" in there, sorted(there)
        make("uninstall", root, "PREFIX=/opt/lumaring", PKG_CONFIG_PATH=described)
        assert not files(root), files(root)


def test_python_looks_where_it_is():
    """Below /usr and /usr/local it is where the system's Python looks; elsewhere where it would with that prefix."""
    looks = python("-c", "import site; print(*site.getsitepackages())").split()
    for prefix in ("/usr", "/usr/local", "/opt/lumaring"):
        with tempfile.TemporaryDirectory() as root:
            make("install", root, f"PREFIX={prefix}")
            package, = {os.path.dirname(name) for name in files(root) if name.endswith("/lumaring/py.typed")}
            assert {name for name in os.listdir(root + package)} == modules(), package
            directory = os.path.dirname(package)
            assert directory.startswith(prefix + "/lib/") and (directory in looks) == (prefix != "/opt/lumaring"), directory
            # What pip and the like ask.
            said = python("-c", "from importlib.metadata import metadata as m; print(m('lumaring')['Version'])",
                          PYTHONPATH=root + directory)
            assert said.strip() == version(), said
            # Programs of root's leave what they compiled; that goes, too.
            os.mkdir(f"{root}{package}/__pycache__")
            pathlib.Path(f"{root}{package}/__pycache__/frame.cpython-311.pyc").write_bytes(b"")
            make("uninstall", root, f"PREFIX={prefix}")
            assert not files(root) and not os.path.exists(root + package), files(root)


def test_installed_at_once():
    """Without DESTDIR it is compiled, and where it is is told."""
    with tempfile.TemporaryDirectory() as prefix:
        variables = [f"PREFIX={prefix}", *(f"{name}={prefix}/{name.lower()}" for name in
                                           ("UNITDIR", "SYSUSERSDIR", "CATALOGDIR", "BASHCOMPDIR"))]
        said = make("install", "", *variables)
        directory = re.search(r"The Python package is in (\S+), where Python does not look: export PYTHONPATH=\1$", said,
                              re.M)[1]
        compiled = {name.split(".")[0] + ".py" for name in os.listdir(f"{directory}/lumaring/__pycache__")}
        assert compiled == modules() - {"py.typed"}, compiled
        make("uninstall", "", *variables)
        assert not files(prefix), files(prefix)


def test_wheel():
    """Built without a network, the same each time, of all modules and the library's version; it can be imported."""
    with tempfile.TemporaryDirectory() as build:
        wheel = pathlib.Path(build, f"lumaring-{version()}-py3-none-any.whl")
        for _ in range(2):
            make(wheel, "", f"BUILD={build}")
            content = wheel.read_bytes()
            wheel.unlink()
        make(wheel, "", f"BUILD={build}")
        assert wheel.read_bytes() == content
        with zipfile.ZipFile(wheel) as archive:
            names = {name.split("/", 1)[1] for name in archive.namelist() if name.startswith("lumaring/")}
            metadata = archive.read(f"lumaring-{version()}.dist-info/METADATA").decode()
            archive.extractall(build + "/there")
        assert names == modules(), names
        assert f"\nVersion: {version()}\n" in metadata, metadata
        said = python("-c", "import lumaring; print(lumaring.__version__, lumaring.__file__)", PYTHONPATH=build + "/there",
                      LUMARING_LIBRARY=str(BUILD / "liblumaring.so.0"))
        assert said.split() == [version(), build + "/there/lumaring/__init__.py"], said
