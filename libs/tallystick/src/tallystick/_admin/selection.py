"""Selects dead letters by conditions that must all be true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from tallystick._database.postgres import Record
from tallystick._messages.envelope import encoded, parse_headers

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=1024)]
"""Text that can be compared with a column: PostgreSQL has no NUL."""

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def kept(moment: datetime) -> datetime:
    """Return a time that PostgreSQL can compare in any zone; raises ValueError, or TypeError."""
    if not EARLIEST <= moment <= LATEST:
        raise ValueError(f"must be from {EARLIEST.year} to {LATEST.year}")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(kept)]
"""A time that PostgreSQL can compare in any zone."""

NAMED = """(cardinality($1::text[]) = 0 or h.fingerprint = any($1) or h.id = any($1)
        or h.durable || '/' || h.source || '/' || h.id = any($1)
        or exists (select from unnest($1::text[]) name where position(
            convert_to(e'\\r\\nce-subject: ' || name || e'\\r\\n', 'UTF8')
            in '\\x0d0a'::bytea || h.headers) > 0))"""
"""True of a row `h` of `tallystick.deferred` that one of the names matches: see `names_of`."""
# A dead letter is never due: its `due_at` is the time when it died.
SELECTED = f"""h.state = 'dead' and {NAMED}
    and ($2::text is null or h.durable = $2)
    and ($3::text is null or h.reason = $3)
    and ($4::text is null or h.error_type = $4)
    and ($5::text is null or coalesce(h.fingerprint, '') = $5)
    and ($6::timestamptz is null or h.due_at >= $6)
    and ($7::timestamptz is null or h.due_at <= $7)"""
"""True of a row `h` of `tallystick.deferred` that `Selection.args` select, as first arguments."""


def names_of(names: Sequence[str]) -> list[str]:
    """Return the argument of NAMED: the names, and as keys in headers: percent-encoded."""
    return [*names, *(spelt for name in names if (spelt := encoded(name)) != name)]


def key_of(row: Mapping[str, Any] | Record) -> str | None:
    """Return the key of a deferred row: its header `ce-subject`, or the id of an effect."""
    key = parse_headers(row["headers"]).get("ce-subject")
    return key or (row["id"] if row["subject"].startswith("eff.") else None)


class Selection(BaseModel):
    """Conditions on dead letters; one that is not given selects all.

    `dead_letter` names them by fingerprint, message id, key or `durable/source/id`. `fingerprint`
    is exactly one, or empty for dead letters without one. `since` and `until` limit when they died.
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
