"""Reconciling the broker, and keeping a round from beginning."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tallystick.testing import eventually
from tallystick_local import topology
from tallystick_local.settings import Settings


async def test_a_round_begins_only_with_the_turn(
    nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn, with_turn = asyncio.Lock(), list[bool]()

    async def reconcile(*_: Any) -> list[Any]:
        with_turn.append(turn.locked())
        return []

    monkeypatch.setattr(topology, "reconcile", reconcile)
    monkeypatch.setattr(topology, "EVERY", 0.01)
    async with topology.reconciled(nats_url, Settings(state=tmp_path), lambda *_: None, turn):
        await eventually(lambda: len(with_turn) > 3)
    at_start, *rounds = with_turn
    assert not at_start
    assert all(rounds)
