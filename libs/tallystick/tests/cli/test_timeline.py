"""`tally timeline` of items that a shop has sold."""

import json
from typing import Any

from uuid_utils.compat import uuid7

from tallystick._messages.message import shard
from tallystick.testing import free_port

Shop = Any
Tally = Any


async def test_every_message_and_attempt_of_one_order_is_drawn(shop: Shop, tally: Tally) -> None:
    result = await tally("timeline", await shop.sell())
    assert result.exit_code == 0, result.stderr
    first = result.stdout.splitlines()[4].split()
    assert first == ["0", "ms", "●", "shop.sold", "v1"]
    for step in (
        "shop-books  book",
        "shop-letters  write_letter",
        "shop-charge stored",
        "shop-charge failed",
        "TemporaryError: the bank is closed",
        "shop-charge, attempt 2  charge",
        "shop.pack v1",
        "shop-packers  pack",
    ):
        assert step in result.stdout
    assert "2 messages" in result.stdout
    assert "nothing waits" in result.stdout
    assert "also read by (keeps no record): shop-counts" in result.stdout


async def test_no_line_is_wider_than_100_columns(shop: Shop, tally: Tally) -> None:
    result = await tally("timeline", await shop.sell("dead"))
    assert max(map(len, result.stdout.splitlines())) <= 100


async def test_steps_are_in_the_order_of_time_and_nothing_comes_before_its_cause(
    shop: Shop, tally: Tally
) -> None:
    result = await tally("timeline", await shop.sell(), "--json")
    steps = json.loads(result.stdout)["steps"]
    kinds = [(step["kind"], step["title"]) for step in steps]
    assert kinds[0] == ("published", "shop.sold v1")
    for first, then in (
        (("done", "shop-books"), ("stored", "shop-charge")),
        (("stored", "shop-charge"), ("failed", "shop-charge")),
        (("failed", "shop-charge"), ("done", "shop-charge")),
        (("done", "shop-books"), ("published", "shop.pack v1")),
        (("published", "shop.pack v1"), ("done", "shop-packers")),
    ):
        assert kinds.index(first) < kinds.index(then)


async def test_a_dead_letter_shows_where_the_way_ended(shop: Shop, tally: Tally) -> None:
    result = await tally("timeline", await shop.sell("dead"))
    assert "shop-letters is a dead letter" in result.stdout
    assert r"permanent: nobody can be\x1b[31m written to" in result.stdout


async def test_what_waits_says_until_when_and_why(shop: Shop, tally: Tally) -> None:
    result = await tally("timeline", await shop.sell("insured"))
    assert "shop-insure waits, due in " in result.stdout
    assert "TemporaryError: the insurer sleeps" in result.stdout
    assert "1 waiting" in result.stdout


async def test_a_message_that_nobody_has_read_yet_says_so(shop: Shop, tally: Tally) -> None:
    await tally("durable", "pause", "shop-packers")
    item = str(uuid7())
    headers = {"ce-source": "shop", "ce-id": item, "ce-subject": item, "ce-type": "x.y.v1"}
    subject = f"job.shop.pack.v1.{shard(item)}"
    await shop.client.jetstream().publish(subject, b"{}", headers=headers)
    result = await tally("timeline", item)
    assert "shop-packers has not done it yet" in result.stdout
    await tally("durable", "resume", "shop-packers")


async def test_a_silent_service_makes_the_drawing_incomplete(shop: Shop, tally: Tally) -> None:
    admin = f"{shop.env['TALLY_ADMIN']},bank=http://127.0.0.1:{free_port()}"
    result = await tally("timeline", await shop.sell(), env={"TALLY_ADMIN": admin})
    assert result.exit_code == 1
    assert "shop-books  book" in result.stdout
    assert "incomplete: bank does not answer at http://127.0.0.1:" in result.stdout


async def test_a_broker_that_is_away_leaves_what_the_services_know(
    shop: Shop, tally: Tally
) -> None:
    env = {"TALLY_NATS_URL": f"nats://127.0.0.1:{free_port()}"}
    result = await tally("timeline", await shop.sell(), env=env)
    assert result.exit_code == 1
    assert "shop-charge, attempt 2  charge" in result.stdout
    assert "incomplete: cannot reach the broker at 127.0.0.1:" in result.stdout


async def test_an_order_that_nobody_knows_is_a_line_and_1(tally: Tally) -> None:
    order = str(uuid7())
    result = await tally("timeline", order)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"tally: nothing is known of {order}\n"
