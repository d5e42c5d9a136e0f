"""A whole run, as small as can be: the figures mean nothing, but every message is accounted for."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tallystick.testing import bound_to_us
from tests.bench.report import read
from tests.bench.taking_part import ROOT

pytestmark = pytest.mark.timeout(600)  # eight processes begin; on a busy machine that takes long


async def ran(tmp_path: Path, *contests: str) -> dict[str, str]:
    """Run these contests; return their rows and what is void of each."""
    found = tmp_path / "results.json"
    results = ["--results", str(found)]
    only = [part for name in contests for part in ("--only", name)]
    process = await asyncio.create_subprocess_exec(
        *bound_to_us([sys.executable, "-m", "tests.bench", "--size", "tiny", *results, *only]),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    said, errors = await process.communicate()
    assert process.returncode == 0, (said + errors).decode()
    report = read(found)
    assert all(row.row in said.decode() for row in report.rows)
    assert report.versions["nats-py"]
    return {row.row: row.void for row in report.rows if row.peer_name}


async def test_we_publish_and_answer_beside_our_peers(tmp_path: Path) -> None:
    found = await ran(tmp_path, "publish", "order-api")
    assert found == dict.fromkeys(["publish", "publish, no fsync", "order API"], "")


@pytest.mark.peers
async def test_we_read_beside_our_peers(tmp_path: Path) -> None:
    found = await ran(tmp_path, "consume", "durable")
    assert {"consume", "consume, backlog", "durable", "array write"} <= found.keys()
    assert not any(found.values())
