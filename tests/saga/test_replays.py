"""A dead letter about money that is replayed: nobody is charged again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from payments.handlers import router
from tallystick import PermanentError
from tallystick._admin.repair import Act, Repair  # inside: a replay as the admin port makes it
from tallystick._admin.selection import Selection  # inside: a replay as the admin port makes it
from tests.order import until

if TYPE_CHECKING:
    from tests.order import Order
    from tests.platform import Platform
    from tests.saga.conftest import Played

NONSENSE = PermanentError("the provider's answer makes no sense")


async def is_dead(platform: Platform, order: Order) -> None:
    """Returns when the order's capture is a dead letter."""
    sql = "select from tallystick.deferred where id = $1 and state = 'dead'"

    async def held() -> bool:
        return bool(await platform.database("payments").fetch(sql, str(order.id)))

    await until(held)


async def replay(platform: Platform, **said: Any) -> int:
    """Replays dead letters of payments; how many."""
    repair = Repair(platform.database("payments").postgres, router)
    because = Act("ada", "the provider speaks sense again")
    return await repair.replay_up_to(100, Selection(**said), because)


async def test_a_dead_capture_that_is_replayed_asks_under_the_key_it_has_always_had(
    platform: Platform, outside: Played
) -> None:
    outside.answers["capture"] = [NONSENSE]
    order = await platform.place()
    await is_dead(platform, order)
    assert await replay(platform, dead_letter=[str(order.id)]) == 1
    assert await order.end() == ("shipped", None)
    assert outside.calls() == ["capture", "capture", "book"]
    assert outside.keys("capture") == {f"{order.id}:capture"}
    await order.counted(4_200, 0)


async def test_a_dead_capture_is_replayed_once_however_often_it_is_asked(
    platform: Platform, outside: Played
) -> None:
    outside.answers["capture"] = [NONSENSE]
    order = await platform.place()
    await is_dead(platform, order)
    await replay(platform, durable="payments-capture")
    assert await order.end() == ("shipped", None)
    assert await replay(platform, durable="payments-capture") == 0
    assert outside.calls().count("capture") == 2
    await order.counted(4_200, 0)
