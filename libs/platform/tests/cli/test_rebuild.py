"""`tally rebuild`: a projection made again by its service."""

import json
from typing import Any

Shop = Any
Tally = Any


async def test_a_projection_is_made_again_by_its_service(shop: Shop, tally: Tally) -> None:
    done = await tally("rebuild", "shop", "statistics")
    assert done.exit_code == 0
    assert "emptied of 3 rows; shop-counts reads again from 42" in done.output
    reports_errors = await tally("rebuild", "shop", "statistics", "--json")
    assert json.loads(reports_errors.output)["sequence"] == 42


async def test_a_projection_that_a_service_has_not_is_refused(shop: Shop, tally: Tally) -> None:
    done = await tally("rebuild", "shop", "weather")
    assert done.exit_code == 1
    assert done.stderr == "tally: shop has no projection weather\n"
