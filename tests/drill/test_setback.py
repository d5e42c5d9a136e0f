"""A database that is set back has what its copy had, and what the copy lacks is named."""

from typing import Any

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from tallystick.testing import PostgresServer, migrate
from tests.drill.database import connected
from tests.drill.evidence import Forgotten
from tests.drill.setback import SetBack

TAKE_IN = "insert into tallystick.inbox (reader, id) values (1, $1)"
READER = "insert into tallystick.readers values (1, 'newsletter-orders', 'orders')"
TAKEN_IN = "select id::text from tallystick.inbox"


@pytest.fixture
async def url(postgres: PostgresServer) -> str:
    """A database of the newsletter that reads orders."""
    url = await postgres.create_database(f"setback_{uuid7().hex}")
    await migrate("newsletter", url)
    await run(url, READER)
    return url


@pytest.fixture
def back(postgres: PostgresServer, url: str) -> SetBack:
    return SetBack(url.rpartition("/")[0] + "/postgres", [url.rpartition("/")[2]], 7)


async def run(url: str, sql: str, *args: object) -> list[Any]:
    async with connected(url) as connection:
        return [row[0] for row in await connection.fetch(sql, *args)]


async def taken_in(url: str) -> str:
    """Take a message in; return its id."""
    name = str(uuid7())
    await run(url, TAKE_IN, name)
    return name


async def test_what_was_taken_in_after_the_copy_is_forgotten_and_named(
    url: str, back: SetBack
) -> None:
    before = await taken_in(url)
    await back.copy()
    after = await taken_in(url)
    await back.swap()
    assert await run(url, TAKEN_IN) == [before]
    [forgotten] = await back.forgotten()
    assert forgotten == Forgotten("newsletter-orders", "orders", after, forgotten.at)


async def test_what_is_taken_in_again_after_it_is_still_named(url: str, back: SetBack) -> None:
    await back.copy()
    name = await taken_in(url)
    await back.swap()
    await run(url, TAKE_IN, name)
    assert [each.id for each in await back.forgotten()] == [name]


async def test_there_is_something_to_forget_once_a_message_was_taken_in(
    url: str, back: SetBack
) -> None:
    await taken_in(url)
    await back.copy()
    assert not await back.is_ahead()
    await taken_in(url)
    assert await back.is_ahead()


async def test_each_step_may_be_tried_again(url: str, back: SetBack) -> None:
    await back.copy()
    name = await taken_in(url)
    await back.copy()
    await back.swap()
    again = await taken_in(url)
    await back.swap()
    assert await run(url, TAKEN_IN) == [again]
    assert [each.id for each in await back.forgotten()] == [name]


async def test_connections_die_at_the_copy_and_as_it_takes_its_place(
    url: str, back: SetBack
) -> None:
    for step in (back.copy, back.swap):
        connection: asyncpg.Connection[Any] = await asyncpg.connect(url)
        await step()
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
            await connection.fetch("select 1")
    await run(url, "select 1")
