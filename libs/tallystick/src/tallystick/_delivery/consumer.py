"""Handle deliveries from the broker: each is done or deferred, and only then acknowledged.

Section 2 of docs/delivery.md.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from contextlib import suppress
from datetime import timedelta

import structlog

from tallystick._broker.arrival import Arrival
from tallystick._broker.connection import Connection
from tallystick._broker.pull import Pull
from tallystick._database.kept import Kept
from tallystick._database.postgres import Postgres
from tallystick._deferred import rows as deferred_rows
from tallystick._deferred.agenda import Agenda
from tallystick._deferred.outcomes import Outcomes
from tallystick._deferred.protocol import DeliveryFacts, Step, arrived, is_fresh
from tallystick._delivery.attempts import Attempts
from tallystick._delivery.hands import Hands
from tallystick._delivery.inbox import Inbox
from tallystick._failpoints import failpoint
from tallystick._messages.attributes import read_attributes
from tallystick._messages.binding import Binding
from tallystick._messages.inbound import Inbound, identity
from tallystick._messages.retry import RetryLater
from tallystick._outbox.outbox import Outbox
from tallystick._telemetry.metrics import CONSUMED, DUPLICATES, IN_HAND, REDELIVERED, child
from tallystick.errors import BrokerUnavailable, DatabaseUnavailable, InDoubt
from tallystick.limiter import Limiter

log = structlog.get_logger()


class Consumer:
    """The deliveries of one durable in this replica."""

    def __init__(
        self,
        binding: Binding,
        connection: Connection,
        database: Postgres,
        inbox: Inbox,
        attempts: Attempts,
        outcomes: Outcomes,
        outbox: Outbox,
        ack_wait_s: float,
        agenda: Agenda,
        kept: Kept,
    ) -> None:
        self._kept = kept
        self.durable = binding.durable
        self._binding = binding
        self._stream = binding.stream
        self._connection = connection
        self._database = database
        self._inbox = inbox
        self._attempts = attempts
        self._outcomes = outcomes
        self._outbox = outbox
        self._ack_wait_s = ack_wait_s
        self._agenda = agenda
        self._hands = Hands(self._deliver)
        self._in_hand: dict[bytes, float] = {}
        """The reply subjects of unsettled deliveries, and when they came, by `time.monotonic`."""
        self._done: list[bytes] = []
        """The reply subjects of deliveries that are acknowledged with this turn of the loop."""
        self._received_since = 0  # the last turn
        self._trusted_from = 0.0
        self._turn_ends = False
        self._unsettled = Limiter()
        self.pull = Pull(
            connection,
            binding.stream,
            binding.durable,
            binding.concurrency,
            self._received,
            self.expect_redeliveries,
        )
        connection.on_reconnect(self.expect_redeliveries)

    async def start(self) -> None:
        """Begin to pull; the durable must exist and be as it was declared."""
        self.expect_redeliveries()
        await self.pull.start()
        self._end_turn()

    def expect_redeliveries(self) -> None:
        """Look up every delivery in the inbox for one AckWait: the connection or durable is new."""
        self._trusted_from = asyncio.get_running_loop().time() + self._ack_wait_s
        self.pull.forget()

    async def tick(self) -> None:
        """Ask for more; called often, because the broker may have lost an earlier request."""
        self._end_turn()

    def _end_turn_soon(self) -> None:
        """End the turn once for all deliveries that are settled in this turn of the loop."""
        if not self._turn_ends:
            self._turn_ends = True
            asyncio.get_running_loop().call_soon(self._end_turn)

    def _end_turn(self) -> None:
        """Acknowledge what is done; ask for more, if database and broker are available."""
        self._turn_ends = False
        self._count()
        if self._done:
            done, self._done = self._done, []
            with suppress(BrokerUnavailable):  # redelivered later, and then known
                self._connection.wire.send_empty(done)
        if self._database.available.is_set() and self._connection.connected.is_set():
            self.pull.ask(len(self._in_hand))

    def _count(self) -> None:
        received, self._received_since = self._received_since, 0
        child(CONSUMED, self.durable).inc(received)
        child(IN_HAND, self.durable).set(len(self._in_hand))

    async def heartbeats(self) -> None:
        """Send the broker `+WPI` for deliveries whose handlers still run, until cancelled."""
        while True:
            await asyncio.sleep(self._ack_wait_s / 3)
            old = time.monotonic() - self._ack_wait_s / 3
            for reply, since in list(self._in_hand.items()):
                if since < old:
                    self._answer(reply, b"+WPI")

    async def stop(self) -> None:
        """Stop pulling."""
        await self.pull.stop()

    async def finished(self) -> None:
        """Wait until all deliveries in progress have ended."""
        await self._hands.finished()
        self._end_turn()

    def _received(self, arrival: Arrival) -> None:
        self._received_since += 1
        self._in_hand[arrival.reply] = time.monotonic()
        self._hands.give(arrival)

    async def _deliver(self, arrival: Arrival) -> None:
        try:
            await self._settle(arrival, self._inbound(arrival))
            failpoint("after-commit-before-ack")
            self._done.append(arrival.reply)
        except (DatabaseUnavailable, InDoubt) as error:
            self._log_unsettled(arrival, error)
        except Exception:
            log.exception("delivery unsettled", durable=self.durable)
        finally:
            self._in_hand.pop(arrival.reply, None)
            self._end_turn_soon()

    def _inbound(self, arrival: Arrival) -> Inbound:
        attributes = read_attributes(arrival.headers)
        place = self._stream, arrival.sequence
        source, id_ = identity(attributes, *place)
        inbound = Inbound(
            self.durable, source, id_, arrival.subject, arrival.headers, arrival.body, *place
        )
        inbound.__dict__["attributes"] = attributes  # as if it had been read from it
        return inbound

    def _settle(self, arrival: Arrival, inbound: Inbound) -> Awaitable[None]:
        """Handle a message that no replica can have received before; look up any other."""
        facts, now = self._facts(arrival, inbound), time.time()
        made_ago = now - (inbound.made_at or arrival.stored_at)
        expires_in = self._kept.expires_in(now, own=inbound.is_own)
        if is_fresh(facts, made_ago, self._ack_wait_s, expires_in):
            return self._handle(inbound)
        return self._look_up(facts, inbound, made_ago, expires_in)

    def _log_unsettled(self, arrival: Arrival, error: Exception) -> None:
        """Log one such delivery and count the rest: an outage ends all in progress at once."""
        if (unsaid := self._unsettled.due(type(error).__name__)) is not None:
            message_id = self._inbound(arrival).id
            fields = {"durable": self.durable, "message_id": message_id, "error": str(error)}
            log.warning("delivery left to the broker", unsaid=unsaid, **fields)

    def _facts(self, arrival: Arrival, inbound: Inbound) -> DeliveryFacts:
        delivered = arrival.delivered
        if delivered > 1:
            child(REDELIVERED, self.durable).inc()
        trusted = asyncio.get_running_loop().time() > self._trusted_from
        age = time.time() - arrival.stored_at
        return DeliveryFacts(delivered, inbound.republication, age, trusted)

    async def _look_up(
        self, facts: DeliveryFacts, inbound: Inbound, made_ago: float, expires_in: float
    ) -> None:
        known = await self._inbox.state(inbound)
        ages = {"made_ago": made_ago, "expires_in": expires_in}
        step = arrived(known, facts, **ages, idempotent=self._binding.idempotent)
        if step is Step.NOTHING:
            child(DUPLICATES, self.durable).inc()
        match step:
            case Step.FORGET_AND_RUN:
                await self._inbox.forget(inbound)
                await self._handle(inbound)
            case Step.DEFER:
                await self._outcomes.defer(self._binding, inbound)
                self._agenda.wake()
            case Step.RUN:
                await self._handle(inbound)
            case Step.EXPIRE:
                await self._outcomes.expire(self._binding, inbound, timedelta(seconds=made_ago))
            case Step.NOTHING:
                pass

    async def _handle(self, inbound: Inbound) -> None:
        settlement = None if self._binding.idempotent else deferred_rows.received(inbound)
        try:
            await self._attempts.run(self._binding, inbound, settlement)
        except (DatabaseUnavailable, InDoubt) as error:
            if not await self._database.answers():
                raise
            await self._defer(inbound, error)  # if it was committed after all, this changes nothing
        except Exception as error:  # noqa: BLE001  # stored with the message, and logged
            await self._defer(inbound, error)

    async def _defer(self, inbound: Inbound, error: Exception) -> None:
        decision = await self._outcomes.defer_failed(self._binding, inbound, error)
        failpoint("after-defer-before-ack")
        if isinstance(decision, RetryLater):
            self._agenda.wake(decision.delay)

    def _answer(self, reply: bytes, answer: bytes) -> None:
        with suppress(BrokerUnavailable):  # redelivered after the reconnect, then in the inbox
            self._connection.wire.send(reply, answer)
