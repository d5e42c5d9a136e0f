"""Replays, edits and discards dead letters, and records who did it, when and why.

A replay publishes nothing: the deferred row is due again under a new lease number. So only the
durable that failed tries it, a replay that was cut off can be run again, and a message that is done
is never done again. Nothing is ever removed from the record. Section 10 of docs/delivery.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tallystick._admin import repair_rows as rows
from tallystick._admin.body_check import check_body
from tallystick._admin.selection import Selection
from tallystick._database.postgres import Postgres
from tallystick._deferred.protocol import QUARANTINE_AFTER
from tallystick._messages.binding import Binding
from tallystick._messages.ids import new_id
from tallystick._messages.inbound import Inbound, Key
from tallystick._messages.router import Router
from tallystick.errors import DeclarationError, TallystickError

MOST_AT_ONCE = 1000  # dead letters in one commit


class NotDead(TallystickError):
    """There is no such dead letter, or this release does not have its durable."""


class EffectKept(DeclarationError):
    """An effect is replayed or resolved, never discarded: nothing else would ever finish it."""


@dataclass(frozen=True, slots=True)
class Act:
    """Who repairs, and why; the record shows acts of one `run` as one."""

    actor: str
    reason: str
    run: UUID = field(default_factory=new_id)


class Repair:
    """Repairs the dead letters of one service."""

    def __init__(self, database: Postgres, router: Router) -> None:
        self._database = database
        self._router = router

    async def replay(self, keys: Sequence[Key], act: Act) -> list[Key]:
        """Make dead letters due again; return the keys of those that were dead. Safe to repeat.

        Raises NotDead for a durable that this release does not have.
        """
        async with self._database.connection() as connection:
            return await self._replay(connection, keys, act)

    async def replay_up_to(self, target: int, selection: Selection, act: Act) -> int:
        """Replay selected dead letters, the oldest first, until the run has `target` of them.

        Return how many the run has: fewer than `target` if there are no more, or if more than
        MOST_AT_ONCE were missing. A repeated call replays nothing twice. An expired message may
        have been done before: it is replayed only if the selection names the reason `expired`.
        Raises NotDead for a durable that this release does not have.
        """
        return await self._up_to(target, selection, act, rows.CHOOSE_TO_REPLAY, self._replay)

    async def discard(self, keys: Sequence[Key], act: Act) -> list[Key]:
        """Discard dead letters; return the keys of those that were dead.

        Raises EffectKept if an effect is among them, and discards none.
        """
        async with self._database.connection() as connection:
            return await self._discard(connection, keys, act)

    async def discard_up_to(self, target: int, selection: Selection, act: Act) -> int:
        """Discard selected dead letters, counted as `replay_up_to` counts.

        Raises EffectKept if any of all the selected ones is an effect, and discards none.
        """
        effects = await self._database.fetch(rows.SELECTED_EFFECT, *selection.args)
        if effects:
            raise EffectKept(f"{'/'.join(effects[0])} is an effect")
        return await self._up_to(target, selection, act, rows.CHOOSE, self._discard)

    async def edit(self, key: Key, body: bytes, act: Act) -> UUID:
        """Give a dead letter another body; the record keeps the original. Return the act's id.

        Raises NotDead, or InvalidBody for a body that its handler cannot read.
        """
        binding = self._binding(key[0])
        found = await self._database.fetch(rows.DEAD, *key)
        if not found:
            raise NotDead(f"{'/'.join(key)} is not a dead letter")
        subject, headers, before = found[0]
        check_body(binding, Inbound(*key, subject, headers, body), before)
        action = new_id()
        args = (*key, body, action, act.actor, act.reason, act.run)
        if not await self._database.fetch(rows.EDIT, *args):
            raise NotDead(f"{'/'.join(key)} is not a dead letter any more")
        return action

    async def _up_to(
        self,
        target: int,
        selection: Selection,
        act: Act,
        choose: str,
        repair: Callable[[Any, Sequence[Key], Act], Awaitable[list[Key]]],
    ) -> int:
        async with self._database.connection() as connection:
            await connection.execute(rows.ALONE, act.run)
            before: int = await connection.fetchval(rows.DONE_BY, act.run)
            limit = min(max(target - before, 0), MOST_AT_ONCE)
            chosen = await connection.fetch(choose, *selection.args, limit)
            return before + len(await repair(connection, [(r[0], r[1], r[2]) for r in chosen], act))

    async def _replay(self, connection: Any, keys: Sequence[Key], act: Act) -> list[Key]:
        give_up_after = [self._binding(key[0]).retry.give_up_after for key in keys]
        args = (QUARANTINE_AFTER, act.actor, act.reason, give_up_after, act.run)
        return _keys(await connection.fetch(rows.REPLAY, *_columns(keys), *args))

    async def _discard(self, connection: Any, keys: Sequence[Key], act: Act) -> list[Key]:
        columns = _columns(keys)
        if effects := await connection.fetch(rows.EFFECTS, *columns):
            raise EffectKept(f"{'/'.join(effects[0])} is an effect")
        return _keys(await connection.fetch(rows.DISCARD, *columns, act.actor, act.reason, act.run))

    def _binding(self, durable: str) -> Binding:
        binding = self._router.bindings.get(durable)
        if binding is None:
            raise NotDead(f"{self._router.name} has no durable {durable}")
        return binding


def _columns(keys: Sequence[Key]) -> list[list[str]]:
    """Return keys as the three arrays that a statement takes."""
    return [[key[place] for key in keys] for place in range(3)]


def _keys(records: Sequence[Any]) -> list[Key]:
    return [(row[0], row[1], row[2]) for row in records]
