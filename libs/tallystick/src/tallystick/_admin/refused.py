"""The routes about messages that the broker refuses for good, such as those over a limit.

A retried one is sent again by the next sweep. A discarded one stays in the outbox, as it was, until
its day is forgotten, and is left out of the account: no reader misses it. Section 10 of
docs/delivery.md.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import structlog
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from tallystick._admin import refused_rows as rows
from tallystick._admin.repair import MOST_AT_ONCE
from tallystick._admin.repair_rows import ALONE, DONE_BY
from tallystick._admin.repairs import Limit, RepairAsked, Repaired
from tallystick._admin.selection import Text
from tallystick._database.postgres import Postgres
from tallystick._http.problem import Problem

log = structlog.get_logger()

MOST_NAMED = 1000


class Refused(BaseModel):
    """A message of the outbox, `size` bytes long, and why the broker refuses it."""

    id: UUID
    type: str
    key: str
    subject: str
    size: int
    stored_at: datetime
    error: str


class AllRefused(BaseModel):
    """A page, the oldest first, of `total`; `next` is the `after` of the next page."""

    refused: list[Refused]
    total: int
    next: UUID | None


class RetryAsked(RepairAsked):
    """Messages by id or key; none stands for all. It is safe to send the same request twice."""

    messages: Annotated[list[Text], Field(max_length=MOST_NAMED, default_factory=list)]


class DiscardAsked(RepairAsked):
    """Messages by id or key; all at once is refused."""

    messages: Annotated[list[Text], Field(min_length=1, max_length=MOST_NAMED)]


class RefusedMessages:
    """Shows and repairs what the broker refuses of a service."""

    def __init__(self, database: Postgres, source: str) -> None:
        self._database = database
        self._source = source

    def routes(self) -> APIRouter:
        """The routes under `/admin/outbox`."""
        routes = APIRouter(prefix="/admin/outbox", tags=["outbox"])
        routes.add_api_route("/refused", self.all)
        routes.add_api_route("/retry", self.retry, methods=["POST"])
        routes.add_api_route("/discard", self.discard, methods=["POST"])
        return routes

    async def all(
        self,
        message: Annotated[list[Text], Query(max_length=MOST_NAMED)] = [],  # noqa: B006  # fastapi copies it
        after: UUID | None = None,
        limit: Limit = 100,
    ) -> AllRefused:
        """The messages that the broker refuses for good, or those with these ids or keys."""
        found = [Refused(**r) for r in await self._database.fetch(rows.LIST, message, after, limit)]
        total = (await self._database.fetch(rows.TOTAL, message))[0][0]
        following = found[-1].id if len(found) == limit else None
        return AllRefused(refused=found, total=total, next=following)

    async def retry(self, asked: RetryAsked) -> Repaired:
        """Send messages again that the broker refused, at most a thousand of them at once."""
        return await self._act("retry", rows.RETRY, asked, asked.messages)

    async def discard(self, asked: DiscardAsked) -> Repaired:
        """Never send messages again; they stay on record, and no reader misses them."""
        return await self._act("discard", rows.DISCARD, asked, asked.messages)

    async def _act(self, name: str, sql: str, asked: RepairAsked, messages: list[str]) -> Repaired:
        args = (messages, self._source, asked.actor, asked.reason, asked.run, MOST_AT_ONCE)
        async with self._database.connection() as connection:
            await connection.execute(ALONE, asked.run)
            done = len(await connection.fetch(sql, *args))
            count: int = await connection.fetchval(DONE_BY, asked.run)
        if not count:
            detail = "The broker has refused none of them, or they are sent or discarded by now."
            raise Problem(409, "No such message is refused", detail=detail)
        about = {"run": str(asked.run), "actor": asked.actor, "reason": asked.reason}
        log.warning("refused messages repaired", action=name, count=done, **about)
        return Repaired(run=asked.run, count=count)
