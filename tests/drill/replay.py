"""Lets dead letters run again, once what made them dead is gone."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from tallystick import Database
from tallystick._repair import Act, Repair
from tallystick_local.plan import Facts
from tests.drill.evidence import SERVICES, Row

BECAUSE = Act("drill", "the poison is gone")


async def replay(facts: Facts, dead: Sequence[Row]) -> dict[str, int]:
    """Replay all but what nobody can read; how many, by service."""
    done = {}
    for service in SERVICES:
        keys = [
            (row["durable"], row["source"], row["id"])
            for row in dead
            if row["service"] == service and row["reason"] != "schema"
        ]
        if keys:
            done[service] = await _replay(service, facts.database(service), keys)
    return done


async def _replay(service: str, url: str, keys: Sequence[tuple[str, str, str]]) -> int:
    database = Database(url, name="drill")
    router = import_module(f"{service}.handlers").router
    try:
        return len(await Repair(database, router).replay(keys, BECAUSE))
    finally:
        await database.close()
