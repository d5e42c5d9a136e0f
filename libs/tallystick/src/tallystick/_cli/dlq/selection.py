"""The options that say which dead letters are meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer

from tallystick._cli.times import parse_time

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
        help="Only what died of this: schema, permanent, exhausted, poison, expired.",
    ),
]
ErrorType = Annotated[
    str | None, typer.Option(metavar="NAME", help="Only with this type of error, as NoAnswer.")
]
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Only what died since: 10m, 2h (ago), 2026-11-25T10:00Z."),
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Only what died until then.")]


@dataclass(frozen=True)
class Selected:
    """Which letters, as services are told."""

    dead_letters: tuple[str, ...]
    about: Mapping[str, str]

    def __bool__(self) -> bool:
        """Whether anything is said: otherwise all are meant."""
        return bool(self.dead_letters or self.about)

    @property
    def params(self) -> list[tuple[str, str]]:
        """For a query."""
        return [
            *(("dead_letter", dead_letter) for dead_letter in self.dead_letters),
            *self.about.items(),
        ]

    def as_of(self, time: str) -> dict[str, Any]:
        """Those that had died by then, for a body."""
        ends = (time, self.about.get("until", time))
        until = min(ends, key=datetime.fromisoformat)
        return {"dead_letter": self.dead_letters, **self.about, "until": until}

    def of_group(self, group: Mapping[str, Any], time: str) -> dict[str, Any]:
        """Those of one group among them."""
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
    """Return what the options say; raises UsedWrongly."""
    said = {
        "durable": durable,
        "reason": died_of,
        "error_type": error_type,
        "since": since and parse_time(since).isoformat(),
        "until": until and parse_time(until).isoformat(),
    }
    return Selected(tuple(dead_letters or ()), {name: text for name, text in said.items() if text})
