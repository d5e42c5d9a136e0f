"""Waits in a test until every message is accounted for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from fastapi import FastAPI

from tallystick._admin.account import AccountDetail
from tallystick._admin.account_rows import Accounts, ReaderAccount

from .asked_services import Asked, AskedHere, AskedThere, NoAnswerYet

ASK_EVERY = 0.25  # seconds
WITHIN = 150.0  # seconds
LATER = timedelta(seconds=1)
"""An id may be so far ahead of its database's clock."""


class NotAccounted(AssertionError):
    """Not every message is accounted for; the text names each reader, and what is not."""


async def accounted(*services: FastAPI | str, token: str = "", within: float = WITHIN) -> None:
    """Return once every message that was published before the call is accounted for.

    That is: each durable of these services that keeps an inbox has received it, and has received
    nothing that its source denies. A deferred or dead message is received. A service is the app
    that runs in this process, or the URL of its admin port, for which `token` is needed. A reader
    compares once a period (`<SERVICE>_ACCOUNT_PERIOD_S`), so this takes two or three. Raises
    NotAccounted after `within` seconds, or if none of the services has such a durable. A token that
    is refused ends it at once.
    """
    every = [AskedHere(s) if isinstance(s, FastAPI) else AskedThere(s, token) for s in services]
    deadline = time.monotonic() + within
    since: dict[str, datetime] = {}
    while reasons := await _reasons(every, since):
        if time.monotonic() >= deadline:
            named = [line for each in every for line in await _named(each)]
            raise NotAccounted("\n".join([f"after {within:g} s:", *reasons, *named]))
        await asyncio.sleep(ASK_EVERY)


async def _reasons(every: Sequence[Asked], since: dict[str, datetime]) -> list[str]:
    """Return why not everything is accounted for; `since` notes when each service was first asked.

    By the clocks of their databases, which are in the ids of messages.
    """
    found = await asyncio.gather(*map(_asked, every))
    for each, answer in zip(every, found, strict=True):
        if isinstance(answer, Accounts):
            since.setdefault(each.name, answer.at)
    silent = [answer for answer in found if isinstance(answer, str)]
    answers = [answer for answer in found if isinstance(answer, Accounts)]
    readers = [one for each in answers for one in each.readers if not one.is_abandoned]
    if not readers and not silent:
        raise NotAccounted("none of these services has a durable that keeps an inbox")
    return [*silent, *(why for one in readers if (why := unsettled(one, since)))]


async def _asked(service: Asked) -> Accounts | str:
    try:
        return await service.accounts()
    except NoAnswerYet as reason:
        return str(reason)


def unsettled(one: ReaderAccount, since: Mapping[str, datetime]) -> str:
    """Return why a reader does not agree past the moments in `since`; empty if it does."""
    moment = max(since.values()) + LATER
    agrees = one.agrees_until is not None and one.agrees_until >= moment
    if one.is_accounted_for and agrees:
        return ""
    counts = {
        "missing": one.missing,
        "unknown": one.unknown,
        "on its way": one.on_its_way,
        "unsent": one.unsent,
        "forgotten by both": one.set_back and one.set_back.at_most,
    }
    facts = [one.waits_for, *(f"{count} {name}" for name, count in counts.items() if count)]
    if not agrees:
        facts.append(f"agrees until {one.agrees_until or 'never'}, which has to reach {moment}")
    return f"{one.durable} of {one.source}: {', '.join(filter(None, facts))}"


async def _named(service: Asked) -> list[str]:
    """Return the messages of a service that are missing or unknown, by type, key and id."""
    try:
        found = [one for one in (await service.accounts()).readers if one.missing or one.unknown]
        details = [await service.details(one.durable) for one in found]
    except NoAnswerYet as reason:
        return [str(reason)]
    return [line for each in details for reader in each.readers for line in _lines(reader)]


def _lines(reader: AccountDetail) -> Iterator[str]:
    both = {"missing": reader.missing_messages, "unknown": reader.unknown_messages}
    for what, messages in both.items():
        for each in messages:
            about = " ".join(filter(None, (each.type, each.key, str(each.id))))
            yield f"  {what} {reader.durable} of {reader.source}: {about}"
