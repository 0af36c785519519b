# SPDX-License-Identifier: BSD-2-Clause
"""What the Python package has of the C headers is what a C compiler makes of them: sizes, offsets, numbers, prototypes."""
import ctypes
import enum
import os
import re
import subprocess
import sys

from lumaring import _library

from lib import ROOT

HEADERS = [ROOT / "include" / "lumaring" / name for name in ("lumaring.h", "control.h")]
STRUCTS = [kind for kind in vars(_library).values()
           if isinstance(kind, type) and issubclass(kind, ctypes.Structure) and kind is not ctypes.Structure]
ENUMS = {_library.Event: "EVENT", _library.Missed: "MISSED", _library.RingState: "RING", _library.LumaRange: "RANGE",
         _library.Clock: "CLOCK"}


def probe(expressions):
    """The values of these C expressions, as integers."""
    lines = "\n".join(f'printf("%lld\\n", (long long)({text}));' for text in expressions)
    with open("probe.c", "w", encoding="ascii") as file:
        file.write("#include <lumaring/control.h>\n#include <lumaring/layout.h>\n#include <stdio.h>\n"
                   f"int main(void)\n{{\n{lines}\nreturn 0;\n}}\n")
    subprocess.run([os.environ.get("CC", "gcc"), "-std=c11", "-w", f"-I{ROOT}/include", "-o", "probe", "probe.c"],
                   check=True)
    out = subprocess.run(["./probe"], stdout=subprocess.PIPE, check=True).stdout
    return [int(line) for line in out.split()]


def compare(expected):
    """{C expression: what the package has}"""
    for (text, mine), theirs in zip(expected.items(), probe(expected)):
        assert mine == theirs, f"{text}: the package has {mine}, the headers {theirs}"


def code():
    """The headers without comments, their lines joined."""
    text = "".join(path.read_text(encoding="ascii") for path in HEADERS).replace("\\\n", " ")
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def test_structs():
    expected = {}
    for kind in STRUCTS:
        name = f"struct {kind.__name__}"
        expected[f"sizeof({name})"] = ctypes.sizeof(kind)
        for field, of in kind._fields_:
            place = f"(({name} *)0)->{field}"
            expected[f"offsetof({name}, {field})"] = getattr(kind, field).offset
            expected[f"sizeof({place})"] = ctypes.sizeof(of)
            # 1 for a signed integer, 0 for an unsigned one; a pointer's, an array's or a struct's is not asked for.
            if of in (ctypes.c_uint32, ctypes.c_int32, ctypes.c_uint64, ctypes.c_int64):
                expected[f"(__typeof__({place}))-1 < 0"] = int(of(-1).value < 0)
    compare(expected)
    # Each has all fields of the header, in its order.
    for name, body in re.findall(r"struct (lumaring_\w+) \{(.*?)\}", code(), re.S):
        fields = re.findall(r"(\w+)(?:\[\w+\])?\s*[,;]", body)
        assert [field for field, _ in getattr(_library, name)._fields_] == fields, (name, fields)
    assert {kind.__name__ for kind in STRUCTS} == set(re.findall(r"struct (lumaring_\w+) \{", code()))


def test_numbers():
    expected = {f"LUMARING_{prefix}_{member.name}": member.value for kind, prefix in ENUMS.items() for member in kind}
    for name in ("COPY", "PRIVATE", "OLDEST", "FUTEX", "FORMAT_R8", "FORMAT_R16", "MISSED_CAUSES", "DRY_RUN", "STRICT",
                 "FORCE", "KEEP"):
        expected[f"LUMARING_{name}"] = getattr(_library, name)
    for part, mine in zip(("MAJOR", "MINOR", "PATCH"), _library.VERSION_MIN):
        expected[f"LUMARING_VERSION_{part}"] = mine
    compare(expected)
    # None of the two headers is left out, and no member of an enum of layout.h that is taken from there.
    layout = (HEADERS[0].parent / "layout.h").read_text(encoding="ascii")
    theirs = set(re.findall(r"^\t(LUMARING_\w+) = ", code(), re.M))
    theirs |= set(re.findall(r"^#define (LUMARING_\w+) (?!\{| *\{)\S", code(), re.M))
    theirs |= set(re.findall(r"^\t(LUMARING_(?:RING|RANGE|CLOCK)_\w+) = ", layout, re.M))
    assert theirs - set(expected) == set(), theirs - set(expected)
    assert all(issubclass(kind, enum.IntEnum) for kind in ENUMS)


def test_defaults():
    """A struct as it is made here is what the macro of C makes."""
    for kind in (_library.lumaring_options, _library.lumaring_stream, _library.lumaring_configuration,
                 _library.lumaring_controls):
        name = kind.__name__
        data = bytes(kind())
        made = f"(const unsigned char *)&(const struct {name}){name.upper()}_INIT"
        compare({f"({made})[{at}]": byte for at, byte in enumerate(data)})


def kind_of(parameter):
    """What an argument or a result is to the machine: how wide, and whether signed."""
    if "*" in parameter:
        return "pointer"
    words = set(re.sub(r"\bconst\b", "", parameter).split())
    for word, kind in (("void", None), ("uint64_t", "u64"), ("uint32_t", "u32"), ("unsigned", "u32"), ("int", "i32")):
        if word in words:
            return kind
    raise AssertionError(f"cannot tell what {parameter!r} is")


def kind_of_ctype(of):
    names = {None: None, ctypes.c_uint64: "u64", ctypes.c_uint32: "u32", ctypes.c_int: "i32"}
    return names[of] if of in names else "pointer"


def test_prototypes():
    declared = re.findall(r"^([a-z][\w ]*?[ *]+)(lumaring_\w+)\(([^)]*)\);", code(), re.M)
    assert {name for _, name, _ in declared} == set(_library.PROTOTYPES)
    for result, name, parameters in declared:
        theirs = [kind_of(p) for p in parameters.split(",")] if parameters != "void" else []
        my_result, mine = _library.PROTOTYPES[name]
        assert [kind_of_ctype(of) for of in mine] == theirs, f"{name}({parameters})"
        assert kind_of_ctype(my_result) == kind_of(result), f"{result} {name}"
    assert _library.load().lumaring_version().decode() == ".".join(map(str, _library.VERSION_MIN))


def test_time_limits():
    """Seconds become the library's milliseconds: never shorter than asked for, and never 0 for what is not."""
    for seconds, ms in ((None, -1), (0, 0), (1e-9, 1), (0.001, 1), (0.0011, 2), (2, 2000), (1e30, 0x7fffffff),
                        (float("inf"), 0x7fffffff)):
        assert _library.to_ms(seconds) == ms, (seconds, _library.to_ms(seconds))
    for wrong in (-0.1, float("nan")):
        try:
            _library.to_ms(wrong)
        except ValueError as why:
            assert "timeout" in str(why)
        else:
            raise AssertionError(f"{wrong} s was taken")
    for wrong in ("1", b"1", [1]):
        try:
            _library.to_ms(wrong)
        except TypeError as why:
            assert "timeout" in str(why)
        else:
            raise AssertionError(f"{wrong!r} was taken")


def test_no_library():
    """Where the library is missing, or is another one, a sentence says so."""
    for path, word in (("/nowhere/liblumaring.so.0", "LUMARING_LIBRARY"), ("libc.so.6", "older than this package")):
        script = "import lumaring._library as l\ntry: l.load()\nexcept l.errors.LibraryError as e: print(e)"
        out = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True, encoding="utf-8",
                             env=dict(os.environ, LUMARING_LIBRARY=path)).stdout
        assert word in out and out.count("\n") == 1, out
