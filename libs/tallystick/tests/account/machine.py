"""Random events in any order, in one world; afterwards everything published is received."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from libs.tallystick.tests.account.simulation import T, TYPES, World
from tallystick._account.steps import AskRepublish, FindReceived, ReadDurable, Settle, Step

QUESTIONS: list[type[Step[Any]] | None] = [None, AskRepublish, FindReceived, ReadDurable, Settle]
STEPS = (T // 2, 3 * T, 12_000, 75_000)  # milliseconds that pass
MESSAGES = 6
FAULTS = 4


class Account(RuleBasedStateMachine):
    """One source of two types, one durable, two replicas that look."""

    loses = True
    """Whether the broker and the databases lose anything."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.backup: Mapping[str, Any] = self.world.backup()

    # What goes on all the time.

    @precondition(lambda self: len(self.world.types) < MESSAGES)
    @rule(name=st.sampled_from(sorted(TYPES)), hangs=st.booleans(), stuck=st.integers(0, 9))
    def insert(self, name: str, hangs: bool, stuck: int) -> None:
        """A unit inserts a message; its commit may come much later, or nobody may take it."""
        message_id = self.world.begin(name)
        if not stuck:
            self.world.unsendable.add(message_id)
        if not hangs:
            self.world.commit(message_id)

    @precondition(lambda self: self.world.open)
    @rule()
    def commit(self) -> None:
        self.world.commit(next(iter(self.world.open)))

    @precondition(lambda self: self.world.unsent())
    @rule(data=st.data(), marked=st.sampled_from((True, True, False)))
    def publish(self, data: st.DataObject, marked: bool) -> None:
        self.world.publish(data.draw(st.sampled_from(self.world.unsent())), marked=marked)

    @precondition(lambda self: self.world.deliverable())
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        self.world.deliver(data.draw(st.sampled_from(self.world.deliverable())))

    @precondition(lambda self: self.world.hand)
    @rule(data=st.data(), acknowledges=st.booleans())
    def receive(self, data: st.DataObject, acknowledges: bool) -> None:
        at = data.draw(st.integers(0, len(self.world.hand) - 1))
        self.world.receive(at)
        if acknowledges:
            self.world.acknowledge(at)

    @rule(milliseconds=st.sampled_from(STEPS))
    def time_passes(self, milliseconds: int) -> None:
        self.world.now += milliseconds

    @rule(at=st.integers(0, 1), before=st.sampled_from(QUESTIONS), stale=st.booleans())
    def look(self, at: int, before: type[Step[Any]] | None, stale: bool) -> None:
        """A look begins or goes on; a stale broker says what was true less than T ago."""
        self.world.look(self.world.replicas[at], before=before, stale=stale)

    # Faults.

    @rule()
    def back_up(self) -> None:
        self.backup = self.world.backup()

    @rule(at=st.integers(0, 1))
    def restart(self, at: int) -> None:
        self.world.restart(at)

    @precondition(lambda self: self.loses and self.world.faults < FAULTS)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        """Something is lost, or is as it was before."""
        world = self.world
        faults: list[Callable[[], None]] = [
            lambda: world.wipe(clock_back=False),
            lambda: world.wipe(clock_back=True),
            world.recreate_durable,
            lambda: world.restore_store(self.backup),
            lambda: world.set_back_source(self.backup),
            lambda: world.set_back_reader(self.backup),
        ]
        faults[data.draw(st.integers(0, len(faults) - 1))]()
        world.faults += 1

    @rule(drifts=st.booleans(), name=st.sampled_from(sorted(TYPES)))
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
        return {each for finding in report.findings.values() for each in finding.unknown}
