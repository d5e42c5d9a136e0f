"""Drills themselves: a small one, one on a platform that is broken on purpose, and the failpoints.

`make drill` does the large ones; all sabotages, each for another seed, are in `make test-all`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.drill.run import BREAKS

ROOT = Path(__file__).parents[2]
SMALL = (
    *("service", "broker", "database", "pool", "clock"),
    *("connection", "outsider", "messages", "stream"),
)
OF_THE_ACCOUNT = {
    "no-compare-and-set": 8,
    "settled-once": 7,
    "unsent-lost": 8,
    "unchecked-filter": 8,
}
"""The sabotages of the account, and the invariant that names each."""
pytestmark = pytest.mark.drill


def drill(out: Path, *options: str) -> tuple[int, str, dict[str, Any]]:
    """The exit code, what was printed, and the document."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.drill", "--out", str(out), *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    document = out / "drill.json"
    assert document.exists(), done.stdout + done.stderr
    return done.returncode, done.stdout, json.loads(document.read_bytes())


def kinds(*prefixes: str) -> list[str]:
    return [part for prefix in prefixes for part in ("--kind", prefix)]


@pytest.mark.timeout(240)
def test_a_small_drill_passes_and_tells_what_happened(tmp_path: Path) -> None:
    code, said, found = drill(tmp_path, "--orders=120", "--faults=8", *kinds(*SMALL))
    assert code == 0, said
    assert said.splitlines()[-1].startswith("drill: PASS 120 orders, 8 faults of 8 kinds")
    assert found["counts"]["accepted"] == 120
    assert found["counts"]["lost"] == found["counts"]["doubled"] == 0
    assert ET.parse(tmp_path / "junit.xml").getroot().get("failures") == "0"
    assert "<svg" in (tmp_path / "index.html").read_text()


@pytest.mark.timeout(240)
def test_a_payment_under_a_fresh_key_is_found_out(tmp_path: Path) -> None:
    is_found_out(tmp_path, "fresh-payment-key", 1, invariant=3)


@pytest.mark.siege
@pytest.mark.timeout(240)
@pytest.mark.parametrize("sabotage", sorted(set(BREAKS) - {"fresh-payment-key"}))
def test_every_sabotage_is_found_out(tmp_path: Path, sabotage: str) -> None:
    is_found_out(tmp_path, sabotage, 2, OF_THE_ACCOUNT.get(sabotage))


@pytest.mark.siege
@pytest.mark.timeout(240)
@pytest.mark.parametrize("sabotage", OF_THE_ACCOUNT)
def test_what_provokes_a_sabotage_hurts_nothing_that_is_not_broken(
    tmp_path: Path, sabotage: str
) -> None:
    code, said, _ = drill(tmp_path, f"--break={sabotage}", "--unbroken", "--seed=2")
    assert code == 0, said


def is_found_out(out: Path, sabotage: str, seed: int, invariant: int | None = None) -> None:
    code, said, found = drill(out, f"--break={sabotage}", f"--seed={seed}")
    assert code == 1
    assert said.splitlines()[-1].startswith("drill: FAIL invariants ")
    violations = found["violations"]
    assert any(invariant in (None, each["invariant"]) and each["orders"] for each in violations)
    assert any(found["stories"].values())


@pytest.mark.siege
@pytest.mark.timeout(300)
def test_everything_ends_though_every_failpoint_kills_twice(tmp_path: Path) -> None:
    code, said, found = drill(tmp_path, "--failpoints", "--orders=300")
    assert code == 0, said
    assert found["troubles"] == []
