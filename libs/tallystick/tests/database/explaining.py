"""Explains statements as their connections plan them: what they scan, and how long they take."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg

from libs.tallystick.tests.database.recording import Statement

MODES = ("force_generic_plan", "force_custom_plan")
"""A prepared statement gets either, as PostgreSQL likes."""


@dataclass(frozen=True)
class Explained:
    """The tables that a statement reads from end to end, and the time it took in ms.

    `ms` is None for a statement that cannot be run a second time, such as an insert of its id.
    """

    scanned: frozenset[str]
    ms: float | None


async def explained(connection: asyncpg.Connection, statement: Statement) -> Explained:
    """Run a statement with its last arguments by a generic and a custom plan, and undo it."""
    found = [await _explained(connection, statement, mode) for mode in MODES]
    timed = [each.ms for each in found if each.ms is not None]
    scanned = frozenset().union(*(each.scanned for each in found))
    return Explained(scanned, max(timed, default=None))


async def _explained(connection: asyncpg.Connection, statement: Statement, mode: str) -> Explained:
    prepared = await connection.prepare(statement.sql)
    values = [
        await connection.fetchval(f"select quote_nullable($1::{parameter.name}::text)", value)
        for parameter, value in zip(prepared.get_parameters(), statement.args, strict=True)
    ]
    run = f"execute explained ({', '.join(values)})" if values else "execute explained"
    await connection.execute(f"prepare explained as {statement.sql}")
    transaction = connection.transaction()
    await transaction.start()
    try:
        for name, value in (*statement.settings.items(), ("plan_cache_mode", mode)):
            await connection.execute(f"set local {name} = {value}")
        plan = await _plan(connection, run)
        return Explained(frozenset(_scanned(plan["Plan"])), plan.get("Execution Time"))
    finally:
        await transaction.rollback()
        await connection.execute("deallocate explained")


async def _plan(connection: asyncpg.Connection, run: str) -> Any:
    try:
        async with connection.transaction():
            text = await connection.fetchval(f"explain (analyze, format json) {run}")
    except asyncpg.IntegrityConstraintViolationError:
        text = await connection.fetchval(f"explain (format json) {run}")
    return json.loads(text)[0]


def _scanned(plan: dict[str, Any]) -> Iterator[str]:
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for part in plan.get("Plans", ()):
        yield from _scanned(part)
