"""The routes that show a service's part of the account, and accept what a person has judged."""

from __future__ import annotations

from datetime import datetime
from time import monotonic
from typing import Annotated
from uuid import UUID

import structlog
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from tallystick._admin.account_messages import MessageKnown, forgotten, known, published
from tallystick._admin.account_rows import (
    READERS,
    Accounts,
    ReaderAccount,
    accounts,
    declared_readers,
    reader_account,
)
from tallystick._admin.repairs import Limit, Line
from tallystick._admin.selection import Moment, Text
from tallystick._database.postgres import Postgres, Record
from tallystick._deferred.counts import Counts, counts
from tallystick._http.problem import Problem
from tallystick._messages.identity import reader_number
from tallystick._messages.router import Router

log = structlog.get_logger()

MOST_NAMED = 100
ACCEPTED_AT_ONCE = 10_000
ACCEPTS_FOR = 5.0
"""Seconds: a request accepts no longer, and says that there is more."""
_NOW = "select clock_timestamp()"
# After the last one: before it are the index entries of all that was just deleted.
_ACCEPT = """with oldest as (
    select id from tallystick.unknown where reader = $1 and id > $5 order by id limit $6),
judged as (
    delete from tallystick.unknown u using oldest
    where u.reader = $1 and u.id = oldest.id returning u.id),
kept as (
    insert into tallystick.accepted (reader, id, actor, reason, accepted_at)
    select $1, id, $2, $3, $4 from judged on conflict do nothing)
select id from judged"""
_ACCEPTED = """select accepted_at as at, actor, reason, count(*) as count
from tallystick.accepted where reader = $1 group by 1, 2, 3 order by 1 desc limit $2"""
Ids = Annotated[list[UUID], Query(alias="id", min_length=1, max_length=MOST_NAMED)]


class PastAcceptance(BaseModel):
    """So many unknown messages that a person has accepted at once."""

    at: datetime
    actor: str
    reason: str
    count: int


class AccountDetail(ReaderAccount):
    """One reader with the oldest of what is missing, unknown or forgotten by both sides.

    And what people accepted.
    """

    missing_messages: list[MessageKnown]
    unknown_messages: list[MessageKnown]
    forgotten_messages: list[MessageKnown]
    acceptances: list[PastAcceptance]


class AccountDetails(BaseModel):
    """A durable with each source that it has read; usually one."""

    readers: list[AccountDetail]
    at: datetime


class MessagesPublished(BaseModel):
    """Messages that this service published."""

    published: list[MessageKnown]


class AcceptAsked(BaseModel):
    """Who accepts what is unknown of one reader, and why; both are kept for ever."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    actor: Line
    reason: Line
    durable: Text
    source: Text
    at: Moment | None = None
    """The time of an act that goes on, as the answer to its first request named it."""


class Accepted(BaseModel):
    """How many messages are accepted now that were not before; `more` if some may be left."""

    count: int
    at: datetime
    more: bool


class Account:
    """Shows what the readers of a service received, and what they did not."""

    def __init__(self, database: Postgres, router: Router) -> None:
        self._database = database
        self._router = router

    def routes(self) -> APIRouter:
        """The routes under `/admin/account`."""
        routes = APIRouter(prefix="/admin/account", tags=["account"])
        routes.add_api_route("", self.all)
        routes.add_api_route("/published", self.published)
        routes.add_api_route("/{durable}", self.one)
        routes.add_api_route("/accept", self.accept, methods=["POST"])
        return routes

    async def all(self) -> Accounts:
        """What each reader received of what its source published, as the last look found it."""
        return await accounts(self._database, self._router)

    async def published(self, ids: Ids) -> MessagesPublished:
        """Those of the named messages that this service published: type, key and subject."""
        return MessagesPublished(published=await published(self._database, ids))

    async def one(
        self, durable: Text, after: UUID | None = None, limit: Limit = MOST_NAMED
    ) -> AccountDetails:
        """One durable, with what is known of each message missing, unknown or forgotten.

        Of the unknown ones, a page of those after an id.
        """
        rows = await self._database.fetch(READERS, durable, limit, after)
        if not rows:
            detail = f"{durable} is no durable of this service, or no replica has looked yet."
            raise Problem(404, "No such reader in the account", detail=detail)
        deferred = await counts(self._database)
        readers = [await self._detail(row, deferred) for row in rows]
        return AccountDetails(readers=readers, at=rows[0]["at"])

    async def accept(self, asked: AcceptAsked) -> Accepted:
        """Accept every message that the reader has now and that its source denies."""
        ((now,),) = await self._database.fetch(_NOW)
        accepted = await self._accept(asked, asked.at or now)
        if not (accepted.count or asked.at):
            detail = f"{asked.durable} has received nothing that {asked.source} denies."
            raise Problem(409, "Nothing is unknown", detail=detail)
        about = asked.model_dump(exclude={"at"})
        log.warning("unknown messages accepted", count=accepted.count, **about)
        return accepted

    async def _accept(self, asked: AcceptAsked, at: datetime) -> Accepted:
        """Accept the oldest, in steps of one commit each, for some seconds."""
        reader, until = reader_number(asked.durable, asked.source), monotonic() + ACCEPTS_FOR
        count, last, more = 0, UUID(int=0), True
        while more and (not count or monotonic() < until):
            act = (reader, asked.actor, asked.reason, at, last, ACCEPTED_AT_ONCE)
            done = await self._database.fetch(_ACCEPT, *act)
            count, more = count + len(done), len(done) == ACCEPTED_AT_ONCE
            last = max((row[0] for row in done), default=last)
        return Accepted(count=count, at=at, more=more)

    async def _detail(self, row: Record, deferred: Counts) -> AccountDetail:
        past = await self._database.fetch(_ACCEPTED, row["number"], MOST_NAMED)
        return AccountDetail(
            **dict(reader_account(row, declared_readers(self._router), deferred)),
            missing_messages=await known(self._database, row, row["missing_ids"]),
            unknown_messages=await known(self._database, row, row["unknown_ids"]),
            forgotten_messages=forgotten(row["set_back"]),
            acceptances=[PastAcceptance(**each) for each in past],
        )
