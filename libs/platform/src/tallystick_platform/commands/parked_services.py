"""Ask services for their parked orders, and send them a person's decision.

A service that parks orders has `GET /admin/parked`, and below it `/{order}`, `/{order}/retry` and
`/{order}/resolve`. Each service defines which decisions it takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tallystick.cli import (
    Answers,
    Places,
    ServiceRefused,
    Services,
    Silent,
    UsedWrongly,
    asked,
    path_of,
)

NOT_MINE = 422
"""The status by which a service refuses a decision that it cannot take."""


async def each(at: Places, path: str, params: Sequence[tuple[str, str]] = ()) -> Answers:
    """Return the answers of the services that have this path and know the order in it."""
    async with asked(at) as services:
        return await services.each(path, params, optional=True)


async def retry(at: Places, order: str, body: Mapping[str, str]) -> dict[str, Any]:
    """Retry an order in each service where it is parked.

    Raises UsedWrongly, Silent or ServiceRefused.
    """
    async with asked(at) as services:
        known = await _known(services, order)
        parked = [name for name, row in known.given.items() if row["parked"] is not None]
        if not parked:
            reason = f"{order} is not parked: see tally parked show {order}"
            raise UsedWrongly("; ".join([reason, *known.silent.values()]))
        path = path_of("parked", order, "retry")
        return {name: await services.post(name, path, body) for name in parked}


async def resolve(at: Places, order: str, body: Mapping[str, str]) -> dict[str, Any]:
    """Let the service that can take the decision do so; ask those first that parked the order.

    Raises UsedWrongly if no service can, Silent, or ServiceRefused.
    """
    async with asked(at) as services:
        known = await _known(services, order)
        refusals = []
        for name in sorted(known.given, key=lambda name: known.given[name]["parked"] is None):
            try:
                return {name: await services.post(name, path_of("parked", order, "resolve"), body)}
            except ServiceRefused as refused:
                if refused.status != NOT_MINE:
                    raise
                refusals.append(str(refused))
    raise UsedWrongly("; ".join([*refusals, *known.silent.values()]))


async def _known(services: Services, order: str) -> Answers:
    """Return the services' records of the order; raise Silent, or UsedWrongly if none has it."""
    answers = await services.each(path_of("parked", order), optional=True)
    if not answers.given:
        for reason in answers.silent.values():
            raise Silent(reason)
        raise UsedWrongly(f"no service knows an order {order}")
    return answers
