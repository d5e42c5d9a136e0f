"""The delivery protocol under random events in any order.

Decisions and statements are the library's, on a real PostgreSQL. Broker, replicas and processes are
a small model: a message is redelivered until it is acknowledged, a replica dies with all that it
works on, and a replica that was thought dead may come back and commit.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tallystick import Delivery, Event, Router, Write
from tallystick._admin.repair import Act, Repair
from tallystick._database.group import AlreadyProcessed
from tallystick._database.postgres import Postgres
from tallystick._database.units import Unit
from tallystick._deferred import rows as deferred_rows
from tallystick._deferred.leases import Leases
from tallystick._deferred.protocol import (
    POISON_EXPIRED_LEASES,
    QUARANTINE_AFTER,
    DeliveryFacts,
    Step,
    arrived,
    is_fresh,
    poison_reason,
)
from tallystick._deferred.replicas import Replicas
from tallystick._deferred.rows import Deferred, Failure
from tallystick._delivery.inbox import Inbox
from tallystick._messages.envelope import OutboxRow, header_lines
from tallystick._messages.ids import new_id
from tallystick._messages.inbound import Inbound
from tallystick._messages.retry import GiveUp, Retry, RetryLater
from tallystick._outbox.outbox import insert
from tallystick.testing.ids import named_id

DURABLE = "shop-sold"
DAY = timedelta(days=1)
ACK_WAIT = 5.0
SLOTS = 2
GOOD, FAILING, KILLER = "good", "failing", "killer"
GOES, FAILS, KILLS = map(named_id, ("goes", "fails", "kills"))
MESSAGES = {GOES: GOOD, FAILS: FAILING, KILLS: KILLER}
RETRY = Retry(attempts=3)
TABLES = ("deeds", *(f"tallystick.{t}" for t in ["inbox", "deferred", "outbox", "replicas"]))

WRONG = """with deed as (select what as id, count(*) from deeds group by what),
    inbox as (select i.id::text, d.id is null as is_done
        from tallystick.inbox i left join tallystick.deferred d on d.id = i.id::text)
select 'deed', id from deed full join inbox using (id) full join
    (select correlation_id as id, id as output from tallystick.outbox) o using (id)
where coalesce(count, 0) <> coalesce(is_done, false)::int
    or coalesce(is_done, false) <> (output is not null)
union all select 'deferred', id from tallystick.deferred
where id not in (select id from inbox)"""


class Sold(Event, name="shop.sold", version=1, key="what"):
    what: str


router = Router("shop")


@router.on(Sold, durable=DURABLE, retry=RETRY)
async def on_sold(event: Sold, delivery: Delivery) -> None:
    """Never called: the rules of the machine do what a handler would do."""


@dataclass(eq=False)
class Copy:
    """A message in the stream, until it is acknowledged."""

    name: str
    republication: int
    delivered: int = 0
    acknowledged: bool = False


@dataclass(eq=False)
class Work:
    """A handler that runs: for a delivery, or under a lease."""

    name: str
    copy: Copy | None = None
    lease: Deferred | None = None


@dataclass(eq=False)
class Replica:
    """A process and the handlers that run in it."""

    name: str
    leases: Leases
    works: list[Work] = field(default_factory=list)


class Protocol(RuleBasedStateMachine):
    """One durable, two replicas at a time, five messages; one fails for a while, one kills."""

    database: Postgres
    runner: asyncio.Runner

    def __init__(self) -> None:
        super().__init__()
        self.names = count()
        self.published = dict.fromkeys(MESSAGES, 0)  # by name, the last republication
        self.stream = [Copy(name, 0) for name in MESSAGES]
        self.healed = False
        self.zombies: list[Replica] = []
        for table in TABLES:
            self.fetch(f"delete from {table}")
        self.replicas = [self.new_replica(), self.new_replica()]

    def do(self, work: Any) -> Any:
        return self.runner.run(work)

    def fetch(self, sql: str, *args: Any) -> list[Any]:
        return list(self.do(self.database.fetch(sql, *args)))

    def new_replica(self) -> Replica:
        name = f"replica-{next(self.names)}"
        self.fetch("insert into tallystick.replicas (name) values ($1)", name)
        return Replica(name, Leases(self.database, name))

    # Events.

    @rule(name=st.sampled_from(sorted(MESSAGES)), again=st.booleans())
    def publish(self, name: str, again: bool) -> None:
        """The owner republishes a message, or another publisher repeats it unchanged."""
        self.published[name] += again
        self.stream.append(Copy(name, self.published[name]))

    @rule()
    def wipe(self) -> None:
        """The broker forgets everything."""
        self.stream.clear()

    @precondition(lambda self: self.stream)
    @rule(data=st.data(), age=st.sampled_from((0.0, 60.0)), trusted=st.booleans())
    def deliver(self, data: st.DataObject, age: float, trusted: bool) -> None:
        copy = data.draw(st.sampled_from(self.stream))
        self.delivered(data.draw(st.sampled_from(self.replicas)), copy, age, trusted)

    def delivered(self, replica: Replica, copy: Copy, age: float, trusted: bool) -> None:
        copy.delivered += 1
        facts = DeliveryFacts(copy.delivered, copy.republication, age, trusted)
        if is_fresh(facts, 0, ACK_WAIT, 1.0):
            replica.works.append(Work(copy.name, copy))
        else:
            self.look_up(replica, copy, facts)

    def look_up(self, replica: Replica, copy: Copy, facts: DeliveryFacts) -> None:
        known = self.do(Inbox(self.database).state(inbound(copy)))
        match arrived(known, facts, made_ago=0, expires_in=1, idempotent=False):
            case Step.RUN:
                replica.works.append(Work(copy.name, copy))
                return
            case Step.DEFER:
                self.commit(deferred_rows.defer(inbound(copy), RetryLater(0, 0), give_up_after=DAY))
        self.acknowledge(copy)

    @rule(data=st.data())
    def lease(self, data: st.DataObject) -> None:
        replica = data.draw(st.sampled_from(self.replicas))
        for deferred in self.do(self.acquired(replica)):
            replica.works.append(Work(deferred.inbound.id, None, deferred))

    async def acquired(self, replica: Replica) -> list[Deferred]:
        async with self.database.connection() as connection:
            return await replica.leases.acquire(connection, {DURABLE: SLOTS}, QUARANTINE_AFTER)

    @rule(data=st.data(), parent_lives=st.booleans())
    def run_quarantined(self, data: st.DataObject, parent_lives: bool) -> None:
        replica = data.draw(st.sampled_from(self.replicas))
        quarantined = self.do(self.quarantined(replica))
        if quarantined and parent_lives:
            self.run_in_child(quarantined)
        elif quarantined:
            self.crash(replica)

    async def quarantined(self, replica: Replica) -> list[Deferred]:
        async with self.database.connection() as connection:
            return await replica.leases.acquire_quarantined(connection, [DURABLE], QUARANTINE_AFTER)

    def run_in_child(self, quarantined: list[Deferred]) -> None:
        first = quarantined[0]
        if poison_reason(first.expired_leases, first.crashes):
            self.commit(
                deferred_rows.failed(first, GiveUp("poison", first.attempts), failure("Poison"))
            )
        elif not any(self.kills(deferred.inbound.id) for deferred in quarantined):
            for deferred in quarantined:
                self.end(Work(deferred.inbound.id, None, deferred))
        elif len(quarantined) == 1:
            self.commit(deferred_rows.process_died(first))
        else:
            for deferred in quarantined:
                self.commit(deferred_rows.lease_expired(deferred))

    def kills(self, name: str) -> bool:
        return MESSAGES[name] == KILLER and not self.healed

    @precondition(lambda self: any(replica.works for replica in self.replicas))
    @rule(data=st.data(), acknowledged=st.booleans())
    def finish(self, data: st.DataObject, acknowledged: bool) -> None:
        """A handler ends; the acknowledgement may be lost."""
        replica = data.draw(st.sampled_from([each for each in self.replicas if each.works]))
        work = data.draw(st.sampled_from(replica.works))
        self.finished(replica, work, acknowledged)

    def finished(self, replica: Replica, work: Work, acknowledged: bool) -> None:
        if self.kills(work.name):
            self.crash(replica)
            return
        replica.works.remove(work)
        self.end(work)
        if work.copy is not None and acknowledged:
            self.acknowledge(work.copy)

    @rule(data=st.data())
    def kill(self, data: st.DataObject) -> None:
        self.crash(data.draw(st.sampled_from(self.replicas)))

    def crash(self, replica: Replica) -> None:
        """The others take it for gone; it may still be running."""
        self.replicas.remove(replica)
        self.zombies.append(replica)
        self.fetch("delete from tallystick.replicas where name = $1", replica.name)
        self.replicas.append(self.new_replica())

    @precondition(lambda self: any(zombie.works for zombie in self.zombies))
    @rule(data=st.data())
    def zombie_commits(self, data: st.DataObject) -> None:
        """A replica that was only frozen commits work that it had started."""
        zombie = data.draw(st.sampled_from([each for each in self.zombies if each.works]))
        work = zombie.works.pop()
        if not self.kills(work.name):
            self.end(work)

    @rule()
    def expire(self) -> None:
        observer = Replicas(self.database, self.replicas[0].name, "1", 3600)
        observer._judges_from = 0
        self.do(observer.expire_leases())

    @rule()
    def time_passes(self) -> None:
        self.fetch("update tallystick.deferred set due_at = now() where due_at > now()")

    @rule()
    def heal(self) -> None:
        """The handler is mended and dead letters are replayed; this may happen several times."""
        self.healed = True
        repair = Repair(self.database, router)
        dead = self.fetch(
            "select durable, source, id from tallystick.deferred where state = 'dead'"
        )
        self.do(repair.replay([tuple(row) for row in dead], Act("ada", "mended")))

    def end(self, work: Work) -> None:
        """Commit what a handler decided; it changes nothing if its lease was lost."""
        if MESSAGES[work.name] == FAILING and not self.healed:
            self.commit(self.failed(work))
            return
        copy = work.copy or Copy(work.name, 0)
        settlement = (
            deferred_rows.end(work.lease) if work.lease else deferred_rows.received(inbound(copy))
        )
        output = OutboxRow(
            str(new_id()), "evt.shop.x.v1.00", b"", b"", work.name, work.name, "evt.shop.x.v1"
        )
        deed = Write("insert into deeds values ($1)", (work.name,))
        self.commit(settlement, (deed,), (insert(output),))

    def failed(self, work: Work) -> Write:
        attempts = work.lease.attempts if work.lease else 0
        error = ValueError("no")
        decision = RETRY.decide(error, attempts=attempts, starts=1, time_left=DAY)
        if work.lease:
            return deferred_rows.failed(work.lease, decision, failure("ValueError"))
        assert work.copy is not None
        return deferred_rows.defer(
            inbound(work.copy), decision, give_up_after=DAY, failure=failure("ValueError")
        )

    def commit(
        self, settlement: Write, writes: tuple[Write, ...] = (), outputs: tuple[Write, ...] = ()
    ) -> None:
        try:
            self.do(self.database.deliveries.submit(Unit(writes, outputs, settlement)))
        except AlreadyProcessed:
            return

    def acknowledge(self, copy: Copy) -> None:
        copy.acknowledged = True
        self.stream = [one for one in self.stream if one is not copy]
        assert self.known(copy.name), f"{copy.name} was acknowledged and is nowhere"

    def known(self, name: str) -> bool:
        return bool(self.fetch("select from tallystick.inbox where id = $1", name))

    # Invariants.

    @invariant()
    def rows_agree(self) -> None:
        """A done message took effect once and has its output; a deferred one has its row."""
        assert not self.fetch(WRONG)

    @invariant()
    def only_killers_are_poison(self) -> None:
        poison = self.fetch(
            "select id, expired_leases from tallystick.deferred where reason = 'poison'"
        )
        for name, expired_leases in poison:
            assert (
                MESSAGES[name] == KILLER
                or expired_leases == 0
                or expired_leases >= POISON_EXPIRED_LEASES
            )

    def teardown(self) -> None:
        """Without further events each message is done or dead; once mended, each is done, once."""
        done = self.done()
        for name in MESSAGES:
            self.publish(name, True)
        self.settle()
        failing = set() if self.healed else {FAILS, KILLS} - done
        assert self.done() == set(MESSAGES) - failing
        self.heal()
        self.settle()
        assert self.done() == set(MESSAGES)
        self.stream += [Copy(name, 1) for name in MESSAGES]  # late copies
        self.settle()
        self.rows_agree()

    def done(self) -> set[str]:
        return {row[0] for row in self.fetch("select what from deeds")}

    def settle(self) -> None:
        """Deliver, lease and run everything until nothing waits."""
        for _ in range(4 * POISON_EXPIRED_LEASES):
            self.expire()
            self.time_passes()
            for copy in list(self.stream):
                self.delivered(self.replicas[0], copy, 60.0, True)
            for replica in list(self.replicas):
                self.work_off(replica)
            waiting = "select from tallystick.deferred where state <> 'dead'"
            if not self.stream and not self.fetch(waiting):
                return
        raise AssertionError("some messages are never done or dead")

    def work_off(self, replica: Replica) -> None:
        replica.works += [
            Work(deferred.inbound.id, None, deferred)
            for deferred in self.do(self.acquired(replica))
        ]
        for work in list(replica.works):
            if replica in self.replicas:
                self.finished(replica, work, acknowledged=True)
        if replica in self.replicas:
            while quarantined := self.do(self.quarantined(replica)):
                self.run_in_child(quarantined)


def inbound(copy: Copy) -> Inbound:
    lines = header_lines({"ce-source": "shop", "ce-id": copy.name})
    return Inbound(DURABLE, "shop", copy.name, "evt.shop.sold.v1.00", lines, b"{}")


def failure(kind: str) -> Failure:
    return Failure(kind, "no", "abc")


@pytest.fixture
def machine(database_url: str) -> Any:
    """The machine on a real database, which outlives all of its runs."""
    with asyncio.Runner() as runner:
        database = Postgres(f"{database_url}?synchronous_commit=off", name="protocol")
        runner.run(database.open())
        runner.run(database.fetch("create table if not exists deeds (what text not null)"))
        yield type("OnPostgres", (Protocol,), {"database": database, "runner": runner})
        runner.run(database.fetch("drop table deeds"))
        runner.run(database.close())


def test_nothing_is_lost_and_nothing_takes_effect_twice(machine: type[Protocol]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
