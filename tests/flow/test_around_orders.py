"""What orders brings with it: a label, a quote, statistics, and people for what is stuck."""

import re
from datetime import timedelta
from typing import Any

from orders import parking
from tests.order import until
from tests.platform import Platform


async def test_a_shipped_order_has_a_label_that_can_be_printed(platform: Platform) -> None:
    await platform.start("shipping-2", "shipping-3")
    orders = await platform.place_some(20)
    for order in orders:
        assert await order.end() == ("shipped", None)
        async with platform.http.get(
            f"{platform.url('shipping')}/shipments/{order.id}/label"
        ) as answer:
            assert (answer.status, answer.content_type) == (200, "application/zpl")
            zpl = await answer.text()
        assert re.findall(r"\^FDMA,(.*?)\^FS", zpl) == [str(order.id)]
        assert "Ada Lind" in zpl
    sql = "select count(*), count(distinct order_id) from labels"
    assert tuple((await platform.database("shipping").fetch(sql))[0]) == (20, 20)


async def test_a_quote_is_shippings_and_without_shipping_an_estimate_that_says_so(
    platform: Platform,
) -> None:
    async def is_asked() -> bool:
        return not (await quote(platform))["estimated"]

    await until(is_asked)
    assert await quote(platform) == {
        "amount": 595,
        "currency": "EUR",
        "service": "next day",
        "estimated": False,
        "reason": None,
    }
    await platform.stop("shipping")
    said = await quote(platform)
    assert (said["amount"], said["estimated"]) == (1_995, True)
    assert "flat rate" in said["reason"]


async def test_statistics_tell_how_many_ended_how(platform: Platform) -> None:
    shipped = await platform.place_some(5, currency="EUR")
    declined = await platform.place(currency="EUR", payment_token="tok_declined")
    for order in (*shipped, declined):
        await order.end()
    sums = {("shipped", "EUR", 5, 21_000), ("declined", "EUR", 1, 4_200)}

    async def is_so() -> bool:
        async with platform.http.get(f"{platform.url('orders')}/statistics") as answer:
            hours = (await answer.json())["hours"]
        return {(h["outcome"], h["currency"], h["orders"], h["amount"]) for h in hours} == sums

    await until(is_so)


async def test_an_order_that_is_stuck_is_parked_and_goes_on_when_it_can(
    platform: Platform,
) -> None:
    await platform.stop("payments")
    order = await platform.place()
    late = await parking.park_late(platform.database("orders"), timedelta(0))
    assert [parked.order_id for parked in late] == [order.id]
    assert (await order.read())["parked"] == "past its deadline in placed"
    await platform.start("payments")
    assert await order.end() == ("shipped", None)
    assert (await order.read())["parked"] is None


async def quote(platform: Platform) -> Any:
    url = f"{platform.url('orders')}/shipping-quotes?country=BE&quantity=2"
    async with platform.http.get(url) as answer:
        assert answer.status == 200
        return await answer.json()
