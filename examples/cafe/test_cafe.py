import asyncio
from uuid import uuid4

from cafe.main import SERVE, CoffeeOrdered, router
from tallystick.testing import Harness


def test_a_coffee_that_was_ordered_is_served() -> None:
    coffee = CoffeeOrdered(id=uuid4(), drink="espresso")
    decided = asyncio.run(Harness(router).give(coffee))
    assert [(write.sql, write.args) for write in decided.writes] == [(SERVE, (coffee.id,))]
