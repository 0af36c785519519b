# SPDX-License-Identifier: BSD-2-Clause
"""`make demo`, which new users begin with: tests/demo from its first line to its last, without what builds it."""
import os
import subprocess

from lib import BUILD, DEADLINE_S, ROOT


def test_demo():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DEMO_")}
    done = subprocess.run([ROOT / "tests/demo"], env=dict(environment, BUILD=str(BUILD), DEMO_SECONDS="2"),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=DEADLINE_S, check=False)
    text = done.stdout.decode(errors="replace")
    assert done.returncode == 0, text
    accounts = [line for line in text.splitlines() if line.startswith("The daemon on its own account")]
    assert len(accounts) == 1 and " published" in accounts[0], text
    assert "Size: changed to 1280x720 while they read" in text, text
    assert "All accounts add up" in text and os.path.getsize(BUILD / "demo.png") > 0, text
