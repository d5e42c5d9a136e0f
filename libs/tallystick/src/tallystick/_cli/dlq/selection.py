"""The options that select dead letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, get_args

import typer

from tallystick._cli.errors import UsedWrongly
from tallystick._cli.times import parse_time
from tallystick._messages.retry import Reason

REASONS = get_args(Reason)
DeadLetterNames = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="LETTER",
        help="Fingerprints of groups, ids of messages, keys, or DURABLE/SOURCE/ID as listed.",
        show_default=False,
    ),
]
Durable = Annotated[
    str | None, typer.Option(metavar="DURABLE", help="Only of this durable, as payments-open.")
]
DiedOf = Annotated[
    str | None,
    typer.Option(
        metavar="REASON",
        help=f"Only of this reason: {', '.join(REASONS)}.",
    ),
]
ErrorType = Annotated[
    str | None, typer.Option(metavar="NAME", help="Only with this type of error, as NoAnswer.")
]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="Only those that died since: 10m, 2h (ago), 2026-11-25T10:00Z."
    ),
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Only those that died until then.")]


@dataclass(frozen=True)
class Selected:
    """The selected dead letters: names, and what they have in common."""

    dead_letters: tuple[str, ...]
    about: Mapping[str, str]

    def __bool__(self) -> bool:
        """Whether anything is selected: otherwise it stands for all."""
        return bool(self.dead_letters or self.about)

    @property
    def params(self) -> list[tuple[str, str]]:
        """Return the parameters of a query."""
        return [
            *(("dead_letter", dead_letter) for dead_letter in self.dead_letters),
            *self.about.items(),
        ]

    def as_of(self, time: str) -> dict[str, Any]:
        """Return those that had died by this time, for the body of a request."""
        ends = (time, self.about.get("until", time))
        until = min(ends, key=datetime.fromisoformat)
        return {"dead_letter": self.dead_letters, **self.about, "until": until}

    def of_group(self, group: Mapping[str, Any], time: str) -> dict[str, Any]:
        """Return those of one group among them."""
        about = {name: group[name] for name in ("durable", "reason")}
        return self.as_of(time) | about | {"fingerprint": group["fingerprint"] or ""}


def select(
    dead_letters: Sequence[str] | None,
    durable: str | None,
    died_of: str | None,
    error_type: str | None,
    since: str | None,
    until: str | None,
) -> Selected:
    """Return what the options select; raises UsedWrongly."""
    if died_of and died_of not in REASONS:
        raise UsedWrongly(f"no message dies of {died_of!r}, only of {', '.join(REASONS)}")
    given = {
        "durable": durable,
        "reason": died_of,
        "error_type": error_type,
        "since": since and parse_time(since).isoformat(),
        "until": until and parse_time(until).isoformat(),
    }
    return Selected(tuple(dead_letters or ()), {name: text for name, text in given.items() if text})
