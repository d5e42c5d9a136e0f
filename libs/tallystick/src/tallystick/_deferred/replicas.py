"""Track the living replicas: each renews its row, and the leases of one that is gone expire.

Section 3 of docs/delivery.md.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import structlog

from tallystick._database.kept import Kept
from tallystick._database.migrate import Fetches
from tallystick._failpoints import failpoint
from tallystick._telemetry.metrics import EXPIRED_LEASES, child

log = structlog.get_logger()

_RENEW = """insert into tallystick.replicas (name, reads)
select $1, $2::text::jsonb from set_config('synchronous_commit', 'off', true)
on conflict (name) do update set seen_at = clock_timestamp()
returning (extract(epoch from clock_timestamp()) * 1000)::bigint,
    coalesce((select since from tallystick.kept), 0)"""
_READS = """select coalesce(jsonb_agg(reads -> $1), '[]')::text from tallystick.replicas
where reads ? $1 and seen_at > clock_timestamp() - $2::interval"""
_EXPIRE = """with expired as (
    update tallystick.deferred h set replica = null, expired_leases = h.expired_leases + 1,
        lease = h.lease + 1, starts = h.starts + 1, due_at = now()
    from (select durable, source, id, lease, replica from tallystick.deferred h
        where replica is not null and replica <> $1 and not exists (
            select from tallystick.replicas r
            where r.name = h.replica and r.seen_at > clock_timestamp() - $2::interval)
        order by durable, source, id for update skip locked) gone
    where (h.durable, h.source, h.id) = (gone.durable, gone.source, gone.id)
    returning h.durable, h.source, h.id, gone.lease, gone.replica)
insert into tallystick.attempts (durable, source, id, lease, replica, version, outcome)
select durable, source, id, lease, replica, $3, 'lease expired' from expired
on conflict do nothing returning durable, replica"""
CLOCKS_AGREE_MS = 1_000
_FORGET = "delete from tallystick.replicas where seen_at < clock_timestamp() - interval '1 day'"
_LEAVE = "delete from tallystick.replicas where name = $1"


Reads = Mapping[str, Sequence[str]]
"""What a replica declares that its durables read: types by durable."""
NOTHING: Reads = {}


class Replicas:
    """Renews the row of this replica, and expires the leases of replicas that are gone.

    Each renewal also tells `ahead_ms`, how far the database's clock is ahead of this machine's,
    and since when the inbox keeps all messages, which it notes in `kept`.
    """

    def __init__(
        self,
        database: Fetches,
        name: str,
        release: str,
        replica_timeout_s: float,
        reads: Reads = NOTHING,
        set_ahead_ms: Callable[[int], None] = lambda _: None,
        kept: Kept | None = None,
    ) -> None:
        self._kept = kept or Kept()
        self._reads = json.dumps(reads)
        self._set_ahead_ms = set_ahead_ms
        self._database = database
        self._name = name
        self._release = release
        self._timeout_s = replica_timeout_s
        self._judges_from: float | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._since_boot_ms: int | None = None
        self._has_left = False

    async def renew(self) -> None:
        """Renew the row of this replica; called five times before it would count as gone.

        One that has left stays gone.
        """
        if self._has_left:
            return
        self._renewal = renewal = asyncio.create_task(self._write())
        renewal.add_done_callback(_retrieve)
        await asyncio.wait([renewal])  # a cancelled caller leaves it running: see leave()
        renewal.result()
        if self._judges_from is None:
            self._judges_from = asyncio.get_running_loop().time() + self._timeout_s

    async def _write(self) -> None:
        asked_at, began = time.time(), time.monotonic()
        ((now_ms, self._kept.since_ms),) = await self._database.fetch(
            _RENEW, self._name, self._reads
        )
        ahead_ms = now_ms - round((asked_at + time.time()) * 500)
        self._set_ahead_ms(ahead_ms if abs(ahead_ms) > CLOCKS_AGREE_MS else 0)
        self._since_boot_ms = now_ms - round((began + time.monotonic()) * 500)

    def now_ms(self) -> int:
        """Return the database's time in milliseconds, as it was learned and has passed since.

        A jump of this machine's clock does not change it. Raises RuntimeError before a renewal.
        """
        if self._since_boot_ms is None:
            raise RuntimeError("the database's clock is not known before the first renewal")
        return round(time.monotonic() * 1000) + self._since_boot_ms

    async def declared(self, durable: str) -> list[frozenset[str]]:
        """Return what each living replica declares that a durable reads."""
        timeout = timedelta(seconds=self._timeout_s)
        ((found,),) = await self._database.fetch(_READS, durable, timeout)
        return [frozenset(types) for types in json.loads(found)]

    def lost_database(self) -> None:
        """Expire no lease until the other replicas, too, have had the time to renew their rows."""
        self._judges_from = None

    async def expire_leases(self) -> int:
        """Expire the leases of replicas that are gone; return how many. The rows are due."""
        if self._judges_from is None or asyncio.get_running_loop().time() < self._judges_from:
            return 0
        timeout = timedelta(seconds=self._timeout_s)
        lease_expired = await self._database.fetch(_EXPIRE, self._name, timeout, self._release)
        if lease_expired:
            failpoint("after-lease-expiry")
        for row in lease_expired:
            child(EXPIRED_LEASES, row["durable"]).inc()
        for name in {row["replica"] for row in lease_expired}:
            log.warning("replica gone", gone=name)
        return len(lease_expired)

    async def leave(self) -> None:
        """Delete the rows of this replica and of those that have been gone for a day."""
        self._has_left = True
        if self._renewal is not None:  # a cancelled one could still reach the database later
            await asyncio.gather(self._renewal, return_exceptions=True)
        await self._database.fetch(_LEAVE, self._name)
        await self._database.fetch(_FORGET)


def _retrieve(renewal: asyncio.Task[None]) -> None:
    """Retrieve the error that a cancelled caller never does: asyncio would log it as lost."""
    if not renewal.cancelled():
        renewal.exception()
