"""What the exhaustive model says of the account's rule, and that it would notice a wrong one."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import pytest

from libs.tallystick.tests.account.model.exploring import Explored, explore
from libs.tallystick.tests.account.model.faults import FAULTS
from libs.tallystick.tests.account.model.state import Bounds
from tallystick._account import fates
from tallystick._account.fates import Evidence, Fate
from tallystick._account.protocol import Published

NOTHING_FAILS = {"published again needlessly": 0, "settled and lost": 0, "no way out": 0}
right = fates.fate


def failures(found: Explored) -> dict[str, int]:
    return {claim: len(states) for claim, states in found.failed().items()}


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_lost_or_said_again_needlessly(fault: str) -> None:
    assert failures(explore(Bounds((fault,), places=3))) == NOTHING_FAILS


def test_a_message_that_is_never_stored_holds_up_no_other() -> None:
    assert failures(explore(Bounds(("wiped",), places=3, stuck=True))) == NOTHING_FAILS


def test_nothing_is_said_again_without_a_fault() -> None:
    origins = filter(None, explore(Bounds((), places=3)).came_from.values())
    assert not [step for _, step in origins if step.startswith("republish")]


def unsent_is_lost(said: Published, received: Collection[UUID], evidence: Evidence) -> Fate:
    found = right(said, received, evidence)
    return Fate.LOST if found is Fate.UNSENT else found


def absent_is_received(said: Published, received: Collection[UUID], evidence: Evidence) -> Fate:
    found = right(said, received, evidence)
    return Fate.RECEIVED if found is Fate.LOST else found


def the_floor_proves_nothing(
    said: Published, received: Collection[UUID], evidence: Evidence
) -> Fate:
    if said.place is not None and evidence.durable.floor >= said.place and said.id not in received:
        return Fate.ON_ITS_WAY
    return right(said, received, evidence)


def all_that_is_on_its_way_is_lost(
    said: Published, received: Collection[UUID], evidence: Evidence
) -> Fate:
    found = right(said, received, evidence)
    return Fate.LOST if found is Fate.ON_ITS_WAY else found


@pytest.mark.parametrize(
    ("rule", "fault", "claim", "places"),
    [
        (unsent_is_lost, "reader", "published again needlessly", 2),
        (absent_is_received, "wiped", "settled and lost", 2),
        (the_floor_proves_nothing, "reader", "no way out", 3),
        (all_that_is_on_its_way_is_lost, "reader", "published again needlessly", 2),
    ],
)
def test_a_wrong_rule_is_noticed(
    rule: object, fault: str, claim: str, places: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fates, "fate", rule)
    assert failures(explore(Bounds((fault,), places=places)))[claim]
