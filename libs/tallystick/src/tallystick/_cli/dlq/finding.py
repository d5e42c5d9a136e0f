"""Finds the dead letters of a name, in whichever service they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tallystick._cli.admin_api import ServiceRefused, Services, Silent, path_of
from tallystick._cli.dlq.dead_letter import reference
from tallystick._cli.errors import UsedWrongly
from tallystick._cli.targets import Places

Found = tuple[str, Mapping[str, Any]]
"""A service, and one of its dead letters, with durable, source and id at least."""


async def whole(services: Services, places: Places, name: str) -> dict[str, Any]:
    """Return the newest dead letter of this name whole, also if it was repaired.

    Raises UsedWrongly, Silent or ServiceRefused.
    """
    if name.count("/") >= 2:
        return await _by_key(services, places, name)
    found, silent = await dead(services, name)
    if not found:
        found, silent = await _repaired(services, name)
    if not found:
        raise _nowhere(name, silent)
    service, dead_letter = found[0]
    return {"service": service, **await services.get(service, _path(dead_letter))}


async def the_one(services: Services, places: Places, name: str) -> dict[str, Any]:
    """Return the only dead letter of this name; raises UsedWrongly for none or several."""
    if name.count("/") >= 2:
        return await _by_key(services, places, name)
    found, silent = await dead(services, name)
    if not found:
        raise _nowhere(name, silent)
    if len(found) > 1:
        several = ", ".join(reference(dead_letter) for _, dead_letter in found)
        raise UsedWrongly(f"{name} names several, choose one: {several}")
    service, dead_letter = found[0]
    return {"service": service, **await services.get(service, _path(dead_letter))}


async def dead(services: Services, name: str) -> tuple[list[Found], Mapping[str, str]]:
    """Return at most two dead letters of each service, the newest first, and who is silent."""
    answers = await services.each(path_of("dead-letters", name), [("limit", "2")])
    return _sorted(answers.given, "dead_letters", "died_at"), answers.silent


async def _repaired(services: Services, name: str) -> tuple[list[Found], Mapping[str, str]]:
    answers = await services.each(path_of("repairs", name), [("limit", "1")])
    return _sorted(answers.given, "acts", "at"), answers.silent


def _sorted(given: Mapping[str, Any], member: str, at: str) -> list[Found]:
    found = [(name, dead_letter) for name, page in given.items() for dead_letter in page[member]]
    return sorted(found, key=lambda one: str(one[1][at]), reverse=True)


async def _by_key(services: Services, places: Places, name: str) -> dict[str, Any]:
    durable, rest = name.split("/", 1)
    owners = [service for service in places.admins if durable.startswith(f"{service}-")]
    for service in owners or places.admins:
        try:
            found = await services.get(service, path_of("dead-letters", durable, rest))
        except ServiceRefused as refused:
            if refused.status != 404:
                raise
        else:
            return {"service": service, **found}
    raise _nowhere(name, {})


def _path(dead_letter: Mapping[str, Any]) -> str:
    return path_of(
        "dead-letters", dead_letter["durable"], f"{dead_letter['source']}/{dead_letter['id']}"
    )


def _nowhere(name: str, silent: Mapping[str, str]) -> Exception:
    for reason in silent.values():
        return Silent(reason)
    return UsedWrongly(f"no service has a dead letter {name}: see tally dlq list")
