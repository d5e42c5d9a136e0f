"""What the broker refuses for good is listed, sent again or given up."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from libs.tallystick.tests.cli.refused import mend, refuse

Shop = Any
Tally = Any
BECAUSE = ("--reason", "a test", "--actor", "ada")
STATE = "select sent_at, refused, discarded_at from tallystick.outbox where id = $1"


@pytest.fixture
async def item(shop: Shop) -> AsyncIterator[str]:
    """An item of which the broker refuses that it was sold."""
    item = await shop.sell()
    yield item
    await mend(shop.database, item)


@pytest.fixture
async def id_(shop: Shop, item: str) -> str:
    return await refuse(shop.database, item)


async def of(tally: Tally, *words: str) -> Any:
    result = await tally("outbox", *words, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


async def test_a_healthy_service_has_nothing_refused(tally: Tally) -> None:
    result = await tally("outbox", "list")
    assert (result.exit_code, result.stdout) == (0, "the broker refuses no message\n")


async def test_it_is_listed_with_its_key_its_size_and_why(
    tally: Tally, item: str, id_: str
) -> None:
    for names in ((), (item,), (id_,)):
        page = (await of(tally, "list", *names))["services"]["shop"]
        assert page["total"] == 1
        (one,) = page["refused"]
        assert (one["id"], one["key"], one["type"]) == (id_, item, "evt.shop.sold.v1")
        assert one["size"] > 0
    shown = (await tally("outbox", "list")).stdout
    assert f"{item}" in shown
    assert "message size exceeds maximum allowed" in shown
    assert (await of(tally, "list", "another"))["services"]["shop"]["total"] == 0


async def test_a_retried_one_is_sent_and_recorded(
    shop: Shop, tally: Tally, item: str, id_: str
) -> None:
    done = await of(tally, "retry", item, *BECAUSE)
    assert done == {"retry": {"shop": 1}, "silent": {}}
    await shop.until(
        f"exists (select from tallystick.outbox where id = '{id_}' and sent_at is not null)"
    )
    result = await tally("dlq", "audit", id_)
    assert "retry" in result.stdout
    assert f"outbox/shop/{id_}" in result.stdout
    assert "refused" in result.stdout


async def test_a_discarded_one_is_listed_no_more_and_never_sent_and_stays_on_record(
    shop: Shop, tally: Tally, id_: str
) -> None:
    result = await tally("outbox", "discard", id_, *BECAUSE)
    assert (result.exit_code, result.stdout) == (0, "shop: 1 discarded\n")
    assert (await of(tally, "list"))["services"]["shop"]["total"] == 0
    ((sent_at, refused, discarded_at),) = await shop.database.fetch(STATE, id_)
    assert (sent_at, refused is None, discarded_at is None) == (None, False, False)
    (row,) = await shop.database.fetch(
        "select actor, reason, before from tallystick.actions where message_id = $1", id_
    )
    assert (row["actor"], row["reason"]) == ("ada", "a test")
    assert row["before"]  # its body, when its day is forgotten


async def test_no_more_than_is_named_is_discarded(shop: Shop, tally: Tally, id_: str) -> None:
    result = await tally("outbox", "discard", *BECAUSE)
    assert result.exit_code == 2
    assert "name what to discard" in result.stderr
    result = await tally("outbox", "discard", "another", *BECAUSE)
    assert result.exit_code == 1
    assert "no such message is refused" in result.stderr
    assert (await shop.database.fetch(STATE, id_))[0]["discarded_at"] is None


async def test_what_is_sent_is_no_matter_of_a_repair(shop: Shop, tally: Tally) -> None:
    item = await shop.sell()
    for action in ("retry", "discard"):
        result = await tally("outbox", action, item, *BECAUSE)
        assert (result.exit_code, result.stdout) == (1, "")


async def test_of_more_than_are_listed_the_number_is_told(
    shop: Shop, tally: Tally, item: str
) -> None:
    other = await shop.sell()
    try:
        for each in (item, other):
            await refuse(shop.database, each)
        shown = (await tally("outbox", "list", "--limit", "1")).stdout
        assert "and 1 more" in shown
        page = (await of(tally, "list", "--limit", "1"))["services"]["shop"]
        assert (page["total"], page["next"]) == (2, page["refused"][0]["id"])
        assert (await of(tally, "discard", item, other, *BECAUSE))["discard"] == {"shop": 2}
    finally:
        await mend(shop.database, other)
