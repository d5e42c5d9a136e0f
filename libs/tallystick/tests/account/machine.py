"""Random events in any order, in one world; afterwards everything published is received."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from libs.tallystick.tests.account.simulation import TYPES, T, World
from tallystick._account.steps import AskRepublish, FindReceived, ReadDurable, Settle, Step

QUESTIONS: list[type[Step[Any]] | None] = [None, FindReceived, ReadDurable, Settle]
STEPS = (T // 2, 3 * T, 12_000, 75_000)  # milliseconds that pass
MESSAGES = 6
FAULTS = 4
Race = tuple[type[Step[Any]] | None, str]
RACES: tuple[Race, ...] = (
    (None, "nothing"),
    (AskRepublish, "the other heals"),
    (AskRepublish, "fault"),
    (FindReceived, "received"),
    (ReadDurable, "received"),
    (Settle, "the reader is set back"),
)
STATES = ("inserted", "published", "received", "lost", "forgotten")
Loss = Callable[[World, Mapping[str, Any]], None]
LOSSES: tuple[Loss, ...] = (
    World.wipe,
    World.wipe_with_clock_back,
    World.recreate_durable,
    World.restore_store,
    World.set_back_source,
    World.set_back_reader,
)
RARELY = st.sampled_from((False, False, False, True))
MOSTLY = st.sampled_from((True, True, True, False))


class Account(RuleBasedStateMachine):
    """One source of two types, one durable, two replicas that look."""

    loses = True
    """Whether the broker and the databases lose anything."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.backup: Mapping[str, Any] = self.world.backup()

    # What goes on all the time.

    @initialize(state=st.sampled_from(STATES), backed_up=st.booleans())
    def start(self, state: str, backed_up: bool) -> None:
        """A message of each type in a period that is over; they may be in the backup as well."""
        for name in TYPES:
            self.insert(name, hangs=False, is_stuck=False)
        self.world.now += 12_000
        if state != "inserted":
            self.publish(all_of_them=True, marked=True)
        if state == "received":
            self.receive_all()
        if backed_up:
            self.back_up()
        if state == "lost" and self.loses:
            self.fail(World.wipe)
        if state == "forgotten" and self.loses:
            self.fail(World.set_back_source)

    @precondition(lambda self: len(self.world.types) < MESSAGES)
    @rule(name=st.sampled_from(sorted(TYPES)), hangs=RARELY, is_stuck=RARELY)
    def insert(self, name: str, hangs: bool, is_stuck: bool) -> None:
        """A unit inserts a message; its commit may come much later, or nobody may take it."""
        message_id = self.world.begin(name)
        if is_stuck:
            self.world.unsendable.add(message_id)
        if not hangs:
            self.world.commit(message_id)

    @precondition(lambda self: self.world.open)
    @rule()
    def commit(self) -> None:
        self.world.commit(next(iter(self.world.open)))

    @precondition(lambda self: self.world.unsent())
    @rule(all_of_them=st.booleans(), marked=MOSTLY)
    def publish(self, all_of_them: bool, marked: bool) -> None:
        for message_id in self.world.unsent()[: None if all_of_them else 1]:
            self.world.publish(message_id, marked=marked)

    @precondition(lambda self: self.world.deliverable())
    @rule(all_of_them=st.booleans(), last=st.booleans())
    def deliver(self, all_of_them: bool, last: bool) -> None:
        places = self.world.deliverable()
        for place in places if all_of_them else places[-1:] if last else places[:1]:
            self.world.deliver(place)

    @precondition(lambda self: self.world.hand)
    @rule(all_of_them=st.booleans(), acknowledges=MOSTLY)
    def receive(self, all_of_them: bool, acknowledges: bool) -> None:
        for _ in range(len(self.world.hand) if all_of_them else 1):
            self.world.receive(0)
            if acknowledges:
                self.world.acknowledge(0)

    @rule(milliseconds=st.sampled_from(STEPS))
    def time_passes(self, milliseconds: int) -> None:
        self.world.now += milliseconds

    @rule(at=st.integers(0, 1), before=st.sampled_from(QUESTIONS), stale=RARELY)
    def look(self, at: int, before: type[Step[Any]] | None, stale: bool) -> None:
        """A look begins or goes on; a stale broker says what was true less than T ago."""
        self.world.look(self.world.replicas[at], before=before, stale=stale)

    @rule(stale=st.booleans())
    def publish_and_look(self, stale: bool) -> None:
        """A broker may not know yet what was published just now."""
        self.publish(all_of_them=True, marked=True)
        self.world.look(self.world.replicas[0], stale=stale)

    @rule(
        at=st.integers(0, 1),
        after=st.sampled_from((12_000, 75_000)),
        race=st.sampled_from(RACES),
        fault=st.sampled_from(LOSSES),
    )
    def look_twice(self, at: int, after: int, race: Race, fault: Loss) -> None:
        """What is found lost is found again after T; before one question something happens."""
        before, meanwhile = race
        replica = self.world.replicas[at]
        self.world.now += after
        if before is not Settle:  # the first look would have settled it
            self.world.look(replica)
            self.world.now += 2 * T
        self.world.look(replica, before=before)
        if meanwhile == "the other heals":
            self.look_twice(1 - at, 12_000, RACES[0], fault)
            self.publish(all_of_them=True, marked=True)
        elif meanwhile == "received":
            self.receive_all()
        elif meanwhile != "nothing" and self.loses and self.world.faults < FAULTS:
            self.fail(fault if meanwhile == "fault" else World.set_back_reader)
        if replica.look is not None:
            self.world.look(replica)

    def receive_all(self) -> None:
        self.deliver(all_of_them=True, last=True)
        self.receive(all_of_them=True, acknowledges=True)

    # Faults.

    @rule()
    def back_up(self) -> None:
        self.backup = self.world.backup()

    @rule(at=st.integers(0, 1))
    def restart(self, at: int) -> None:
        self.world.restart(at)

    @precondition(lambda self: self.loses and self.world.faults < FAULTS)
    @rule(fault=st.sampled_from(LOSSES))
    def fail(self, fault: Loss) -> None:
        """Something is lost, or is as it was before."""
        fault(self.world, self.backup)
        self.world.faults += 1

    @rule(drifts=MOSTLY, name=st.sampled_from(sorted(TYPES)))
    def filter(self, drifts: bool, name: str) -> None:
        """The durable's filter at the broker is another than the declared one, for a while."""
        wanted = frozenset(TYPES) - {name} if drifts else frozenset(TYPES)
        if wanted != self.world.filter:
            self.world.filter = wanted
            self.world.faults += 1

    # What must hold.

    @invariant()
    def nothing_is_wrong(self) -> None:
        assert not self.world.wrong, self.world.wrong
        self.world.remember()

    @invariant()
    def nothing_lost_is_settled(self) -> None:
        assert not self.world.unsettled_losses()

    def teardown(self) -> None:
        """Without further faults, everything is received, and what is unknown is named."""
        world = self.world
        world.filter = frozenset(TYPES)
        for message_id in list(world.open):
            world.commit(message_id)
        for _ in range(30):
            self.go_on()
            if self.is_at_rest():
                break
        assert not world.missing()
        assert self.named() == world.unknown()
        self.nothing_is_wrong()
        self.nothing_lost_is_settled()

    def go_on(self) -> None:
        """Everything that can be done is done, and both replicas look."""
        world = self.world
        for message_id in world.unsent():
            world.publish(message_id)
        for place in world.deliverable():
            world.deliver(place)
        while world.hand:
            world.receive(0)
            world.acknowledge(0)
        world.now += 75_000
        for replica in world.replicas:
            world.look(replica)

    def is_at_rest(self) -> bool:
        return not self.world.missing() and self.named() == self.world.unknown()

    def named(self) -> set[UUID]:
        report = self.world.replicas[0].report
        assert report is not None
        assert not report.waits_for
        return self.world.inbox.unknown
