"""Which dead letters are meant: those that everything said is true of, or all."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=1024)]
"""What can be compared with a column: PostgreSQL knows no NUL."""

# A dead letter falls due no more: its last due time is when it died.
SELECTED = """h.state = 'dead'
    and (cardinality($1::text[]) = 0 or h.fingerprint = any($1) or h.id = any($1)
        or h.durable || '/' || h.source || '/' || h.id = any($1))
    and ($2::text is null or h.durable = $2)
    and ($3::text is null or h.reason = $3)
    and ($4::text is null or h.error_type = $4)
    and ($5::text is null or coalesce(h.fingerprint, '') = $5)
    and ($6::timestamptz is null or h.due_at >= $6)
    and ($7::timestamptz is null or h.due_at <= $7)"""
"""True of a row `h` of the held table that a selection, as the first arguments, selects."""


class Selection(BaseModel):
    """Dead letters; what is not said does not matter.

    `letter` names some by fingerprint, by a message's id or by `durable/source/id`; `fingerprint`
    is one alone, and empty for those that have none. `since` and `until` say when they died.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dead_letter: list[Text] = Field(default_factory=list, max_length=100)
    durable: Text | None = None
    reason: Text | None = None
    error_type: Text | None = None
    fingerprint: Text | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None

    @property
    def args(self) -> tuple[Any, ...]:
        """The arguments of SELECTED."""
        about = (self.durable, self.reason, self.error_type, self.fingerprint)
        return (self.dead_letter, *about, self.since, self.until)
