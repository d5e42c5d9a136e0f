"""A reader of a source, and when it may be judged at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from tallystick._account.coverage import Since, border_from
from tallystick._account.fates import DurableState
from tallystick._account.protocol import AccountAnswer
from tallystick._account.spans import PERIOD

Answer = TypeVar("Answer", bound=AccountAnswer)


@dataclass(frozen=True)
class Reader:
    """A durable, and the types of one source that it reads."""

    source: str
    durable: str
    types: Mapping[str, Since]
    kept_from: int = 0
    """The inbox has everything that was made from then on."""
    period: int = PERIOD
    """The length of a period, as the source last said."""
    database: UUID | None = None
    """The source's database, as it first said; None before that."""

    @property
    def names(self) -> tuple[str, ...]:
        """Its types in the order in which they are asked for."""
        return tuple(sorted(self.types))

    @property
    def judged_from(self) -> int:
        """The first moment that may be judged."""
        borders = (border_from(since, self.period) for since in self.types.values())
        return max(self.kept_from, min(borders, default=0))


class CannotJudge(Exception):
    """A look ends here: nothing can be said about the rest until the reason has gone."""


def judgeable(
    reader: Reader, durable: DurableState | None, declared: Collection[frozenset[str]] = ()
) -> DurableState:
    """Return what the broker says of the durable; raise CannotJudge if that proves nothing.

    Only while the durable reads what all living replicas declare (`declared`) does its floor say
    anything about a message: a durable with another filter passes by what it does not read.
    """
    wanted = frozenset(reader.types)
    if durable is None:
        raise CannotJudge(f"the durable {reader.durable} is not there")
    if durable.types != wanted:
        raise CannotJudge(f"the durable {reader.durable} does not read what is declared")
    if any(each != wanted for each in declared):
        raise CannotJudge(f"replicas declare different types for {reader.durable}")
    return durable


def checked(reader: Reader, answer: Answer | None) -> Answer:
    """Return a source's answer.

    Raises CannotJudge if there is none, or if it comes from another database of the same name.
    """
    if answer is None:
        raise CannotJudge(f"{reader.source} does not answer")
    if reader.database not in (None, answer.database):
        raise CannotJudge(
            f"{reader.source} answers from another database, {answer.database} instead of"
            f" {reader.database}"
        )
    return answer
