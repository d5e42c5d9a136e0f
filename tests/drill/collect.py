"""Reads every database, both ledgers and the streams."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from tallystick._messages.envelope import parse_headers  # inside: headers as the wire has them
from tallystick.testing.known import KNOWN
from tallystick_local.reading import fetch
from tests.drill import broker
from tests.drill.evidence import SERVICES, Evidence, Row

_OF = {
    "orders": ("orders", "select * from orders order by placed_at"),
    "payments": ("payments", "select * from payments order by opened_at"),
    "shipments": ("shipping", "select * from shipments order by opened_at"),
    "operations": ("payments", "select * from operations order by confirmed_at"),
    "totals": ("payments", "select * from daily_totals"),
    "provider": ("sandbox", "select * from provider_ledger order by position"),
    "carrier": ("sandbox", "select * from carrier_ledger order by position"),
    "mail": ("sandbox", "select * from mail_ledger order by position"),
    "letters": ("newsletter", "select * from letters order by written_at"),
}
_HELD = """
    select durable, source, id, subject, headers, stream, state, reason, due_at, attempts,
        expired_leases, crashes, lease, replica, error_type, error, deferred_at,
        due_at <= now() as due
    from tallystick.deferred"""
_LIBRARY = {
    "outbox": """
        select id::text, subject, headers, key, correlation_id, type, republication,
            stored_at, queued_at, sent_at
        from tallystick.outbox order by stored_at""",
    "inbox": f"select * from {KNOWN} order by taken_at",
    "held": f"{_HELD} order by deferred_at",
    "attempts": "select * from tallystick.attempts order by ended_at",
    "kept_sums": "select start, length, types, counts from tallystick.kept_sums",
}

_NAMED = """
    select r.durable, r.source, u.id::text
    from tallystick.unknown u join tallystick.readers r on r.number = u.reader"""
_WITNESSED = """
    select r.durable from tallystick.accounts a join tallystick.readers r on r.number = a.reader
    where a.set_back is not null"""


async def collect(
    server: str, nats: str, services: Sequence[str] = SERVICES, **known: Any
) -> Evidence:
    """All evidence at one time; `known` is what no server knows. Raises what the servers raise."""
    tables = {
        table: await fetch(server, name, sql)
        for table, (name, sql) in _OF.items()
        if name in (*services, "sandbox")
    }
    library = {
        table: {name: await _rows(server, name, sql) for name in services}
        for table, sql in _LIBRARY.items()
    }
    named = [row for name in services for row in await fetch(server, name, _NAMED)]
    async with broker.connected(nats) as client:
        seen = await broker.sightings(client)
        durables = await broker.standings(client, services)
    known["named"] = {(row["durable"], row["source"], row["id"]) for row in named}
    found = [row for name in services for row in await fetch(server, name, _WITNESSED)]
    known["witnessed"] = {row["durable"] for row in found}
    everything: Mapping[str, Any] = {**tables, **library, **known, "read_at": time.time()}
    readers = broker.readers(services)
    return Evidence(sightings=seen, durables=durables, readers=readers, **everything)


async def dead_letters(server: str, services: Sequence[str] = SERVICES) -> list[Row]:
    """Every dead letter, with its service."""
    found: list[Row] = []
    for name in services:
        rows = await _rows(server, name, f"{_HELD} where state = 'dead'")
        found += ({**row, "service": name} for row in rows)
    return found


async def _rows(server: str, service: str, sql: str) -> Sequence[Row]:
    return [_read(row) for row in await fetch(server, service, sql)]


def _read(row: Row) -> Row:
    """The row with the key and the sequence of its headers instead of the headers."""
    if "headers" not in row:
        return row
    headers = parse_headers(row["headers"])
    sequence = headers.get("ce-sequence", "")
    rest = {name: value for name, value in row.items() if name != "headers"}
    # The headers of an effect have no subject: its id is its key.
    about = row.get("key") or headers.get("ce-subject") or row["id"]
    return {**rest, "about": about, "sequence": int(sequence) if sequence.isdigit() else None}
