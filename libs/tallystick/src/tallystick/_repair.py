"""Dead letters repaired: replayed, edited, discarded, each with who, when and why on record.

A replay publishes nothing: the held row falls due again under a new claim, so only the durable
that failed sees it, it can be interrupted anywhere, and what is done is never done again. Nothing
is ever removed from the record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tallystick._binding import Binding
from tallystick._database import Database
from tallystick._errors import DeclarationError, TallystickError
from tallystick._ids import new_id
from tallystick._inbound import Inbound, Key
from tallystick._protocol import SUSPECT_LAPSES
from tallystick._router import Router

# A poison one runs as a suspect at once: it has shown what it does to its process.
_REPLAY = """with chosen as (
    select h.durable, h.source, h.id, h.reason, k.patience from tallystick.held h
    join unnest($1::text[], $2::text[], $3::text[], $7::interval[])
        k(durable, source, id, patience)
    on (h.durable, h.source, h.id) = (k.durable, k.source, k.id)
    where h.state = 'dead' order by h.durable, h.source, h.id for update of h skip locked),
replayed as (
    update tallystick.held h set state = 'retry', attempts = 0, deaths = 0, claim = h.claim + 1,
        lapses = case when chosen.reason = 'poison' then $4 else 0 end, reason = null,
        due_at = now(), patient_until = now() + chosen.patience
    from chosen where (h.durable, h.source, h.id) = (chosen.durable, chosen.source, chosen.id)
    returning h.durable, h.source, h.id)
insert into tallystick.actions (id, durable, source, message_id, action, actor, reason)
select gen_random_uuid(), durable, source, id, 'replay', $5, $6 from replayed
returning durable, source, message_id"""
_EDIT = """with before as (
    select durable, source, id, body from tallystick.held
    where (durable, source, id) = ($1, $2, $3) and state = 'dead' for update),
edited as (
    update tallystick.held h set body = $4, claim = h.claim + 1 from before b
    where (h.durable, h.source, h.id) = (b.durable, b.source, b.id))
insert into tallystick.actions (id, durable, source, message_id, action, actor, reason, before)
select $5, durable, source, id, 'edit', $6, $7, body from before returning message_id"""
_DISCARD = """with discarded as (
    update tallystick.held set state = 'discarded', claim = claim + 1
    where (durable, source, id) = ($1, $2, $3) and state = 'dead' returning durable, source, id)
insert into tallystick.actions (id, durable, source, message_id, action, actor, reason)
select $4, durable, source, id, 'discard', $5, $6 from discarded returning message_id"""
_HEADERS = """select headers from tallystick.held
where (durable, source, id) = ($1, $2, $3) and state = 'dead'"""
_AUDIT = """select id, happened_at, durable, source, message_id, action, actor, reason
from tallystick.actions where happened_at < coalesce($1::timestamptz, 'infinity')
order by happened_at desc, id limit $2"""


class NotDead(TallystickError):
    """There is no such dead letter."""


@dataclass(frozen=True, slots=True)
class Act:
    """Who repairs, and why."""

    actor: str
    reason: str


class Repair:
    """What a person may do with the dead letters of one service."""

    def __init__(self, database: Database, router: Router) -> None:
        self._database = database
        self._router = router

    async def replay(self, keys: Sequence[Key], act: Act) -> list[Key]:
        """Lets dead letters fall due again; returns those that did. Safe to repeat."""
        columns = [list(column) for column in zip(*keys, strict=True)] or [[], [], []]
        patience = [self._binding(key).retry.patience for key in keys]
        rows = await self._database.fetch(
            _REPLAY, *columns, SUSPECT_LAPSES, act.actor, act.reason, patience
        )
        return [(row[0], row[1], row[2]) for row in rows]

    async def edit(self, key: Key, body: bytes, act: Act) -> UUID:
        """Gives a dead letter another body, which its handler can read; the original is kept.

        Raises NotDead, or InvalidMessage for a body that does not fit.
        """
        binding = self._binding(key)
        binding.decode(Inbound(*key, "", await self._headers(key), body))
        action = new_id()
        args = (*key, body, action, act.actor, act.reason)
        return await self._one(_EDIT, args, key, action)

    async def discard(self, key: Key, act: Act) -> UUID:
        """Gives a dead letter up. Raises NotDead, or DeclarationError for an effect.

        An effect is replayed or resolved, never discarded: nobody else would ever finish it.
        """
        if self._binding(key).kind == "effect":
            raise DeclarationError("an effect is replayed or resolved, never discarded")
        action = new_id()
        return await self._one(_DISCARD, (*key, action, act.actor, act.reason), key, action)

    async def audit(self, before: Any, limit: int) -> list[dict[str, Any]]:
        """What was done, the newest first."""
        return [dict(row) for row in await self._database.fetch(_AUDIT, before, limit)]

    async def _one(self, sql: str, args: tuple[Any, ...], key: Key, action: UUID) -> UUID:
        if not await self._database.fetch(sql, *args):
            raise NotDead(f"{'/'.join(key)} is no dead letter")
        return action

    async def _headers(self, key: Key) -> bytes:
        rows = await self._database.fetch(_HEADERS, *key)
        if not rows:
            raise NotDead(f"{'/'.join(key)} is no dead letter")
        return bytes(rows[0][0])

    def _binding(self, key: Key) -> Binding:
        binding = self._router.bindings.get(key[0])
        if binding is None:
            raise NotDead(f"{self._router.name} has no durable {key[0]}")
        return binding
