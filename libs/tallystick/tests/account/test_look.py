"""What a look asks, and what it makes of the answers."""

from __future__ import annotations

from uuid import UUID

import pytest

from libs.tallystick.tests.account.simulation import PERIOD, TYPES, A, B, T, World
from tallystick._account.coverage import Since
from tallystick._account.fates import DurableState
from tallystick._account.look import look as look_once
from tallystick._account.memory import Memory
from tallystick._account.reader import Reader
from tallystick._account.report import Report, overview
from tallystick._account.steps import AskIds, AskRepublish, ReadPlaces
from tallystick._messages.ids import made_at

HOURS = 3 * 3_600_000


@pytest.fixture
def world() -> World:
    """Two published messages in a period that is over."""
    world = World()
    for name in TYPES:
        world.commit(world.begin(name))
    world.now += 12_000
    publish(world)
    return world


def publish(world: World) -> None:
    for message_id in world.unsent():
        world.publish(message_id)


def receive(world: World) -> None:
    for place in world.deliverable():
        world.deliver(place)
    while world.hand:
        world.receive(0)
        world.acknowledge(0)


def look(world: World, after: int = 3 * T) -> Report:
    """Look once, some time later."""
    world.now += after
    world.look(world.replicas[0])
    report = world.replicas[0].report
    assert report is not None
    return report


def looks(world: World, after: int = 3 * T) -> Report:
    """Look three times: a period is compared, marked, and closed."""
    look(world, after)
    look(world, after)
    return look(world, after)


def row(world: World, report: Report) -> tuple[int, int, int, int, int, tuple[UUID, ...]]:
    shown = overview("shop", "mail-sold", report)
    counts = (shown.published, shown.received, shown.on_its_way, shown.unsent, shown.missing)
    return (*counts, tuple(sorted(world.inbox.unknown)))


def test_equal_sums_are_settled_and_nothing_else_is_asked(world: World) -> None:
    receive(world)
    report = look(world)
    assert AskIds.__name__ not in world.questions
    assert row(world, report) == (2, 2, 0, 0, 0, ())


def test_a_period_is_settled_for_good_once_it_is_closed(world: World) -> None:
    receive(world)
    assert look(world).settled_until == world.source().kept_from
    report = looks(world, 75_000)
    assert report.settled_until > world.source().kept_from


def test_a_hanging_transaction_keeps_its_period_open(world: World) -> None:
    late = world.begin(A)
    receive(world)
    report = looks(world, 75_000)
    begun = late.int >> 80
    assert report.settled_until <= begun
    world.commit(late)
    publish(world)
    receive(world)
    report = looks(world, 75_000)
    assert report.settled_until > begun
    assert row(world, report)[:2] == (3, 3)


def test_what_is_on_its_way_is_not_lost(world: World) -> None:
    report = looks(world)
    assert row(world, report) == (2, 0, 2, 0, 0, ())
    assert AskRepublish.__name__ not in world.questions
    assert ReadPlaces.__name__ not in world.questions


def test_a_message_that_cannot_be_sent_holds_up_no_other(world: World) -> None:
    world.unsendable.add(world.begin(A))
    world.commit(next(iter(world.unsendable)))
    world.wipe(world.backup())
    look(world, 12_000)
    assert look(world).republished == 2
    publish(world)
    receive(world)
    assert row(world, look(world, 12_000)) == (3, 2, 0, 1, 0, ())


def test_what_is_lost_is_republished_when_it_is_seen_twice(world: World) -> None:
    world.wipe(world.backup())
    first, second = look(world), look(world)
    assert (first.republished, second.republished) == (0, 2)
    assert row(world, first)[4] == 2
    publish(world)
    receive(world)
    assert row(world, look(world, 12_000)) == (2, 2, 0, 0, 0, ())


def test_what_an_older_store_lacks_is_republished_while_the_durable_is_never_idle(
    world: World,
) -> None:
    """Its sequences begin below those that the source knows, and are used again."""
    for _ in range(3):
        world.commit(world.begin(A))
        publish(world)
    receive(world)
    for _ in range(2):
        world.commit(world.begin(B))
        publish(world)
    world.wipe_with_clock_back(world.backup())
    for expected in (0, 2):
        world.now += PERIOD
        world.commit(world.begin(A))
        (new,) = world.unsent()
        world.publish(new)
        world.deliver(world.deliverable()[-1])
        assert look(world).republished == expected


def test_without_faults_a_look_asks_the_source_once(world: World) -> None:
    receive(world)
    for _ in range(20):
        look(world, 10_000)
    assert world.questions["AskSums"] <= 20 + len(range(0, 200_000, 60_000)) * 2
    assert AskIds.__name__ not in world.questions


def test_a_period_that_is_just_over_is_not_compared_while_its_messages_are_in_hand(
    world: World,
) -> None:
    receive(world)
    look(world)
    late = world.begin(A)
    world.commit(late)
    publish(world)
    world.now += PERIOD - (world.now - made_at(late)) - made_at(late) % PERIOD
    assert row(world, look(world, T - 1)) == (3, 2, 1, 0, 0, ())
    assert AskIds.__name__ not in world.questions
    look(world, 1)
    assert world.questions[AskIds.__name__] == 1


def test_what_a_durable_has_not_come_to_is_not_compared_period_by_period(world: World) -> None:
    for _ in range(5):
        world.now += PERIOD
        world.commit(world.begin(A))
        publish(world)
    assert row(world, look(world, 2 * PERIOD)) == (7, 0, 7, 0, 0, ())
    assert world.questions[AskIds.__name__] == 1


def test_unknown_messages_are_named_and_settle_once_they_are_accepted(world: World) -> None:
    receive(world)
    unknown = next(iter(world.outbox.rows))
    del world.outbox.rows[unknown]
    assert row(world, look(world))[5] == (unknown,)
    world.accepted = frozenset({unknown})
    assert row(world, look(world, 12_000)) == (1, 1, 0, 0, 0, ())


def test_a_reader_set_back_gets_what_it_forgot_after_it_was_folded(world: World) -> None:
    before = world.backup()
    receive(world)
    looks(world, 75_000)
    look(world, HOURS)
    world.set_back_reader(before)
    world.recreate_durable(before)
    world.wipe(before)
    for _ in range(4):
        look(world, 75_000)
        publish(world)
        receive(world)
    report = look(world, 75_000)
    assert not world.missing()
    assert report.settled_until > world.source().kept_from


def test_a_source_set_back_is_noticed_within_folded_hours(world: World) -> None:
    before = world.backup()
    world.now += 30_000
    forgotten = world.begin(B)
    world.commit(forgotten)
    publish(world)
    receive(world)
    looks(world, 75_000)
    look(world, HOURS)
    world.set_back_source(before)
    look(world, 75_000)
    assert row(world, look(world, 75_000))[5] == (forgotten,)


def test_a_durable_that_reads_something_else_proves_nothing(world: World) -> None:
    world.filter = frozenset({A})
    report = look(world)
    assert report.waits_for == "the durable mail-sold does not read what is declared"
    assert "AskSums" not in world.questions


def test_both_sides_agree_once_all_of_a_period_is_received_long_before_it_is_closed(
    world: World,
) -> None:
    """`accounted` waits for it, and not for a minute."""
    receive(world)
    report = look(world)
    assert report.agrees_until > world.now - 2 * PERIOD
    assert report.settled_until < report.agrees_until


@pytest.mark.parametrize("unsendable", [True, False])
def test_they_agree_until_the_first_message_that_is_not_received(
    world: World, unsendable: bool
) -> None:
    receive(world)
    world.now += PERIOD
    late = world.begin(A)
    world.commit(late)
    world.unsendable |= {late} if unsendable else set()
    publish(world)
    for _ in range(3):  # also while the period waits for its next comparison
        world.now += PERIOD
        report = look(world, after=1)
        assert made_at(late) - PERIOD < report.agrees_until <= made_at(late)


def test_they_agree_no_more_about_a_period_to_which_a_message_is_added(world: World) -> None:
    """It was settled while it was open; the source says more of it now."""
    late = world.begin(A)  # in a transaction that goes on
    receive(world)
    world.now += PERIOD
    assert look(world).agrees_until > made_at(late)
    world.commit(late)
    assert look(world).agrees_until <= made_at(late)
    publish(world)
    receive(world)
    assert look(world).agrees_until > made_at(late)


def test_a_source_that_does_not_answer_keeps_the_period_that_it_had() -> None:
    """Otherwise the next look, which it answers, could not judge anything either."""
    reader = Reader("shop", "books", {A: Since()}, period=1_000)
    looking = look_once(reader, Memory(), now=HOURS, declared=[])
    next(looking)
    looking.send(DurableState(frozenset({A}), 0, 0, 0, 0))
    looking.send({})
    with pytest.raises(StopIteration) as end:
        looking.send(None)
    report = end.value.value
    assert (report.waits_for, report.period) == ("shop does not answer", 1_000)
