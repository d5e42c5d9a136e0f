"""Services under test, asked for their accounts: in this process, or at their admin ports."""

from __future__ import annotations

import asyncio
from typing import Protocol
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from fastapi import FastAPI

from tallystick._admin.account import Account, AccountDetails
from tallystick._admin.account_rows import Accounts
from tallystick.errors import DatabaseBusy, DatabaseUnavailable

ANSWERS_WITHIN = 5.0  # seconds


class NoAnswerYet(Exception):
    """A service does not answer now; the text says why."""


class Asked(Protocol):
    """A service that is asked; both methods raise NoAnswerYet."""

    name: str

    async def accounts(self) -> Accounts:
        """Return all readers of the service."""
        ...

    async def details(self, durable: str) -> AccountDetails:
        """Return one durable, with the messages that are missing or unknown."""
        ...


class AskedHere:
    """A service that runs in this process."""

    def __init__(self, app: FastAPI) -> None:
        parts = app.state.composition.runtime.parts
        self.name: str = parts.router.name
        self._account = Account(parts.postgres, parts.router)

    async def accounts(self) -> Accounts:
        """Return all readers; raises NoAnswerYet."""
        try:
            return await self._account.all()
        except (DatabaseUnavailable, DatabaseBusy) as error:
            raise NoAnswerYet(f"{self.name}: {error}") from error

    async def details(self, durable: str) -> AccountDetails:
        """Return one durable; raises NoAnswerYet."""
        try:
            return await self._account.one(durable)
        except (DatabaseUnavailable, DatabaseBusy) as error:
            raise NoAnswerYet(f"{self.name}: {error}") from error


class AskedThere:
    """A service that runs elsewhere, asked at its admin port."""

    def __init__(self, url: str, token: str) -> None:
        self.name = url
        self._token = token

    async def accounts(self) -> Accounts:
        """Return all readers; raises NoAnswerYet."""
        return Accounts.model_validate_json(await self._get("/admin/account"))

    async def details(self, durable: str) -> AccountDetails:
        """Return one durable; raises NoAnswerYet."""
        path = f"/admin/account/{quote(durable, safe='')}"
        return AccountDetails.model_validate_json(await self._get(path))

    async def _get(self, path: str) -> bytes:
        try:
            return await asyncio.to_thread(self._read, path)
        except HTTPError as error:
            error.close()
            if error.code < 500:
                raise
            raise NoAnswerYet(f"{self.name} answers {error.code} {error.reason}") from error
        except OSError as error:
            raise NoAnswerYet(f"{self.name} does not answer: {error}") from error

    def _read(self, path: str) -> bytes:
        headers = {"Authorization": f"Bearer {self._token}"}
        request = Request(self.name.rstrip("/") + path, headers=headers)  # noqa: S310  # the test's own address
        with urlopen(request, timeout=ANSWERS_WITHIN) as answer:  # noqa: S310  # as above
            return bytes(answer.read())
