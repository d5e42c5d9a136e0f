"""Asks services about what they have parked, and tells them what a person decided.

A service that parks has `GET /admin/parked`, and below it `/{order}`, `/{order}/retry` and
`/{order}/resolve`; what can be decided is the service's to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tallystick.cli import (
    Answers,
    Places,
    Refused,
    Services,
    Silent,
    UsedWrongly,
    asked,
    path_of,
)

NOT_MINE = 422
"""A service's answer to a decision that is not its to take."""


async def each(at: Places, path: str, params: Sequence[tuple[str, str]] = ()) -> Answers:
    """What the services answer that have such a path and know what it names."""
    async with asked(at) as services:
        return await services.each(path, params, optional=True)


async def retry(at: Places, order: str, body: Mapping[str, str]) -> dict[str, Any]:
    """Has an order tried again wherever it is parked; raises UsedWrongly, Silent, or Refused."""
    async with asked(at) as services:
        known = await _known(services, order)
        parked = [name for name, row in known.given.items() if row["parked"] is not None]
        if not parked:
            nowhere = f"{order} is not parked: see tally parked show {order}"
            raise UsedWrongly("; ".join([nowhere, *known.silent.values()]))
        path = path_of("parked", order, "retry")
        return {name: await services.post(name, path, body) for name in parked}


async def resolve(at: Places, order: str, body: Mapping[str, str]) -> dict[str, Any]:
    """Has the service decide that can; raises UsedWrongly if none can, Silent, or Refused.

    Those are asked first where the order is parked.
    """
    async with asked(at) as services:
        known = await _known(services, order)
        refusals = []
        for name in sorted(known.given, key=lambda name: known.given[name]["parked"] is None):
            try:
                return {name: await services.post(name, path_of("parked", order, "resolve"), body)}
            except Refused as refused:
                if refused.status != NOT_MINE:
                    raise
                refusals.append(str(refused))
    raise UsedWrongly("; ".join([*refusals, *known.silent.values()]))


async def _known(services: Services, order: str) -> Answers:
    """What services say of the order; raises Silent, or UsedWrongly if nobody knows it."""
    answers = await services.each(path_of("parked", order), optional=True)
    if not answers.given:
        for reason in answers.silent.values():
            raise Silent(reason)
        raise UsedWrongly(f"no service knows an order {order}")
    return answers
