"""Make sure that all replicas of a service use one database.

The database that received a message stores whether it was done, so a service of the same name on
another database would do messages again. The broker therefore stores which database owns the
messages of a name, and a replica on another database reads none.

Section "One service, one database" of docs/permissions.md.
"""

from __future__ import annotations

import asyncio
import time

import structlog

from tallystick._broker.claims import Claim, NoStream, read_claim, write_claim
from tallystick._broker.connection import Connection
from tallystick._database.postgres import Postgres
from tallystick.errors import BrokerUnavailable, NotTheOwner

log = structlog.get_logger()

CHECK_EVERY_S = 60.0
RENEWED_AFTER_S = 86_400.0  # the stream forgets after a week
LOOK_EVERY_S = 0.5

_OWNER = """insert into tallystick.owner as o (service) values ($1)
on conflict (alone) do update set service = coalesce(o.service, $1)
returning id::text, service"""


class Ownership:
    """Claims a service's messages for its database, and refuses to read if another has them."""

    def __init__(
        self,
        service: str,
        replica: str,
        database: Postgres,
        connection: Connection,
        *,
        take_over: str,
        variable: str,
        check_every_s: float,
    ) -> None:
        self._service = service
        self._replica = replica
        self._database = database
        self._connection = connection
        self._take_over = take_over
        self._variable = variable
        self._check_every_s = check_every_s
        self._owner = ""
        self.refused: str | None = None
        """Why this replica reads nothing, or None."""

    @property
    def owner(self) -> str:
        """The id of this database, once it was opened."""
        return self._owner

    async def open(self) -> None:
        """Read which service owns this database; raise NotTheOwner if it is another one."""
        ((owner, service),) = await self._database.fetch(_OWNER, self._service)
        if service != self._service:
            raise NotTheOwner(
                f"this database is that of {service}, and {self._service} needs one of its own; if"
                f" it is a copy made for {self._service}, empty the table tallystick.owner"
            )
        self._owner = owner

    async def claim(self) -> None:
        """Claim the messages for this database; wait for the stream that stores the claim.

        Raises NotTheOwner if they are another database's.
        """
        was_logged = False
        while True:
            try:
                if await self._claimed():
                    return
            except BrokerUnavailable as error:
                if isinstance(error, NoStream) and not was_logged:
                    log.warning("claim awaited", waiting_for=str(error))
                    was_logged = True
            await asyncio.sleep(LOOK_EVERY_S)

    async def keep(self) -> None:
        """Renew the claim before the stream forgets it; raise NotTheOwner if another took over."""
        while True:
            await asyncio.sleep(self._check_every_s)
            await self.claim()

    async def _claimed(self) -> bool:
        sequence, found = await read_claim(self._connection.client, self._service)
        now = time.time()
        if found is not None and found.owner not in (self._owner, self._take_over):
            self.refused = self._refusal(found)
            raise NotTheOwner(self.refused)
        if not is_due(found, self._owner, now):
            return True
        claim = Claim(self._owner, self._replica, now)
        if found is not None and found.owner != self._owner:
            log.warning("messages taken over", service=self._service, of_database=found.owner)
        return await write_claim(self._connection.client, self._service, claim, sequence)

    def _refusal(self, found: Claim) -> str:
        return (
            f"the messages of {self._service} belong to another database, {found.owner}, claimed"
            f" by replica {found.replica}: give one of the two services another name; if that"
            f" database is gone for good, set {self._variable}={found.owner}"
        )


def is_due(found: Claim | None, owner: str, now: float) -> bool:
    """Return whether to write a claim: there is none of `owner`, or it is older than a day.

    One from the future was written by a replica whose clock was ahead, and nobody knows its age.
    """
    return found is None or found.owner != owner or abs(now - found.at) > RENEWED_AFTER_S
