# SPDX-License-Identifier: BSD-2-Clause
"""The clients that check the picture of a test camera (tests/tools/verify.c): they pass what is right and find what is
not, in the whole image and in regions of it."""
import json
import subprocess

from lib import BUILD, Daemon

WIDTH, HEIGHT = 64, 32


def ramp(number):
    """Frame `number` of tests/vm/fakeuvc, its luma."""
    picture = bytearray((x + y + number) & 255 for y in range(HEIGHT) for x in range(WIDTH))
    picture[:8] = picture[-8:] = number.to_bytes(8, "little")
    return picture


def verify(pictures, mode, *streams):
    """What the clients say of footage with these pictures: exit code and result."""
    with open("footage", "wb") as file:
        file.write(b"".join(pictures))
    options = ["--source", "raw:footage", "--size", f"{WIDTH}x{HEIGHT}", "--pixel-format", "R8", "--framerate", "100"]
    options += ["--loop", "--stream", "main", "--stream", "part=5,1,37,29", "--stream", "corner=56,20,8,12"]
    with Daemon(*options) as daemon:
        daemon.wait_ready()
        run = subprocess.run([BUILD / "tests" / "verify", mode, daemon.runtime_dir, daemon.camera, *streams, "--clients",
                              "4", "--count", "30"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
    return run.returncode, json.loads(run.stdout.splitlines()[-1])


def test_right_pictures_pass():
    for streams in ["main"], ["part"], ["corner"], ["main", "part"]:
        code, result = verify([ramp(n) for n in (0, 1, 255, 256, 2**40 + 7)], "ramp", *streams)
        assert code == 0 and not result["bad"] and result["fewest"] == 30, (streams, result)


def test_a_wrong_pixel_is_found():
    """Also beside the numbers, and at the edges of a region."""
    for x, y, stream, at in ((9, 0, "main", "9,0"), (0, 1, "main", "0,1"), (55, 31, "main", "55,31"),
                             (41, 29, "part", "36,28"), (5, 1, "part", "0,0"), (56, 20, "corner", "0,0")):
        picture = ramp(77)
        picture[y * WIDTH + x] ^= 4
        code, result = verify([ramp(76), picture], "ramp", stream)
        assert code == 1 and result["bad"] and (at == "0,0" or f", at {at}: a pixel" in result["fault"]), (x, y, result)


def test_a_pixel_outside_of_the_region_is_not():
    picture = ramp(77)
    picture[3 * WIDTH + 4] ^= 4
    code, result = verify([ramp(76), picture], "ramp", "part")
    assert code == 0 and not result["bad"], result


def test_two_halves_are_found():
    """Halves of frames that are 256 apart have the same pixels; only the marks tell."""
    half = WIDTH * HEIGHT // 2
    code, result = verify([ramp(3), ramp(4)[:half] + ramp(260)[half:]], "ramp", "main")
    assert code == 1 and "begins as one frame" in result["fault"], result


def test_a_wrong_number_is_found():
    picture = ramp(5)
    picture[:8] = picture[-8:] = (6).to_bytes(8, "little")
    code, result = verify([ramp(4), picture], "ramp", "main")
    assert code == 1 and "its number" in result["fault"], result


def test_bars_and_lines():
    bars = bytes(x * 3 & 255 for y in range(HEIGHT) for x in range(WIDTH))
    lines = bytes(x * x + 2 * x * y + y * y & 255 for y in range(HEIGHT) for x in range(WIDTH))
    for picture, mode in (bars, "bars"), (lines, "lines"):
        code, result = verify([picture], mode, "main", "part")
        assert code == 0 and result["verified"] == 120, result
        wrong = bytearray(picture)
        wrong[17 * WIDTH + 20] ^= 1
        code, result = verify([wrong], mode, "part")
        assert code == 1 and result["bad"], result


def synthetic(*options, streams=("main",)):
    with Daemon("--source", "synthetic", "--size", f"{WIDTH}x{HEIGHT}", "--framerate", "100", *options) as daemon:
        daemon.wait_ready()
        run = subprocess.run([BUILD / "tests" / "verify", "synthetic", daemon.runtime_dir, daemon.camera, *streams,
                              "--clients", "4", "--count", "30"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             check=False)
    return run.returncode, json.loads(run.stdout.splitlines()[-1])


def test_synthetic():
    code, result = synthetic("--stream", "main", "--stream", "part=5,1,37,29", streams=("main", "part"))
    assert code == 0 and result["fewest"] == 30 and result["regions"] >= 60 and not result["bad"], result
    code, result = synthetic("--stream", "main,bin=2")
    assert code == 1 and "not as the source made it" in result["fault"], result
    code, result = verify([ramp(7)], "synthetic", "part")
    assert code == 1 and result["bad"] and ", at 0,0: a byte differs" in result["fault"], result


def test_streams_are_compared():
    code, result = verify([ramp(n) for n in range(8)], "same", "main", "part")
    assert code == 0 and result["verified"] >= 120 and not result["bad"] and result["regions"] >= 120, result
