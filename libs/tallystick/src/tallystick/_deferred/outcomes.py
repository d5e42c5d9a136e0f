"""Store deferred messages and failed attempts, and publish dead letters.

Sections 2 and 10 of docs/delivery.md.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog

from tallystick._database.group import AlreadyProcessed
from tallystick._database.kept import Kept
from tallystick._database.postgres import Postgres
from tallystick._database.units import Unit, Write
from tallystick._deferred import rows as deferred_rows
from tallystick._deferred.isolation import describe_exit
from tallystick._deferred.protocol import is_kept
from tallystick._deferred.rows import Deferred, Failure
from tallystick._messages.binding import Binding
from tallystick._messages.envelope import RESERVE, OutboxRow, header_lines, stored_lines
from tallystick._messages.ids import new_id
from tallystick._messages.inbound import Inbound
from tallystick._messages.retry import Decision, GiveUp, RetryLater
from tallystick._outbox.outbox import Outbox, insert
from tallystick._telemetry.metrics import ATTEMPTS, DEAD_LETTERED, child
from tallystick._telemetry.release import release_of
from tallystick.errors import InvalidMessage, TallystickError
from tallystick.limiter import Limiter

log = structlog.get_logger()

LONGEST_SUBJECT = 1024  # bytes of the original subject in the subject of a dead letter


class Expired(TallystickError):
    """The inbox has forgotten whether the message was done."""


class Outcomes:
    """Stores the outcome of an attempt that did not succeed, in one commit."""

    def __init__(
        self, service: str, replica: str, database: Postgres, outbox: Outbox, kept: Kept
    ) -> None:
        self._kept = kept
        self._service = service
        self._where = (replica, release_of(service))
        self._failures = Limiter()
        self._database = database
        self._outbox = outbox

    async def defer(self, binding: Binding, inbound: Inbound) -> None:
        """Defer a redelivered message unchanged, due now; do nothing if the inbox knows it."""
        await self._store(binding, inbound, RetryLater(0, 0), None)

    async def expire(self, binding: Binding, inbound: Inbound, age: timedelta) -> None:
        """Make a message a dead letter because the inbox may have forgotten that it was done.

        Also one whose id is of a time that has not come, which no source of ours makes.
        """
        if age < timedelta(0):
            wrong = InvalidMessage(f"ce-id {inbound.id} is of a time {-age} from now")
            await self._store(binding, inbound, GiveUp("schema", 0), wrong)
            return
        forgets = timedelta(seconds=self._expires_in(inbound))
        error = Expired(
            f"the message is {age.days} days old, and the inbox knows none that is over"
            f" {forgets.days} days old"
        )
        await self._store(binding, inbound, GiveUp("expired", 0), error)

    async def defer_failed(
        self, binding: Binding, inbound: Inbound, error: BaseException
    ) -> Decision:
        """Store a message whose first attempt failed; return the decision."""
        give_up_after = binding.retry.give_up_after
        decision = binding.retry.decide(error, attempts=0, starts=1, time_left=give_up_after)
        await self._store(binding, inbound, decision, error)
        return decision

    async def fail(self, binding: Binding, deferred: Deferred, error: BaseException) -> Decision:
        """End a lease with an error; return the decision.

        Raises AlreadyProcessed if the lease was lost.
        """
        decision = binding.retry.decide(
            error, attempts=deferred.attempts, starts=deferred.starts, time_left=deferred.time_left
        )
        await self._end(deferred, decision, error)
        return decision

    async def give_up(self, deferred: Deferred, error: BaseException) -> None:
        """Make a leased message a dead letter because it killed its process too often."""
        await self._end(deferred, GiveUp("poison", deferred.attempts), error)

    async def process_died(self, deferred: Deferred, code: int) -> None:
        """Record that a message killed the process that ran it alone; raise AlreadyProcessed."""
        await self._process_ended(
            deferred,
            deferred_rows.process_died(deferred),
            "died",
            f"its process {describe_exit(code)}",
        )

    async def lease_expired(self, deferred: Deferred, code: int) -> None:
        """Record that the process that ran a message with others died; raise AlreadyProcessed."""
        error = f"the process that ran it with others {describe_exit(code)}"
        end = deferred_rows.lease_expired(deferred)
        await self._process_ended(deferred, end, "lease expired", error)

    async def _process_ended(
        self, deferred: Deferred, end: Write, outcome: str, error: str
    ) -> None:
        writes = (
            deferred_rows.attempt(
                deferred.inbound.key, deferred.lease, self._where, outcome, error
            ),
        )
        await self._database.deliveries.submit(Unit(writes, (), end))
        log.warning("quarantine process died", durable=deferred.inbound.durable, error=error)

    async def succeeded(self, deferred: Deferred) -> None:
        """Record the attempt that succeeded after others had failed."""
        write = deferred_rows.attempt(deferred.inbound.key, deferred.lease, self._where, "done")
        await self._database.deliveries.submit(Unit((write,)))

    def _expires_in(self, inbound: Inbound) -> float:
        return self._kept.expires_in(time.time(), own=inbound.is_own)

    async def _store(
        self, binding: Binding, inbound: Inbound, decision: Decision, error: BaseException | None
    ) -> None:
        failure = Failure.of(error, inbound.durable) if error else deferred_rows.NO_FAILURE
        write = deferred_rows.defer(
            inbound,
            decision,
            give_up_after=binding.retry.give_up_after,
            failure=failure,
            is_kept=is_kept(time.time() - inbound.made_at, self._expires_in(inbound)),
        )
        try:
            await self._commit(write, inbound, 0, decision, failure)
        except AlreadyProcessed:
            return  # done or deferred before: a copy changes nothing
        self._report(inbound, decision, failure, error)

    async def _end(self, deferred: Deferred, decision: Decision, error: BaseException) -> None:
        failure = Failure.of(error, deferred.inbound.durable)
        write = deferred_rows.failed(deferred, decision, failure)
        thin = deferred_rows.thin(deferred)
        await self._commit(write, deferred.inbound, deferred.lease, decision, failure, thin)
        self._report(deferred.inbound, decision, failure, error)

    async def _commit(
        self,
        settlement: Write,
        inbound: Inbound,
        lease: int,
        decision: Decision,
        failure: Failure,
        thin: Sequence[Write] = (),
    ) -> None:
        failed = failure.error_type or "deferred"
        outcome = decision.reason if isinstance(decision, GiveUp) else failed
        writes = (deferred_rows.attempt(inbound.key, lease, self._where, outcome, failure.error),)
        rows = (
            [self._projection(inbound, decision, failure)] if isinstance(decision, GiveUp) else []
        )
        unit = Unit((*writes, *thin), tuple(insert(row) for row in rows), settlement)
        await self._database.deliveries.submit(unit)
        self._outbox.send(rows)

    def _projection(self, inbound: Inbound, dead: GiveUp, failure: Failure) -> OutboxRow:
        """Return the copy of a dead letter for the stream `DLQ_<SERVICE>`; its row is the truth."""
        purpose = inbound.durable.removeprefix(self._service + "-")
        lines = header_lines(
            {
                "dlq-reason": dead.reason,
                "dlq-error-type": failure.error_type,
                "dlq-stream": inbound.stream or "",
                "dlq-stream-seq": str(inbound.sequence or ""),
                "dlq-durable": inbound.durable,
                "dlq-attempts": str(dead.attempts),
                "dlq-subject": inbound.subject,
                "dlq-time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            }
        )
        headers = stored_lines(inbound.headers)
        whole = len(headers) + len(inbound.body) + RESERVE <= self._outbox.max_payload
        usable = len(inbound.subject.encode()) <= LONGEST_SUBJECT
        id_ = str(new_id(self._outbox.ahead_ms))
        return OutboxRow(
            id=id_,
            subject=f"dlq.{self._service}.{purpose}.{inbound.subject if usable else 'unusable'}",
            headers=headers[: None if whole else 0] + lines,
            body=inbound.body if whole else inbound.body[:1024],
            correlation_id=id_,
            key="",
            type="",
        )

    def _report(
        self, inbound: Inbound, decision: Decision, failure: Failure, error: BaseException | None
    ) -> None:
        """Say each dead letter, and of failures that are tried again the first of each kind."""
        fields = {
            "durable": inbound.durable,
            "message_id": inbound.id,
            "error_type": failure.error_type,
            "error": failure.error,
            "place": failure.place,
        }
        if isinstance(decision, GiveUp):
            child(DEAD_LETTERED, inbound.durable, decision.reason).inc()
            unforeseen = None if isinstance(error, InvalidMessage | Expired) else error
            log.error(
                "delivery dead-lettered", reason=decision.reason, exc_info=unforeseen, **fields
            )
        elif error is not None:
            child(ATTEMPTS, inbound.durable, failure.error_type).inc()
            if (unsaid := self._failures.due(failure.fingerprint)) is not None:
                delay_s = round(decision.delay, 3)
                log.warning("delivery deferred", delay_s=delay_s, unsaid=unsaid, **fields)
