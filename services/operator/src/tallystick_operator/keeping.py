"""Run a loop for each resource: a round every few seconds, and at once when it changes.

Kopf's own timers would put a finalizer on every resource, and then its deletion would wait for an
operator that may no longer exist.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

import kopf
import structlog

from tallystick.limiter import Limiter
from tallystick.topology import Connection
from tallystick_operator import metrics
from tallystick_operator.announcements import AGAIN_AFTER_S, announcements
from tallystick_operator.cluster import Cluster, ClusterError
from tallystick_operator.losses import unknown
from tallystick_operator.ownership import is_ours, name_of
from tallystick_operator.reconciling import reconcile
from tallystick_operator.resources import Body
from tallystick_operator.status import Round, lost_of, status_of

log = structlog.get_logger()

STUCK_AFTER_S = 60.0


class Kept:
    """One resource as it was last seen, and its loop."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.changed = asyncio.Event()
        self.announced = Limiter(AGAIN_AFTER_S)
        self.turned = time.monotonic()
        self.task: asyncio.Task[None] | None = None
        self.ended = False  # asyncio.wait_for of Python 3.11 may swallow a cancellation


class Keeping:
    """The loops of all resources of the namespace, or of those of an instance."""

    def __init__(
        self,
        broker: Connection,
        cluster: Cluster,
        every_s: float,
        store: int | None,
        instance: str = "",
    ) -> None:
        self.broker = broker
        self._cluster = cluster
        self._every_s = every_s
        self._max_store = store
        self._instance = instance
        self._kept: dict[str, Kept] = {}
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def bodies(self) -> list[Body]:
        """The resources as they were last seen."""
        return [kept.body for kept in self._kept.values()]

    def owns(self, body: Body) -> bool:
        """Whether a resource is this operator's to keep."""
        return is_ours(body, self._instance)

    async def load(self) -> None:
        """Load all resources before a loop starts, because each must know the others' durables."""
        for body in filter(self.owns, await self._cluster.topologies()):
            self._kept.setdefault(name_of(body), Kept(body))

    def seen(self, body: Body) -> None:
        """Note that a resource exists or has changed."""
        kept = self._kept.setdefault(name_of(body), Kept(body))
        is_news = body["metadata"]["generation"] != kept.body["metadata"]["generation"]
        kept.body = body
        if kept.task is None:
            kept.task = asyncio.create_task(self._keep(kept), name=f"keep {name_of(body)}")
        elif is_news:
            kept.changed.set()

    def gone(self, name: str) -> None:
        """End the loop of a resource that is deleted or being deleted."""
        kept = self._kept.pop(name, None)
        if kept is not None and kept.task is not None:
            kept.ended = True
            kept.task.cancel()
            self._ending.add(kept.task)
            kept.task.add_done_callback(self._ending.discard)
            metrics.forget(name)

    async def settled(self) -> None:
        """Return when all loops that `gone` ended have finished."""
        while self._ending:
            await asyncio.wait(self._ending)

    def stuck(self) -> list[str]:
        """Return the resources whose loop does not run; only a restart helps."""
        limit = time.monotonic() - STUCK_AFTER_S
        return [name for name, kept in self._kept.items() if kept.task and kept.turned < limit]

    async def close(self) -> None:
        """End all loops."""
        for name in list(self._kept):
            self.gone(name)
        await self.settled()

    async def _keep(self, kept: Kept) -> None:
        while not kept.ended:
            kept.changed.clear()
            try:
                await self._turn(kept)
            except ClusterError as error:
                log.warning("status not told", topology=name_of(kept.body), error=str(error))
            except Exception:
                log.exception("a round failed", topology=name_of(kept.body))
            kept.turned = time.monotonic()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await kept.changed.wait()

    async def _turn(self, kept: Kept) -> None:
        body, name = kept.body, name_of(kept.body)
        with metrics.timed(name) as measure:
            result = await reconcile(self.broker, body, self.bodies, self._max_store)
            measure(result)
        metrics.LOST.labels(name).set(unknown(body, lost_of(body, result)))
        self._announce(kept, body, result)
        status = status_of(body, result, datetime.now(UTC))
        if status != body.get("status"):
            await self._store(kept, name, status)

    def _announce(self, kept: Kept, body: Body, result: Round) -> None:
        for one in announcements(body, result):
            if kept.announced.is_due(one.shape):
                log.info("event", topology=name_of(body), reason=one.reason, message=one.message)
                about = kopf.Body(dict(body))  # type: ignore[arg-type]  # its keys are checked there
                kopf.event(about, type=one.type, reason=one.reason, message=one.message)

    async def _store(self, kept: Kept, name: str, status: Mapping[str, object]) -> None:
        """Store a status, and keep the answer: it is newer than the watch, if of its generation."""
        stored = await self._cluster.set_status(name, dict(status))
        if stored and stored["metadata"]["generation"] == kept.body["metadata"]["generation"]:
            kept.body = stored
