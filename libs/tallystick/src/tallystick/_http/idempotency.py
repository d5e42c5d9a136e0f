"""`Idempotency-Key`: a request that is repeated under its key gets its first answer again.

The answer is a row that is committed in the same unit as the request's writes. So neither exists
without the other, with concurrent requests and with crashes too. A key belongs to a scope, such as
a customer, and is kept as long as messages are.
"""

import asyncio
import json
import re
from collections.abc import Coroutine
from datetime import timedelta
from hashlib import sha256
from typing import Annotated, Any, Protocol
from weakref import WeakValueDictionary

from fastapi import Depends, Header, Request
from starlette.responses import Response

from tallystick._database.postgres import Postgres, Record
from tallystick._database.units import Part, Write
from tallystick._http.problem import Problem
from tallystick._http.resources import resource
from tallystick._telemetry.awaiting import Call
from tallystick.errors import Conflict

HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")

# An expired answer is overwritten and never found, even if it is not purged yet.
STORE = """
insert into tallystick.idempotency as stored (scope, key, request, status, headers, body)
values ($1, $2, $3, $4, $5::text::jsonb, $6)
on conflict (scope, key) do update
set request = excluded.request, status = excluded.status, headers = excluded.headers,
    body = excluded.body, created_at = now()
where stored.created_at <= now() - $7::interval
returning scope, key
"""
FIND = """
select request, status, headers::text as headers, body from tallystick.idempotency
where scope = $1 and key = $2 and not created_at <= now() - $3::interval
"""
PURGE = """
with gone as (
    delete from tallystick.idempotency where ctid = any(array(
        select ctid from tallystick.idempotency
        where created_at <= now() - $1::interval limit 5000
    ))
    returning 1
)
select count(*) from gone
"""


class Commits(Protocol):
    """The service's database: commits a request's writes, and reads its stored answer."""

    kept: timedelta
    """How long an answer is kept."""

    def commit(self, *parts: Part) -> Coroutine[Any, Any, None]:
        """Commit writes and messages as one unit; raises Conflict."""
        ...

    async def fetch(self, sql: str, *args: Any) -> list[Any]:
        """Return the rows of a query."""
        ...


class IdempotentRequest:
    """A request that may be a repetition: its writes are committed once for its key."""

    def __init__(self, request: Request, key: str | None, database: Commits) -> None:
        self._request = request
        self._key = key
        self._database = database

    def commit(
        self, scope: object, answer: Response, *parts: Part
    ) -> Coroutine[Any, Any, Response]:
        """Commit `parts` as one unit and return the answer, or the stored one of this key.

        `scope` is the owner of the key, such as the customer's id. Raises a Problem (422) if the
        key was used for another request, and what `Database.commit` raises, such as a Conflict of
        one of `parts`.
        """
        return self._commit_once(Call("idempotency.commit"), scope, answer, parts)

    async def _commit_once(
        self, call: Call, scope: object, answer: Response, parts: tuple[Part, ...]
    ) -> Response:
        call.begun = True
        if self._key is None:
            await self._database.commit(*parts)
            return answer
        name = (str(scope), self._key)
        lock = _locks.setdefault((id(self._database), *name), asyncio.Lock())
        is_concurrent = lock.locked()
        async with lock:  # requests of one key in this process run one after another
            if is_concurrent and (stored := await self.stored(scope)):
                return stored
            return await self._commit(name, answer, parts)

    async def stored(self, scope: object) -> Response | None:
        """Return the stored answer of this key, or None, for a route that decides by state.

        Raises a Problem (422) if the key was used for another request.
        """
        if self._key is None:
            return None
        rows = await self._database.fetch(FIND, str(scope), self._key, self._database.kept)
        return _replayed(rows[0], await self._fingerprint()) if rows else None

    async def _commit(
        self, name: tuple[str, str], answer: Response, parts: tuple[Part, ...]
    ) -> Response:
        headers = json.dumps(dict(answer.headers))
        fingerprint = await self._fingerprint()
        what = (fingerprint, answer.status_code, headers, bytes(answer.body))
        answered = Write(STORE, (*name, *what, self._database.kept), guard=name)
        try:
            await self._database.commit(answered, *parts)
        except Conflict:
            if (stored := await self.stored(name[0])) is not None:
                return stored
            # The conflict was in one of `parts`, and is so again; or the answer has gone since.
            await self._database.commit(answered, *parts)
        return answer

    async def _fingerprint(self) -> bytes:
        """Return a hash by which this request differs from another one under the same key."""
        scope = self._request.scope
        target = b"%b?%b" % (scope["raw_path"], scope["query_string"])
        head = b"%b %b\n" % (scope["method"].encode(), target)
        return sha256(head + await self._request.body()).digest()


_locks: WeakValueDictionary[tuple[int, str, str], asyncio.Lock] = WeakValueDictionary()


async def purge_idempotency(postgres: Postgres, kept: timedelta) -> int:
    """Delete the answers that are older than what is kept; return how many."""
    purged = 0
    while gone := (await postgres.fetch(PURGE, kept))[0][0]:
        purged += gone
    return purged


def _checked(request: Request, key: str | None) -> str | None:
    if key is None:
        return None
    if len(request.headers.getlist(HEADER)) > 1:
        fault = "must be sent once"
    elif not _KEY.fullmatch(key):
        fault = "must be 1 to 255 visible ASCII characters"
    else:
        return key
    errors = [{"field": HEADER, "in": "header", "detail": fault}]
    raise Problem(400, detail=f"The header {HEADER} {fault}.", errors=errors)


def _replayed(row: Record, fingerprint: bytes) -> Response:
    if row["request"] != fingerprint:
        detail = "This key was used for another request. Use a new key for a new request."
        errors = [{"field": HEADER, "in": "header", "detail": detail}]
        raise Problem(422, "Idempotency-Key reused", detail=detail, errors=errors)
    response = Response(row["body"], row["status"], json.loads(row["headers"]))
    response.headers["Idempotency-Replayed"] = "true"
    return response


async def _idempotent(
    request: Request,
    database: Annotated[Commits, resource(Commits)],
    key: Annotated[
        str | None,
        Header(
            alias=HEADER,
            description="A request that is repeated under its key takes effect once.",
            json_schema_extra={"pattern": f"^{_KEY.pattern}$"},
        ),
    ] = None,
) -> IdempotentRequest:
    return IdempotentRequest(request, _checked(request, key), database)


Idempotency = Annotated[IdempotentRequest, Depends(_idempotent)]
"""The type of a route's parameter. Raises a Problem: 400 for a malformed key."""
