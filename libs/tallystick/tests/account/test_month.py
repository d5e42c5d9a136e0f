"""A service that has read its own messages for a month."""

from __future__ import annotations

import time

from libs.tallystick.tests.account.site import Site
from libs.tallystick.tests.database.filling import agree, fill, partitions
from libs.tallystick.tests.database.working import DURABLE, TYPE, router
from tallystick._messages.identity import reader_number

PERIOD = 2_000  # milliseconds
LATELY = 5 * 60_000


async def test_the_days_that_are_no_longer_judged_hold_up_nothing(site: Site) -> None:
    """Both sides have folded them; of a part of a day there are no closed sums."""
    url, number = site.urls["shop"], reader_number(DURABLE, "shop")
    days = await partitions(url, 30)
    async for _ in fill(url, days, type_=TYPE, reader=number, outbox=600, others=0):
        pass
    await agree(url, type_=TYPE, reader=number, since=days[0].low, period=PERIOD)
    await site.declare(router())
    async with site.runs(router(), account_period_s=PERIOD / 1000):
        lately = (time.time() * 1000) - LATELY
        await site.until(
            "shop",
            f"(select (overview->>'settled_until')::float8 > {lately} from tallystick.accounts)",
        )
