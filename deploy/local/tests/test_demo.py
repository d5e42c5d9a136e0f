"""The demo itself: every process, few orders."""

import re
import subprocess
import sys

import pytest


@pytest.mark.flow
def test_a_demo_accounts_for_every_order() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tallystick_local", "demo", "--orders", "30"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    assert re.fullmatch(
        r"demo: 30 placed, \d+ shipped, \d+ declined, \d+ cancelled, 0 unfinished, "
        r"p50 \d+ ms, p99 \d+ ms",
        last,
    )
    assert sum(int(figure) for figure in re.findall(r"(\d+) [sdc]\w+ed", last)) == 30
