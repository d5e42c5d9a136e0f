"""The machine finds what it is there to find: each rule that is left out is noticed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from libs.tallystick.tests.account import simulation
from libs.tallystick.tests.account.machine import Account
from tallystick._account import fates, reader, republishing, settled
from tallystick._account.fates import Evidence, Fate
from tallystick._account.findings import Finding
from tallystick._account.memory import Memory
from tallystick._account.protocol import Published
from tallystick._account.settled import SettledSpans
from tallystick._account.steps import Settlement

Patch = Callable[[pytest.MonkeyPatch], None]
fate, note = fates.fate, Finding.note


def no_compare_and_set(patch: pytest.MonkeyPatch) -> None:
    """The source publishes again whatever it has published before."""

    patch.setattr(republishing, "may_republish", lambda row, *_: row.place is not None)


def settled_once_and_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SettledSpans, "is_due", lambda self, span, *_, **__: self.of(span) is None)


def unsent_is_lost(patch: pytest.MonkeyPatch) -> None:
    """Neither the reader nor the source knows better."""

    def wrong(finding: Finding, found: Sequence[tuple[Published, Fate]]) -> None:
        note(finding, [(each, Fate.LOST if its is Fate.UNSENT else its) for each, its in found])

    patch.setattr(Finding, "note", wrong)
    patch.setattr(republishing, "may_republish", lambda row, seen, *_: row.republication == seen)


def any_filter_will_do(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reader, "judgeable", lambda _, durable, *__: durable)


def lost_at_first_sight(patch: pytest.MonkeyPatch) -> None:
    """One answer of a broker is enough, however lately the message was published."""
    patch.setattr(Memory, "confirmed", lambda _, __, finding, ___: finding.lost)
    patch.setattr(republishing, "wait", lambda *_: 0)


def the_inbox_is_read_once(patch: pytest.MonkeyPatch) -> None:
    """What was received since the first read is lost, if it is seen once only."""
    lost_at_first_sight(patch)

    def wrong(said: Published, received: set[UUID], evidence: Evidence) -> Fate:
        return fate(said, set(), evidence)

    patch.setattr(fates, "fate", wrong)


def settling_does_not_compare(patch: pytest.MonkeyPatch) -> None:
    def settle(world: simulation.World, one: Settlement) -> bool:
        world.inbox.settled[one.span] = one.settled
        return True

    patch.setattr(simulation.World, "settle_one", settle)


def late_messages_are_no_matter(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(settled, "reopens", lambda *_: False)


SABOTAGES: list[Patch] = [
    no_compare_and_set,
    settled_once_and_for_ever,
    any_filter_will_do,
    lost_at_first_sight,
    the_inbox_is_read_once,
    settling_does_not_compare,
    late_messages_are_no_matter,
]

WITHOUT_SHRINKING = settings(
    max_examples=1_500,  # most are found among the first hundred, and that ends the run
    stateful_step_count=15,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


class Lossless(Account):
    """Nothing is lost, neither by the broker nor by a database."""

    loses = False


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda each: each.__name__)
def test_the_machine_finds(sabotage: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    sabotage(monkeypatch)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Account, settings=WITHOUT_SHRINKING)


def test_the_machine_finds_unsent_taken_for_lost_though_nothing_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unsent_is_lost(monkeypatch)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Lossless, settings=WITHOUT_SHRINKING)
