"""What waits, and what is dead, is shown with its id and its key, and found by either."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from tallystick.testing import free_port

Shop = Any
Tally = Any
BECAUSE = ("--reason", "a test", "--actor", "ada")


@pytest.fixture
async def insured(shop: Shop) -> AsyncIterator[str]:
    """An item whose insurance waits for an insurer that sleeps."""
    item = await shop.sell("insured")
    yield item
    await shop.database.fetch("delete from tallystick.deferred where id = $1", item)


async def listed(tally: Tally, *options: str) -> list[dict[str, Any]]:
    result = await tally("deferred", "list", "--json", *options)
    assert result.exit_code == 0, result.stderr
    found: list[dict[str, Any]] = json.loads(result.stdout)["services"]["shop"]["deferred"]
    return found


async def test_a_deferred_message_is_listed_with_key_state_and_last_error(
    tally: Tally, insured: str
) -> None:
    (one,) = await listed(tally, insured)
    assert (one["durable"], one["id"], one["key"]) == ("shop-insure", insured, insured)
    assert (one["attempts"], one["state"], one["replica"]) == (1, "waiting", None)
    assert (one["error_type"], one["error"]) == ("TemporaryError", "the insurer sleeps")
    assert one["due_at"] > one["deferred_at"]
    shown = (await tally("deferred", "list", "--durable", "shop-insure")).stdout
    assert f"shop-insure/shop/{insured}" in shown
    assert "TemporaryError: the insurer sleeps" in shown


async def test_one_that_waits_is_shown_whole(tally: Tally, insured: str) -> None:
    for name in (insured, f"shop-insure/shop/{insured}"):
        result = await tally("deferred", "show", name)
        assert result.exit_code == 0, result.stderr
        assert result.stdout.splitlines()[0] == f"shop-insure/shop/{insured}"
        assert f'"item": "{insured}"' in result.stdout
        assert "ATTEMPT ENDED" in result.stdout


async def test_a_running_message_names_its_replica_and_one_due_now_is_marked(
    shop: Shop, tally: Tally, insured: str
) -> None:
    await shop.database.fetch(
        "update tallystick.deferred set replica = $2, due_at = '-infinity' where id = $1",
        *(insured, shop.runtime.parts.replica),
    )
    shop.runtime.parts.slots.take(("shop-insure", "shop", insured))
    (one,) = await listed(tally, insured)
    shown = (await tally("deferred", "list", insured)).stdout
    timeline = await tally("timeline", insured)
    shop.runtime.parts.slots.give_back(("shop-insure", "shop", insured))
    assert (one["state"], one["replica"], one["due_at"]) == (
        "running",
        shop.runtime.parts.replica,
        None,
    )
    assert "at once" in shown
    assert timeline.exit_code == 0, timeline.output


@pytest.mark.parametrize(("expired_leases", "state"), [(1, "waiting"), (2, "quarantined")])
async def test_a_message_whose_lease_expired_twice_is_quarantined(
    shop: Shop, tally: Tally, insured: str, expired_leases: int, state: str
) -> None:
    expired = "update tallystick.deferred set expired_leases = $2 where id = $1"
    await shop.database.fetch(expired, insured, expired_leases)
    (one,) = await listed(tally, insured)
    assert one["state"] == state


async def test_a_message_that_does_not_wait_is_a_line_and_2(tally: Tally) -> None:
    result = await tally("deferred", "show", "nothing")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "tally: nothing does not wait in any service: see tally deferred list\n"


async def test_a_dead_letter_is_listed_with_its_id_and_its_key_and_found_by_either(
    shop: Shop, tally: Tally
) -> None:
    await shop.give_up()
    letter = await shop.dead()
    key = (await shop.database.fetch("select key from tallystick.outbox where id = $1", letter))[0][
        0
    ]
    listed = (await tally("dlq", "list")).stdout
    assert f"the newest: shop-letters/shop/{letter}, about {key}" in listed
    for name in (letter, key):
        letters = await tally("dlq", "list", name)
        assert key in letters.stdout
        assert letters.stdout.splitlines()[1].endswith(f"shop-letters/shop/{letter}")
        assert (await tally("dlq", "show", name)).stdout.startswith("shop-letters/shop/")
    discarded = await tally("dlq", "discard", key, *BECAUSE)
    assert (discarded.exit_code, discarded.stdout) == (0, "shop: 1 discarded\n")


@pytest.mark.parametrize("command", ["discard", "replay"])
@pytest.mark.parametrize("named", [("nothing",), ("--durable", "shop-nothing")])
@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--json",)])
async def test_a_repair_of_nothing_is_a_failure_that_scripts_see(
    tally: Tally, command: str, named: tuple[str, ...], more: tuple[str, ...]
) -> None:
    result = await tally("dlq", command, *named, *BECAUSE, *more)
    assert result.exit_code == 1
    assert "nothing matched, nothing was done" in result.stderr


@pytest.mark.parametrize("command", [("dlq", "list"), ("deferred", "list")])
async def test_a_silent_service_is_not_reported_as_having_none(
    tally: Tally, command: tuple[str, ...]
) -> None:
    away = {"TALLY_ADMIN": f"shop=http://127.0.0.1:{free_port()}"}
    result = await tally(*command, env=away)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "shop does not answer" in result.stderr


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_a_service_refuses_a_time_that_its_database_cannot_hold(
    shop: Shop, tally: Tally, moment: str
) -> None:
    url = f"{shop.env['TALLY_ADMIN'].removeprefix('shop=')}/admin"

    def status(path: str) -> int:
        token = {"Authorization": f"Bearer {shop.env['TALLY_ADMIN_TOKEN']}"}
        try:
            with urlopen(Request(url + path, headers=token), timeout=10) as answer:
                return int(answer.status)
        except HTTPError as error:
            return error.code

    for path in ("/dead-letters?since=", "/dead-letters?until=", "/repairs?before="):
        assert await asyncio.to_thread(status, path + quote(moment)) == 422, path
