"""Shows what a rewind means, and asks a person to agree."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import typer

from tallystick._broker.connection import Connection
from tallystick._broker.jetstream import request
from tallystick._cli.errors import UsedWrongly
from tallystick._cli.times import moment
from tallystick.topology import sequence_at

HARMLESS = (
    "The inbox of its service knows what is done, and nothing takes effect twice;\n"
    "only a handler that is declared idempotent, such as a projection's, runs again."
)


async def look(broker: Connection, stream: str, to: datetime | int) -> dict[str, Any]:
    """Return how many messages were stored since then, and the sequence of the first."""
    sequence = to if isinstance(to, int) else await sequence_at(broker.client, stream, to)
    state = (await request(broker.client, f"STREAM.INFO.{stream}"))["state"]
    return {"to": to, "sequence": sequence, "messages": max(0, state["last_seq"] + 1 - sequence)}


def told(to: datetime | int) -> str:
    """Return a time as people read it, or a sequence as it is."""
    return str(to) if isinstance(to, int) else moment(to)


def agree(plan: Mapping[str, Any]) -> None:
    """Ask whether to go on; raises UsedWrongly without a yes."""
    most = f"at most {plan['messages']:,} messages of {plan['stream']}, since {told(plan['to'])}"
    typer.echo(f"{plan['durable']} will read again {most}.\n{HARMLESS}", err=True)
    try:
        agreed = typer.confirm("Rewind?", err=True)
    except typer.Abort:
        raise UsedWrongly("nothing was changed, because nobody agreed: add --yes") from None
    if not agreed:
        raise UsedWrongly("nothing was changed")
