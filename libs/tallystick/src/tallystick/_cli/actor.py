"""The options that say who acts and why; both are kept in the record."""

from __future__ import annotations

import getpass
import socket
import sys
from contextlib import suppress
from typing import Annotated

import typer

from tallystick._cli.errors import UsedWrongly


def _somebody() -> str:
    with suppress(OSError, KeyError):
        return f"{getpass.getuser()}@{socket.gethostname()}"
    return "somebody"


Actor = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Who decides.",
        default_factory=_somebody,
        show_default="you, at this machine",
    ),
]
Reason = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT", help="Why; it is kept in the record. You are asked if you leave it out."
    ),
]


def asked_reason(reason: str | None) -> str:
    """Return the reason; ask the person at the terminal if it is None. Raises UsedWrongly."""
    if reason is None and sys.stdin.isatty():
        with suppress(typer.Abort):
            reason = str(typer.prompt("Why? It is kept in the record", err=True))
    if not reason or not reason.strip():
        raise UsedWrongly(
            "a reason is needed, it is kept in the record: --reason 'the provider is back'"
        )
    return reason
