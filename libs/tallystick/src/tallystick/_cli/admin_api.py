"""Requests to the admin ports of services; if one does not answer, the others are still asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Never
from urllib.parse import quote

import aiohttp

from tallystick._addresses import address_of, scheme_of
from tallystick._cli.errors import reason_of
from tallystick._cli.targets import TOKEN, Places
from tallystick.errors import TallystickError

Params = Sequence[tuple[str, str]]
ANSWERED_WITHIN = aiohttp.ClientTimeout(total=15, sock_connect=3)


class Silent(TallystickError):
    """A service does not answer."""


class ServiceRefused(TallystickError):
    """A service answered with a problem; `status` is HTTP's."""

    def __init__(self, service: str, status: int, problem: Mapping[str, Any]) -> None:
        words = [problem.get("title"), problem.get("detail"), *_fields(problem)]
        text = ": ".join(word for word in words if word)
        super().__init__(f"{service}: {text or f'HTTP {status}'}")
        self.status = status


def _fields(problem: Mapping[str, Any]) -> list[str]:
    return [f"{error['field']}: {error['detail']}" for error in problem.get("errors") or ()]


class OtherRelease(TallystickError):
    """The answer of a service lacks what this release needs."""


@dataclass(frozen=True)
class Answers:
    """The answer of each service by its name; `silent` says why a service gave none."""

    given: Mapping[str, Any]
    silent: Mapping[str, str]


class Services:
    """The known services, asked over one HTTP session."""

    def __init__(self, places: Places, session: aiohttp.ClientSession) -> None:
        self._admins = places.services()
        self._session = session

    async def get(self, service: str, path: str, params: Params = ()) -> Any:
        """Return the JSON that the service answers; raises Silent or ServiceRefused."""
        return await self._ask("GET", service, path, params=params)

    async def post(self, service: str, path: str, body: Any = None) -> Any:
        """Return the JSON that the service answers; raises Silent or ServiceRefused."""
        return await self._ask("POST", service, path, json=body)

    async def each(self, path: str, params: Params = (), *, optional: bool = False) -> Answers:
        """Ask all services at the same time; raises ServiceRefused if one refuses.

        A service may lack an `optional` path: it is left out of the answers if it gives 404.
        """
        names = list(self._admins)
        asked = (self.get(name, path, params) for name in names)
        ends = dict(zip(names, await asyncio.gather(*asked, return_exceptions=True), strict=True))
        given, silent = {}, {}
        for name, end in ends.items():
            if isinstance(end, Silent):
                silent[name] = str(end)
            elif isinstance(end, BaseException):
                if not (optional and isinstance(end, ServiceRefused) and end.status == 404):
                    raise end
            else:
                given[name] = end
        return Answers(given, silent)

    async def _ask(self, method: str, service: str, path: str, **about: Any) -> Any:
        """Ask one replica after the other until one answers: each can answer for its service."""
        errors = []
        for address in self._admins[service]:
            url = address + path
            try:
                async with self._session.request(method, url, **about) as answer:
                    return await _read(service, answer)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                shown = f"{scheme_of(address)}://{address_of(address)}"
                errors.append(f"{shown}: {reason_of(_cause(error))}")
        raise Silent(f"{service} does not answer at {'; '.join(errors)}; does it run there?")


@asynccontextmanager
async def asked(places: Places) -> AsyncIterator[Services]:
    """Open a session with the services of these places; raises UsedWrongly."""
    headers = {"Authorization": f"Bearer {places.token}"}
    async with aiohttp.ClientSession(headers=headers, timeout=ANSWERED_WITHIN) as session:
        yield Services(places, session)


def path_of(*parts: str) -> str:
    """Return the path below `/admin/` of these segments, each quoted for a URL."""
    return "/admin/" + "/".join(quote(part, safe="") for part in parts)


async def _read(service: str, answer: aiohttp.ClientResponse) -> Any:
    is_json = "json" in answer.content_type
    try:
        body = json.loads(await answer.text() if is_json else "{}", object_hook=_Answer)
    except ValueError:
        body, is_json = None, False
    if answer.status == 401:
        raise ServiceRefused(
            service, 401, {"title": f"the admin token is not accepted: check {TOKEN}"}
        )
    if answer.status >= 400:
        raise ServiceRefused(service, answer.status, body if isinstance(body, dict) else {})
    if not (is_json and isinstance(body, dict)):
        raise ServiceRefused(
            service, answer.status, {"title": f"{answer.url.host} is no service's admin"}
        )
    return body


class _Answer(dict[str, Any]):
    """An object of an answer; raises OtherRelease for a member that is missing."""

    def __missing__(self, name: str) -> Never:
        raise OtherRelease(f'an answer has no "{name}": is it a service\'s, and of this release?')


def _cause(error: BaseException) -> BaseException:
    return error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
