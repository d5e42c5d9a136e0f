"""Statements on the table of deferred messages, `tallystick.held`.

Each change of a row raises its lease number (`claim`), so that a worker that has lost its lease
changes nothing. Sections 1 and 3 of docs/delivery.md.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from tallystick._database.units import Write
from tallystick._deferred.protocol import QUARANTINE_AFTER
from tallystick._messages.inbound import Inbound
from tallystick._messages.retry import Decision, GiveUp, RetryLater
from tallystick._telemetry import tracing

AT_ONCE = "-infinity"
"""The due time of a row that was rescheduled while it runs."""

_RECEIVED = """insert into tallystick.inbox (durable, source, id, state) values ($1, $2, $3, 'done')
on conflict do nothing returning durable, source, id"""
_DEFER = """with taken as (
    insert into tallystick.inbox (durable, source, id, state) values ($1, $2, $3, 'held')
    on conflict do nothing returning durable, source, id)
insert into tallystick.held (durable, source, id, subject, headers, body, stream, stream_sequence,
    state, reason, due_at, patient_until, attempts, claim, replica,
    error_type, error, fingerprint, place, trace)
select durable, source, id, $4, $5, $6, $7, $8, $9, $10, now() + $11::interval,
    now() + $12::interval, $13, $14, $15, $16, $17, $18, $19, $20 from taken
returning durable, source, id"""
_END = """with ended as (
    delete from tallystick.held where (durable, source, id, claim) = ($1, $2, $3, $4::bigint)
    and state in ('retry', 'suspect') returning durable, source, id)
update tallystick.inbox i set state = 'done', done_at = now() from ended e
where (i.durable, i.source, i.id) = (e.durable, e.source, e.id)
returning i.durable, i.source, i.id"""
# A message that was deferred and done gets a `done_at`; a withdrawn one was never started: none.
_WITHDRAW = """with gone as (
    delete from tallystick.held where (durable, source, id) = ($1, $2, $3)
    and claim = 0 and state = 'retry' returning durable, source, id)
update tallystick.inbox i set state = 'done' from gone g
where (i.durable, i.source, i.id) = (g.durable, g.source, g.id)
returning i.durable, i.source, i.id"""
# A dead letter gets a new lease number, as by a replay. A row that never started keeps its number,
# so that it can still be withdrawn. A row that runs is only marked, by a due time before all
# others: it is not leased again before it ends.
_RESCHEDULE = f"""update tallystick.held set
    due_at = case when replica is null then now() else '{AT_ONCE}' end, state = 'retry',
    attempts = case when replica is null then 0 else attempts end,
    deaths = case when replica is null then 0 else deaths end,
    lapses = case reason when 'poison' then {QUARANTINE_AFTER} else lapses end, reason = null,
    claim = claim + case state when 'dead' then 1 else 0 end,
    patient_until = greatest(patient_until, now() + $4::interval)
where (durable, source, id) = ($1, $2, $3) and state in ('retry', 'dead')"""  # noqa: S608  # a constant of ours
_FAILED = f"""update tallystick.held set claim = claim + 1, replica = null, lapses = 0, deaths = 0,
    state = $5, reason = $6, attempts = $8,
    due_at = case due_at when '{AT_ONCE}' then now() else now() + $7::interval end,
    error_type = $9, error = $10, fingerprint = $11, place = $12, trace = $13
where (durable, source, id, claim) = ($1, $2, $3, $4::bigint)
returning durable, source, id"""  # noqa: S608  # a constant of ours
_PROCESS_DIED = """update tallystick.held set claim = claim + 1, replica = null,
    deaths = deaths + 1, due_at = now() + interval '1 second'
where (durable, source, id, claim) = ($1, $2, $3, $4::bigint)
returning durable, source, id"""
_LEASE_EXPIRED = """update tallystick.held set claim = claim + 1, replica = null,
    lapses = lapses + 1, due_at = now()
where (durable, source, id, claim) = ($1, $2, $3, $4::bigint)
returning durable, source, id"""
_ATTEMPT = """insert into tallystick.attempts
    (durable, source, id, claim, replica, version, outcome, error)
values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing"""


class Deferred(msgspec.Struct, frozen=True):
    """A leased row: a message and the counts of its attempts so far."""

    inbound: Inbound
    lease: int
    attempts: int
    expired_leases: int
    crashes: int
    time_left: timedelta
    trace: str | None = None  # the traceparent of the last attempt
    begun: int = 0  # recorded attempts; a change of the row, such as an edit, is not an attempt

    @property
    def starts(self) -> int:
        """How often a handler was started, including this time."""
        return self.begun + 1


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt did not succeed, in a form that can be stored."""

    error_type: str
    error: str
    fingerprint: str
    place: str = ""
    trace: str | None = None

    @classmethod
    def of(cls, error: BaseException, durable: str) -> Failure:
        """Return the failure of an error: type, text, fingerprint, place and traceparent.

        The text has no NUL and at most 2000 characters; the fingerprint is a hash of durable, type
        and place. Call it in the task that made the attempt.
        """
        place = _place(error)
        name = type(error).__name__
        text = (str(error) or name).replace("\0", "").encode("utf-8", "replace").decode()
        digest = hashlib.sha256(f"{durable}|{name}|{place}".encode()).hexdigest()[:12]
        return cls(name, text[:2000], digest, place, tracing.attempted())


NO_FAILURE = Failure("", "", "")


def _place(error: BaseException) -> str:
    """Return where it was raised: `handlers.py:open_payment`; line numbers change too often."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    code = trace.tb_frame.f_code
    return f"{code.co_filename.rpartition('/')[2]}:{code.co_qualname}"


def received(inbound: Inbound) -> Write:
    """Mark a delivery as done; the guard is missed if it was received before."""
    return Write(_RECEIVED, inbound.key, inbound.key)


def end(deferred: Deferred) -> Write:
    """Remove a leased row and mark it done; the guard is missed if the lease was lost."""
    return Write(_END, (*deferred.inbound.key, deferred.lease), deferred.inbound.key)


def withdraw(key: tuple[str, str, str]) -> Write:
    """Remove the row of an effect that never started; the guard is missed if it has started."""
    return Write(_WITHDRAW, key, key)


def reschedule(key: tuple[str, str, str], give_up_after: timedelta) -> Write:
    """Make an effect's row due now, also that of a dead letter.

    A running attempt continues, and the row is due again at once if the attempt fails.
    """
    return Write(_RESCHEDULE, (*key, give_up_after))


def reschedules(write: Write) -> bool:
    """Return whether a write was made by `reschedule`."""
    return write.sql is _RESCHEDULE


def defer(
    inbound: Inbound,
    decision: Decision,
    *,
    give_up_after: timedelta,
    failure: Failure = NO_FAILURE,
    replica: str | None = None,
) -> Write:
    """Store a message that is not in the inbox yet; with `replica`, already leased by it.

    `failure` is that of a first attempt, which counts as a lease.
    """
    state, reason, delay = _outcome(decision)
    args = (
        *inbound.key,
        inbound.subject,
        inbound.headers,
        inbound.body,
        inbound.stream,
        inbound.sequence,
        state,
        reason,
        delay,
        give_up_after,
        decision.attempts,
        1 if replica else 0 if failure is NO_FAILURE else 2,
        replica,
        failure.error_type or None,
        failure.error or None,
        failure.fingerprint or None,
        failure.place or None,
        failure.trace,
    )
    return Write(_DEFER, args, inbound.key)


def failed(deferred: Deferred, decision: Decision, failure: Failure) -> Write:
    """End a lease with an error; the guard is missed if the lease was lost."""
    state, reason, delay = _outcome(decision)
    args = (
        *(*deferred.inbound.key, deferred.lease, state, reason, delay, decision.attempts),
        *(failure.error_type, failure.error, failure.fingerprint, failure.place or None),
        failure.trace,
    )
    return Write(_FAILED, args, deferred.inbound.key)


def process_died(deferred: Deferred) -> Write:
    """End a lease whose message ran alone in a process that died.

    The guard is missed if the lease was lost.
    """
    return Write(_PROCESS_DIED, (*deferred.inbound.key, deferred.lease), deferred.inbound.key)


def lease_expired(deferred: Deferred) -> Write:
    """End a lease whose message ran with others in a process that died.

    The guard is missed if the lease was lost.
    """
    return Write(_LEASE_EXPIRED, (*deferred.inbound.key, deferred.lease), deferred.inbound.key)


def attempt(
    key: tuple[str, str, str], lease: int, where: tuple[str, str], outcome: str, error: str = ""
) -> Write:
    """Record one attempt; `where` is the replica and the version that made it."""
    return Write(_ATTEMPT, (*key, lease, *where, outcome, error or None))


def _outcome(decision: Decision) -> tuple[str, str | None, timedelta]:
    match decision:
        case RetryLater(delay=delay):
            return "retry", None, timedelta(seconds=delay)
        case GiveUp(reason=reason):
            return "dead", reason, timedelta(0)
