"""Answers the readers of this source, in any of its replicas."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from uuid import UUID

import msgspec
import structlog

from tallystick._account.answering import Source, ids_answer, plan_sums, sums_answer
from tallystick._account.outbox_port import SourceOutbox
from tallystick._account.protocol import (
    AccountAnswer,
    AccountRequest,
    IdsRequest,
    KnownAnswer,
    KnownRequest,
    RepublishAnswer,
    RepublishRequest,
    SumsRequest,
    ids_at_most,
    spans_at_most,
)
from tallystick._account.republishing import Allowance, refusal
from tallystick._broker.connection import Connection
from tallystick._broker.inboxes import is_in_inbox
from tallystick._broker.jetstream import info
from tallystick.errors import BrokerUnavailable, TallystickError
from tallystick.limiter import Limiter
from tallystick.tasks import stop

log = structlog.get_logger()

AT_ONCE = 2
"""Requests that are answered together: the rest waits, and the service's own work goes on."""
WAITING_AT_MOST = 100
_decode = msgspec.json.Decoder(AccountRequest).decode


class Serving:
    """Answers what readers ask of one source."""

    def __init__(
        self,
        service: str,
        connection: Connection,
        outbox: SourceOutbox,
        database: Callable[[], str],
        streams: Sequence[str],
        period: int,
        after: int,
    ) -> None:
        self._service = service
        self._connection = connection
        self._outbox = outbox
        self._database = database
        self._streams = streams
        self._period = period
        self._after = after
        self._allowance = Allowance()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._unsubscribe: Callable[[], Awaitable[None]] | None = None
        self._refused = Limiter()

    async def start(self) -> None:
        """Begin to answer."""
        subjects = f"acct.{self._service}.*.*"
        self._unsubscribe = await self._connection.wire.subscribe(
            subjects, self._received, queue=self._service
        )

    async def stop(self) -> None:
        """Take no more requests, and end those that are being answered: readers ask again."""
        if self._unsubscribe is not None:
            unsubscribe, self._unsubscribe = self._unsubscribe, None
            await unsubscribe()
        await stop(self._tasks)

    def _received(self, subject: bytes, answer_to: bytes, _headers: bytes, body: bytes) -> None:
        reader = subject.split(b".")[2]
        if not is_in_inbox(answer_to, reader) or len(self._tasks) >= WAITING_AT_MOST:
            if self._refused.is_due(reader):
                log.warning("account request refused", reader=reader.decode("utf-8", "replace"))
            return
        task = asyncio.create_task(self._answer(answer_to, body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, answer_to: bytes, body: bytes) -> None:
        try:
            async with self._turns:
                answer = await self._answered(_decode(body))
        except (msgspec.MsgspecError, TallystickError) as error:  # the reader asks again
            if self._refused.is_due(type(error).__name__):
                log.warning("account request unanswered", error=str(error))
            return
        with suppress(BrokerUnavailable):
            self._connection.wire.send(answer_to, msgspec.json.encode(answer))

    async def _answered(self, request: AccountRequest) -> AccountAnswer:
        match request:
            case SumsRequest():
                return await self._sums(request)
            case IdsRequest():
                at_most = ids_at_most(self._connection.wire.max_payload)
                ids = (request.first, request.last, request.types, at_most + 1)
                rows = await self._outbox.page(*ids)
                return ids_answer(request, await self._source(), rows, at_most)
            case KnownRequest():
                source, known = await self._source(), await self._outbox.known(request.ids)
                return KnownAnswer(source.database, source.kept_from, tuple(known))
            case RepublishRequest():
                return await self._republish(request)

    async def _source(self) -> Source:
        now, kept_from = (await self._outbox.snapshot()).now, await self._outbox.kept_from()
        return Source(UUID(self._database()), self._period, now, kept_from)

    async def _sums(self, request: SumsRequest) -> AccountAnswer:
        source = await self._source()
        at_most = spans_at_most(self._connection.wire.max_payload, len(request.types))
        kept = await self._outbox.kept(request.start, request.end or source.now)
        plan = plan_sums(request, source, kept, at_most)
        summed = await self._outbox.sums(plan.to_sum) if plan.to_sum else {}
        discarded = await self._outbox.discarded(plan.spans)
        return sums_answer(request, source, plan, kept, summed, discarded)

    async def _republish(self, request: RepublishRequest) -> RepublishAnswer:
        own = UUID(self._database())
        if request.database != own:
            return RepublishAnswer(own, 0, "it is for another database of this name")
        if refused := refusal(await self._used()):
            return RepublishAnswer(own, 0, refused)
        now = int(time.monotonic() * 1000)
        granted, self._allowance = self._allowance.granted(len(request.lost), now)
        done = await self._outbox.republish(request.lost[:granted], self._after)
        refused = "" if granted == len(request.lost) else "so many at once are enough"
        if done:
            log.warning("lost messages republished", count=done, id=str(request.lost[0].id))
        return RepublishAnswer(own, done, refused)

    async def _used(self) -> float:
        """Return the used share of the fullest of the source's streams."""
        shares = [0.0]
        for stream in self._streams:
            found = await info(self._connection.client, f"STREAM.INFO.{stream}")
            if found is not None and (most := found["config"].get("max_bytes") or 0) > 0:
                shares.append(found["state"]["bytes"] / most)
        return max(shares)
