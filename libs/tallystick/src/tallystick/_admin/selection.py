"""Which dead letters are meant: those that everything said is true of, or all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from tallystick._database.postgres import Record
from tallystick._messages.envelope import encoded, parse_headers

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=1024)]
"""What can be compared with a column: PostgreSQL knows no NUL."""

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def kept(moment: datetime) -> datetime:
    """Return it if PostgreSQL can compare it in any zone; raises ValueError, or TypeError."""
    if not EARLIEST <= moment <= LATEST:
        raise ValueError(f"not from {EARLIEST.year} to {LATEST.year}")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(kept)]
"""A time that PostgreSQL can compare in any zone."""

NAMED = """(cardinality($1::text[]) = 0 or h.fingerprint = any($1) or h.id = any($1)
        or h.durable || '/' || h.source || '/' || h.id = any($1)
        or exists (select from unnest($1::text[]) name where position(
            convert_to(e'\\r\\nce-subject: ' || name || e'\\r\\n', 'UTF8')
            in '\\x0d0a'::bytea || h.headers) > 0))"""
"""True of a row `h` of the held table that one of the names means: see `names_of`."""
# A dead letter falls due no more: its last due time is when it died.
SELECTED = f"""h.state = 'dead' and {NAMED}
    and ($2::text is null or h.durable = $2)
    and ($3::text is null or h.reason = $3)
    and ($4::text is null or h.error_type = $4)
    and ($5::text is null or coalesce(h.fingerprint, '') = $5)
    and ($6::timestamptz is null or h.due_at >= $6)
    and ($7::timestamptz is null or h.due_at <= $7)"""
"""True of a row `h` of the held table that a selection, as the first arguments, selects."""


def names_of(names: Sequence[str]) -> list[str]:
    """The argument of NAMED: names, and as which keys they stand in headers."""
    return [*names, *(spelt for name in names if (spelt := encoded(name)) != name)]


def key_of(row: Mapping[str, Any] | Record) -> str | None:
    """What a row of the held table is about: its header says so, and an effect is named by it."""
    told = parse_headers(row["headers"]).get("ce-subject")
    return told or (row["id"] if row["subject"].startswith("eff.") else None)


class Selection(BaseModel):
    """Dead letters; what is not said does not matter.

    `dead_letter` names some by fingerprint, by a message's id, by the key that they are about or by
    `durable/source/id`; `fingerprint` is one alone, and empty for those that have none. `since` and
    `until` say when they died.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dead_letter: list[Text] = Field(default_factory=list, max_length=100)
    durable: Text | None = None
    reason: Text | None = None
    error_type: Text | None = None
    fingerprint: Text | None = None
    since: Moment | None = None
    until: Moment | None = None

    @property
    def args(self) -> tuple[Any, ...]:
        """The arguments of SELECTED."""
        about = (self.durable, self.reason, self.error_type, self.fingerprint)
        return (names_of(self.dead_letter), *about, self.since, self.until)
