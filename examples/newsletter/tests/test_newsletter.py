"""The newsletter: one letter for each order that ended, posted under one key."""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from uuid_utils.compat import uuid7

from newsletter import store
from newsletter.domain import Letter, Post, letter
from newsletter.handlers import router
from newsletter.mailer import Mailer
from newsletter.main import app
from newsletter.settings import Settings
from tallystick import Database, PermanentError
from tallystick.outside import NoAnswer
from tallystick.testing import (
    Harness,
    PostgresServer,
    free_port,
    http_reply,
    migrate,
    outsider,
    served,
)
from tallystick_contracts.orders import OrderEnded, OrderId, Outcome
from tests.callers import client, database, http

__all__ = ["client", "database", "http"]
NOBODY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
async def service(postgres: PostgresServer) -> AsyncIterator[FastAPI]:
    """The service, running without a broker."""
    url = await postgres.create_database(f"newsletter-{uuid7()}")
    await migrate("newsletter", url)
    settings = Settings(
        database_url=url,
        nats_url="nats://127.0.0.1:9",
        port=free_port(),
        admin_port=free_port(),
        mailer_url=NOBODY,
    )
    service = app(settings)
    async with served(service, settings.port):
        yield service


class Played(Mailer):
    """A mail house that answers or not, and records what it was asked."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__(NOBODY)
        self.error = error
        self.asked: list[tuple[str, str, Letter]] = []

    async def post_letter(self, key: str, reference: str, letter: Letter) -> None:
        self.asked.append((key, reference, letter))
        if self.error is not None:
            raise self.error


async def written(database: Database, outcome: Outcome = Outcome.SHIPPED) -> OrderId:
    order_id = OrderId(uuid7())
    await database.commit(store.write(order_id, outcome))
    return order_id


@pytest.mark.parametrize("outcome", Outcome)
async def test_the_end_of_an_order_is_stored_with_the_wish_to_post_its_letter(
    outcome: Outcome,
) -> None:
    ended = OrderEnded(order_id=OrderId(uuid7()), sequence=3, outcome=outcome)
    decided = await Harness(router).give(ended)
    assert decided.writes == (store.write(ended.order_id, outcome),)
    assert decided.effects == (Post(order_id=ended.order_id),)


async def test_a_letter_is_posted_under_the_key_of_its_order(database: Database) -> None:
    order_id, mailer = await written(database), Played()
    decided = await Harness(router, mailer, database=database).give(Post(order_id=order_id))
    assert mailer.asked == [(f"{order_id}:letter", str(order_id), letter(Outcome.SHIPPED))]
    assert decided.writes == (store.posted(order_id),)


async def test_without_an_answer_the_same_key_is_asked_again(database: Database) -> None:
    order_id, mailer = await written(database), Played(NoAnswer("silence"))
    for _ in range(2):
        with pytest.raises(NoAnswer):
            await Harness(router, mailer, database=database).give(Post(order_id=order_id))
    assert [key for key, *_ in mailer.asked] == [f"{order_id}:letter"] * 2


async def test_what_was_never_written_is_never_posted(database: Database) -> None:
    mailer = Played()
    with pytest.raises(PermanentError, match="no letter"):
        await Harness(router, mailer, database=database).give(Post(order_id=OrderId(uuid7())))
    assert mailer.asked == []


async def test_two_ends_of_one_order_are_one_letter(database: Database) -> None:
    order_id = await written(database)
    await database.commit(store.write(order_id, Outcome.CANCELLED))
    stored = await store.get(database, order_id)
    assert stored is not None
    assert stored.outcome is Outcome.SHIPPED


async def test_a_letter_is_read_as_it_is_now(client: object, database: Database) -> None:
    order_id = await written(database)
    async with client.get(f"/letters/{order_id}") as answer:  # type: ignore[attr-defined]
        assert (await answer.json())["posted_at"] is None
    await database.commit(store.posted(order_id))
    async with client.get(f"/letters/{order_id}") as answer:  # type: ignore[attr-defined]
        assert (await answer.json())["posted_at"] is not None


async def test_the_mail_house_gets_what_is_written_and_answers_for_the_same_letter() -> None:
    answer = http_reply(200, {"outcome": "posted", "reference": "o1"})
    async with outsider(answer) as server, Mailer(server.url) as mailer:
        await mailer.post_letter("o1:letter", "o1", Letter(subject="Hello", text="Good news."))
        with pytest.raises(NoAnswer):
            await mailer.post_letter("o2:letter", "o2", Letter(subject="Hello", text="News."))
    head, _, body = server.requests[0].partition("\r\n\r\n")
    assert head.startswith("POST /mail/letters HTTP/1.1")
    assert "Idempotency-Key: o1:letter" in head
    assert body == '{"reference":"o1","subject":"Hello","text":"Good news."}'
