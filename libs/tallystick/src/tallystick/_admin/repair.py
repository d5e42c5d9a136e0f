"""Dead letters repaired: replayed, edited, discarded, each with who, when and why on record.

A replay publishes nothing: the held row falls due again under a new claim, so only the durable
that failed sees it, it can be interrupted anywhere, and what is done is never done again. Nothing
is ever removed from the record.
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

MOST_AT_ONCE = 1000  # letters in one commit


class NotDead(TallystickError):
    """There is no such dead letter."""


class EffectKept(DeclarationError):
    """An effect is replayed or resolved, never discarded: nobody else would ever finish it."""


@dataclass(frozen=True, slots=True)
class Act:
    """Who repairs, and why; acts of one `run` are one for those who look at the record."""

    actor: str
    reason: str
    run: UUID = field(default_factory=new_id)


class Repair:
    """What a person may do with the dead letters of one service."""

    def __init__(self, database: Postgres, router: Router) -> None:
        self._database = database
        self._router = router

    async def replay(self, keys: Sequence[Key], act: Act) -> list[Key]:
        """Lets dead letters fall due again; returns those that did. Safe to repeat.

        Raises NotDead for a durable that this release does not have.
        """
        async with self._database.connection() as connection:
            return await self._replay(connection, keys, act)

    async def replay_up_to(self, target: int, selection: Selection, act: Act) -> int:
        """Replays selected ones, the oldest first, until the run has `target` of them.

        Returns how many the run has: fewer if there are no more, or more than MOST_AT_ONCE were
        missing. One that is asked twice does it once. What has expired may have been done before,
        and is replayed only if the selection says that reason.
        """
        return await self._up_to(target, selection, act, rows.CHOOSE_TO_REPLAY, self._replay)

    async def discard(self, keys: Sequence[Key], act: Act) -> list[Key]:
        """Gives dead letters up; returns those that were. Raises EffectKept, and discards none."""
        async with self._database.connection() as connection:
            return await self._discard(connection, keys, act)

    async def discard_up_to(self, target: int, selection: Selection, act: Act) -> int:
        """Discards selected ones, as `replay_up_to` replays; raises EffectKept, and discards none.

        It looks at all that are selected, not only at those whose turn it is.
        """
        effects = await self._database.fetch(rows.SELECTED_EFFECT, *selection.args)
        if effects:
            raise EffectKept(f"{'/'.join(effects[0])} is an effect")
        return await self._up_to(target, selection, act, rows.CHOOSE, self._discard)

    async def edit(self, key: Key, body: bytes, act: Act) -> UUID:
        """Gives a dead letter another body, which its handler can read; the original is kept.

        Raises NotDead, or InvalidBody for a body that does not fit.
        """
        binding = self._binding(key[0])
        found = await self._database.fetch(rows.DEAD, *key)
        if not found:
            raise NotDead(f"{'/'.join(key)} is no dead letter")
        subject, headers, before = found[0]
        check_body(binding, Inbound(*key, subject, headers, body), before)
        action = new_id()
        args = (*key, body, action, act.actor, act.reason, act.run)
        if not await self._database.fetch(rows.EDIT, *args):
            raise NotDead(f"{'/'.join(key)} is no dead letter any more")
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
    """Keys as the arrays that a statement takes."""
    return [[key[place] for key in keys] for place in range(3)]


def _keys(records: Sequence[Any]) -> list[Key]:
    return [(row[0], row[1], row[2]) for row in records]
