"""Statements on the table of deferred messages, `tallystick.deferred`.

Each change of a row raises its lease number, so that a worker that has lost its lease
changes nothing. Sections 1 and 3 of docs/delivery.md.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from tallystick._account.statements import REOPENED
from tallystick._database.units import Settlement, Write
from tallystick._database.uuids import uuid_of
from tallystick._deferred.protocol import QUARANTINE_AFTER
from tallystick._messages.identity import FOREIGN, digest, reader_number
from tallystick._messages.inbound import Inbound
from tallystick._messages.retry import Decision, GiveUp, RetryLater
from tallystick._telemetry import tracing

AT_ONCE = "-infinity"
"""The due time of a row that was rescheduled while it runs."""

_RECEIVED = """insert into tallystick.inbox (reader, id) values ($1, $2)
on conflict do nothing returning reader, id"""
_RECEIVED_TOGETHER = """insert into tallystick.inbox (reader, id)
select * from unnest($1::int[], $2::uuid[]) on conflict do nothing returning reader, id"""
# What is received late may belong to a period that is settled: the account looks at it again.
_RECEIVED_LATE = f"{REOPENED} {_RECEIVED}"
LATE_S = 10.0
"""A message this old is received late; clocks may differ by the rest of the minute."""
_RECEIVED_FOREIGN = """insert into tallystick.foreign_inbox (reader, digest) values ($1, $2)
on conflict do nothing returning reader, digest"""
_TAKEN = {
    "own": f"{_RECEIVED}",
    "foreign": f"{_RECEIVED_FOREIGN}",
    "effect": """insert into tallystick.effects (durable, key) values ($1, $2)
        on conflict do nothing returning durable, key""",
    "unknown": "select $1::int, $2::text",
}
"""The note that a message was received, by what it is known by; its first arguments are $1, $2.

An `unknown` one has an id of a time that the inbox does not keep: only its deferred row knows it.
"""
_DEFER = """{first} taken as ({taken})
insert into tallystick.deferred (durable, source, id, subject, headers, body, stream,
    stream_sequence, state, reason, due_at, give_up_at, attempts, starts, lease, replica,
    error_type, error, fingerprint, place, trace)
select $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, now() + $13::interval,
    now() + $14::interval, $15, $16, $17, $18, $19, $20, $21, $22, $23 from taken
on conflict do nothing returning durable, source, id"""
_DEFERS = {
    known: _DEFER.format(first=f"{REOPENED}," if known == "own" else "with", taken=taken)
    for known, taken in _TAKEN.items()
}
_END = """delete from tallystick.deferred
where (durable, source, id, lease) = ($1, $2, $3, $4::bigint) and state = 'waiting'
returning durable, source, id"""
_END_EFFECT = f"""with ended as ({_END})
update tallystick.effects f set ended_at = now() from ended e
where (f.durable, f.key) = (e.durable, e.id) returning e.durable, e.source, e.id"""  # noqa: S608  # a constant of ours
# An effect that is withdrawn was never started: its row gets no `ended_at`.
_WITHDRAW = """delete from tallystick.deferred where (durable, source, id) = ($1, $2, $3)
and lease = 0 and state = 'waiting' returning durable, source, id"""
# A dead letter gets a new lease number, as by a replay. A row that never started keeps its number,
# so that it can still be withdrawn. A row that runs is only marked, by a due time before all
# others: it is not leased again before it ends.
_RESCHEDULE = f"""update tallystick.deferred set
    due_at = case when replica is null then now() else '{AT_ONCE}' end, state = 'waiting',
    attempts = case when replica is null then 0 else attempts end,
    crashes = case when replica is null then 0 else crashes end,
    expired_leases = case reason when 'poison' then {QUARANTINE_AFTER} else expired_leases end,
    reason = null, lease = lease + case state when 'dead' then 1 else 0 end,
    give_up_at = greatest(give_up_at, now() + $4::interval)
where (durable, source, id) = ($1, $2, $3) and state in ('waiting', 'dead')"""  # noqa: S608  # a constant of ours
_FAILED = f"""update tallystick.deferred set lease = lease + 1, replica = null,
    expired_leases = 0, crashes = 0, starts = starts + 1,
    state = $5, reason = $6, attempts = $8,
    due_at = case due_at when '{AT_ONCE}' then now() else now() + $7::interval end,
    error_type = $9, error = $10, fingerprint = $11, place = $12, trace = $13
where (durable, source, id, lease) = ($1, $2, $3, $4::bigint)
returning durable, source, id"""  # noqa: S608  # a constant of ours
_PROCESS_DIED = """update tallystick.deferred set lease = lease + 1, replica = null,
    crashes = crashes + 1, starts = starts + 1, due_at = now() + interval '1 second'
where (durable, source, id, lease) = ($1, $2, $3, $4::bigint)
returning durable, source, id"""
_LEASE_EXPIRED = """update tallystick.deferred set lease = lease + 1, replica = null,
    expired_leases = expired_leases + 1, starts = starts + 1, due_at = now()
where (durable, source, id, lease) = ($1, $2, $3, $4::bigint)
returning durable, source, id"""
_ATTEMPT = """insert into tallystick.attempts
    (durable, source, id, lease, replica, version, outcome, error)
values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing"""
FIRST_KEPT, LAST_KEPT = 10, 20
"""Of a message that is tried for a day only so many attempts are kept, the first and the last."""
_THIN = """delete from tallystick.attempts where (durable, source, id) = ($1, $2, $3)
and lease > $4 and lease < $5"""


class Deferred(msgspec.Struct, frozen=True):
    """A leased row: a message and the counts of its attempts so far."""

    inbound: Inbound
    lease: int
    attempts: int
    expired_leases: int
    crashes: int
    time_left: timedelta
    trace: str | None = None  # the traceparent of the last attempt
    begun: int = 0  # attempts that have ended; a change of the row, such as an edit, is none

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
    args = known_by(inbound)
    if not inbound.is_own:
        return Settlement(_RECEIVED_FOREIGN, args, args, message=inbound.key)
    if abs(time.time() - inbound.made_at) > LATE_S:
        return Settlement(_RECEIVED_LATE, args, args, message=inbound.key)
    return Settlement(_RECEIVED_TOGETHER, args, args, arrays=True, message=inbound.key)


def end(deferred: Deferred) -> Write:
    """Remove a leased row and mark it done; the guard is missed if the lease was lost."""
    sql = _END_EFFECT if deferred.inbound.is_effect else _END
    return Write(sql, (*deferred.inbound.key, deferred.lease), deferred.inbound.key)


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
    is_kept: bool = True,
) -> Write:
    """Store a message that is not in the inbox yet; with `replica`, already leased by it.

    `failure` is that of a first attempt, which counts as a lease. Not `is_kept`: the inbox does not
    keep the time of its id.
    """
    state, reason, delay = _outcome(decision)
    known, received = _defer_by(inbound, is_kept=is_kept)
    args = (
        *received,
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
        0 if failure is NO_FAILURE or reason == "expired" else 1,
        1 if replica else 0 if failure is NO_FAILURE else 2,
        replica,
        failure.error_type or None,
        failure.error or None,
        failure.fingerprint or None,
        failure.place or None,
        failure.trace,
    )
    return Write(_DEFERS[known], args, inbound.key)


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


def thin(deferred: Deferred) -> list[Write]:
    """Return the write that forgets a middle attempt of a message that was tried often."""
    if deferred.lease <= FIRST_KEPT + LAST_KEPT:
        return []
    return [Write(_THIN, (*deferred.inbound.key, FIRST_KEPT, deferred.lease - LAST_KEPT))]


def known_by(inbound: Inbound) -> tuple[int, UUID]:
    """Return what the inbox knows a message of the broker by: the reader's number and an id."""
    if inbound.is_own:
        return reader_number(inbound.durable, inbound.source), uuid_of(inbound.id)
    return reader_number(inbound.durable, FOREIGN), digest(inbound.source, inbound.id)


def _defer_by(inbound: Inbound, *, is_kept: bool) -> tuple[str, tuple[Any, Any]]:
    if inbound.is_effect:
        return "effect", (inbound.durable, inbound.id)
    if not inbound.is_own:
        return "foreign", known_by(inbound)
    return ("own", known_by(inbound)) if is_kept else ("unknown", (0, ""))


def _outcome(decision: Decision) -> tuple[str, str | None, timedelta]:
    match decision:
        case RetryLater(delay=delay):
            return "waiting", None, timedelta(seconds=delay)
        case GiveUp(reason=reason):
            return "dead", reason, timedelta(0)
