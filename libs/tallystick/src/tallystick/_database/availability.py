"""Check whether the database can be read and written, over connections that nothing else uses.

Section 2 of docs/delivery.md.
"""

from __future__ import annotations

import asyncio

import structlog

from tallystick._database.pool import Pool
from tallystick._database.session import Session
from tallystick.errors import DatabaseBusy, DatabaseUnavailable

log = structlog.get_logger()

ANSWERS_WITHIN = 5.0  # seconds

_CAN_WRITE = "select current_setting('transaction_read_only') = 'off'"


class Availability:
    """Asks the database itself; an error of another connection is only a reason to ask.

    `event` is set while the database answers and takes writes.
    """

    def __init__(self, vital: Pool) -> None:
        self._vital = vital
        self._asking: asyncio.Task[DatabaseUnavailable | None] | None = None
        self._was_lost = False
        self.event = asyncio.Event()

    async def answers(self) -> bool:
        """Return whether the database answers now and takes writes."""
        return await self._answer() is None

    async def ask(self) -> None:
        """Raise DatabaseUnavailable unless the database answers and takes writes now."""
        if (error := await self._answer()) is not None:
            raise error

    async def _answer(self) -> DatabaseUnavailable | None:
        """Return the error, or None; concurrent callers share one query."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(self._asking)

    async def _ask(self) -> DatabaseUnavailable | None:
        was = self.event.is_set()
        try:
            await self._query()
        except DatabaseUnavailable as error:
            self.event.clear()
            self._was_lost |= was
            if was:
                log.warning("database lost", error=str(error))
            return error
        self.event.set()
        if self._was_lost:
            log.info("database recovered")
        self._was_lost = False
        return None

    async def _query(self) -> None:
        try:
            async with asyncio.timeout(ANSWERS_WITHIN), self._vital.session() as session:
                await _check(session)
        except (TimeoutError, DatabaseBusy) as error:
            raise DatabaseUnavailable(
                f"the database gave no answer within {ANSWERS_WITHIN:g} s"
            ) from error
        except DatabaseUnavailable:
            raise
        except Exception as error:
            raise DatabaseUnavailable(f"the database cannot be queried: {error}") from error


async def _check(session: Session) -> None:
    if not await session.fetchval(_CAN_WRITE):
        session.drop()  # this connection may stay read-only after the server is writable again
        raise DatabaseUnavailable("the database is read-only")
