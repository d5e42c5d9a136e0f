"""Units of work: writes that are decided first, then committed together or not at all.

Section 8 of docs/delivery.md.
"""

from __future__ import annotations

from collections.abc import Coroutine, Hashable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from tallystick._messages.message import Message


class Write(msgspec.Struct, frozen=True):
    """One statement and its arguments.

    `guard` is the key that the statement must return (`... where id = $1 and version = $2 returning
    id`; a tuple for several columns). If it returns nothing, the row has changed since it was read:
    only the unit of this write is rolled back and raises Conflict. A guarded statement touches at
    most one row.

    `arrays` says that the statement takes an array for each argument, and so writes the rows of
    many units at once: `insert into sales select * from unnest($1::uuid[], $2::int[])`. One run for
    each row costs three times as much, here and in the database.
    """

    sql: str
    args: tuple[Any, ...] = ()
    guard: Hashable | None = None
    arrays: bool = False

    @property
    def alone(self) -> Sequence[Any]:
        """The arguments with which the statement does this write alone."""
        return [[arg] for arg in self.args] if self.arrays else self.args

    def __post_init__(self) -> None:
        """Raise TypeError for a guard that cannot be compared, such as a list."""
        try:
            hash(self.guard)
        except TypeError:
            raise TypeError(
                f"a guard is a key, or a tuple for several columns, not {self.guard!r}"
            ) from None


class Settlement(Write, frozen=True, kw_only=True):
    """The write that marks a message as received, deferred or done.

    `message` is its key. A guard does not tell: the statements return different columns, and two
    units about one message must not share a transaction. The one that finds the other's row would
    be told that the message was received before, though the other may yet be rolled back.
    """

    message: Hashable


class RequiredWrite(Write, frozen=True):
    """One of the library's writes, which raises NotCurrent if it returns nothing."""


Part = Write | Message
"""A part of a unit: a statement, or a message or effect that is stored with the statements."""


def check_parts(parts: Iterable[object]) -> None:
    """Raise TypeError for an object that is not a part, and for arguments that are not a tuple."""
    for part in parts:
        if not isinstance(part, Write | Message):
            raise TypeError(_not_a_part(part))
        if isinstance(part, Write) and not isinstance(part.args, tuple | list):
            name = type(part.args).__name__
            raise TypeError(
                f"the arguments of {part.sql[:80]!r} are a {name}, not a tuple: write (one,)"
            )


def _not_a_part(part: object) -> str:
    name = type(part).__name__
    if isinstance(part, Coroutine):
        return f"a commit takes writes and messages, not a {name}: did you forget await?"
    if isinstance(part, list | tuple | set | frozenset | Iterator):
        return f"a commit takes writes and messages, not a {name} of them: did you forget the *?"
    return f"a commit takes writes and messages, not a {name}"


class Unit(msgspec.Struct, frozen=True, eq=False):
    """All that one delivery or request commits.

    `settlement` marks the message as received, deferred or done; `writes` are the handler's;
    `outputs` are the rows of outgoing messages and effects, and their guards show which are new.
    """

    writes: tuple[Write, ...] = ()
    outputs: tuple[Write, ...] = ()
    settlement: Write | None = None

    def keys(self) -> Iterator[Hashable]:
        """Yield the keys that no other unit of the same group may contain."""
        if isinstance(self.settlement, Settlement):
            yield self.settlement.message
        elif self.settlement is not None:
            yield self.settlement.guard
        yield from (write.guard for write in self.writes if write.guard is not None)


def batches(units: Iterable[Unit]) -> Iterator[tuple[str, list[tuple[Unit, Write]]]]:
    """Yield the statements of a group in the order they run, each once with all its arguments.

    Settlements come first and outputs last. Between them a unit's writes keep their order; units
    with the same sequence of statements are combined. Statements and guards are sorted, so that two
    groups lock rows in the same order.
    """
    units = list(units)
    yield from _by_statement(
        (unit, unit.settlement) for unit in units if unit.settlement is not None
    )
    for alike in _by_sequence(units):
        for step in zip(*([(unit, write) for write in unit.writes] for unit in alike), strict=True):
            yield step[0][1].sql, sorted(step, key=_guard)
    yield from _by_statement((unit, write) for unit in units for write in unit.outputs)


def _by_statement(
    pairs: Iterable[tuple[Unit, Write]],
) -> Iterator[tuple[str, list[tuple[Unit, Write]]]]:
    found: dict[str, list[tuple[Unit, Write]]] = {}
    for unit, write in pairs:
        found.setdefault(write.sql, []).append((unit, write))
    for sql in sorted(found):
        yield sql, sorted(found[sql], key=_guard)


def _by_sequence(units: Iterable[Unit]) -> Iterable[list[Unit]]:
    found: dict[tuple[str, ...], list[Unit]] = {}
    for unit in units:
        found.setdefault(tuple(write.sql for write in unit.writes), []).append(unit)
    return (found[sequence] for sequence in sorted(found))


def _guard(pair: tuple[Unit, Write]) -> str:
    return str(pair[1].guard)
