# SPDX-License-Identifier: BSD-2-Clause
"""What `make bench` runs: nothing is measured here, only that a wrong wish is told, with all that may be wished for."""
import os
import re
import subprocess

from lib import BUILD, DEADLINE_S, ROOT


def test_unknown_section():
    program = ROOT / "tests" / "bench"
    done = subprocess.run([program], env=dict(os.environ, BUILD=str(BUILD), BENCH_SECTIONS="python nope"),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    documented = re.search(r'BENCH_SECTIONS="(.*?)"', program.read_text(encoding="utf-8"))[1]
    assert f'there is no section "nope"; there are: {documented}\n' in done.stderr, done
    assert done.returncode == 2, done
