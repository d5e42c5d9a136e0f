"""A little chaos on the platform that is installed in the current cluster."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.release import NAMESPACE, RELEASE

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.cluster


@pytest.mark.timeout(600)
def test_no_order_is_lost_and_nothing_doubled_though_pods_are_deleted(tmp_path: Path) -> None:
    where = [f"--namespace={NAMESPACE}", f"--release={RELEASE}"]
    command = [sys.executable, "-m", "tests.chaos", "--orders=200", "--pod-kills=7", *where]
    done = subprocess.run(
        [*command, f"--out={tmp_path}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("chaos: PASS 200 orders, 7 faults")
