"""The table of readers: which number in the inbox belongs to which durable and source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tallystick._database.postgres import Postgres
from tallystick._messages.identity import reader_number
from tallystick.errors import DeclarationError

_REGISTER = """insert into tallystick.readers (number, durable, source)
select * from unnest($1::int[], $2::text[], $3::text[]) on conflict do nothing"""
_REGISTERED = "select number, durable, source from tallystick.readers where number = any($1::int[])"


class Reader(NamedTuple):
    """A durable, and the source that it reads."""

    durable: str
    source: str

    @property
    def number(self) -> int:
        """By what the inbox knows it."""
        return reader_number(self.durable, self.source)


async def register(database: Postgres, readers: Sequence[Reader]) -> None:
    """Store the numbers of readers; raise DeclarationError if two of them have the same number."""
    numbers = {reader.number: reader for reader in readers}
    columns = [list(numbers), [r.durable for r in readers], [r.source for r in readers]]
    if len(numbers) == len(readers):
        await database.fetch(_REGISTER, *columns)
    for number, *registered in await database.fetch(_REGISTERED, list(numbers)):
        _check(number, readers, registered)


def _check(number: int, readers: Sequence[Reader], registered: Sequence[str]) -> None:
    for reader in readers:
        if reader.number == number and list(reader) != list(registered):
            other = " of ".join(registered)
            raise DeclarationError(
                f"the durables {reader.durable} and {other} have the same number: rename one"
            )
