"""Lets dead letters run again, as a person would: `tally dlq replay --canary`."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Sequence
from pathlib import Path

from tallystick_local import tally_env
from tests.drill.evidence import Row

_TALLY = str(Path(sys.executable).with_name("tally"))
UNREADABLE = "schema"
"""What nobody can read is mended by no replay."""


async def replay(state: Path, dead: Sequence[Row]) -> list[str]:
    """Replays what can be; what the command said, if it did not end well, is the complaint."""
    reasons = sorted({row["reason"] for row in dead} - {UNREADABLE})
    return [said for reason in reasons if (said := await _replay(state, reason))]


async def _replay(state: Path, reason: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(_TALLY, "--config", str(state / tally_env.FILE)),
        *("dlq", "replay", "--canary", "--died-of", reason, "--reason", "the poison is gone"),
        stdout=PIPE,
        stderr=STDOUT,
    )
    said, _ = await process.communicate()
    return said.decode() if process.returncode else ""
