"""What every service shows on its admin port, asked for without the command line."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tallystick._telemetry.release import LIBRARY

Shop = Any
Ask = Any


@pytest.fixture
async def ask(shop: Shop) -> AsyncIterator[Ask]:
    """Gets a path; returns status and JSON."""
    headers = {"Authorization": f"Bearer {shop.env['TALLY_ADMIN_TOKEN']}"}
    base = shop.env["TALLY_ADMIN"].partition("=")[2]
    async with aiohttp.ClientSession(base, headers=headers) as session:

        async def get(path: str, **params: Any) -> tuple[int, Any]:
            async with session.get(path, params=params.get("params")) as answer:
                return answer.status, await answer.json(content_type=None)

        yield get


async def test_each_route_is_described(ask: Ask) -> None:
    status, described = await ask("/admin/openapi.json")
    assert status == 200
    ours = {path: item for path, item in described["paths"].items() if path.startswith("/admin/")}
    assert {
        "/admin/topology",
        "/admin/account",
        "/admin/account/published",
        "/admin/account/{durable}",
        "/admin/account/accept",
        "/admin/dead-letters",
        "/admin/dead-letters/{group}",
        "/admin/dead-letters/{durable}/{place}",
        "/admin/messages/{key}",
        "/admin/repairs",
        "/admin/repairs/{name}",
        "/admin/repairs/{run}/progress",
        "/admin/repairs/replay",
        "/admin/repairs/edit",
        "/admin/repairs/discard",
    } <= set(ours)
    library = [ours[path] for path in ours if "parked" not in path]
    assert all(verb["description"] for item in library for verb in item.values())


async def test_each_model_of_the_description_has_a_name_of_its_own(ask: Ask) -> None:
    _, described = await ask("/admin/openapi.json")
    names = described["components"]["schemas"]
    assert {"DeferredAsked", "PastRepair", "Repaired"} & set(names)
    assert [name for name in names if "__" in name] == []  # as FastAPI tells two of a name apart


async def test_groups_count_and_the_letters_come_in_pages(shop: Shop, ask: Ask) -> None:
    for _ in range(3):
        await shop.sell("dead")
    _, answer = await ask("/admin/dead-letters")
    (group,) = answer["groups"]
    assert (group["durable"], group["versions"]) == ("shop-letters", [LIBRARY])
    assert group["count"] == answer["total"] >= 3
    assert group["first_seen"] < group["last_seen"]
    path, found, cursor = f"/admin/dead-letters/{group['fingerprint']}", [], None
    while True:
        params = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        _, page = await ask(path, params=params)
        found += page["dead_letters"]
        cursor = page["next"]
        if cursor is None:
            break
    assert len({dead_letter["id"] for dead_letter in found}) == len(found) == group["count"]
    assert found == sorted(found, key=lambda dead_letter: str(dead_letter["died_at"]), reverse=True)


async def test_a_letter_keeps_its_names_however_odd_they_are(shop: Shop, ask: Ask) -> None:
    odd = {"ce-source": "https://else.where/a%20b", "ce-id": "x/y?z#1", "ce-type": "odd"}
    await shop.client.jetstream().publish("evt.shop.sold.v1.00", b"\xff\x00", headers=odd)
    await shop.until("exists (select from tallystick.deferred where id = 'x/y?z#1')")
    sql = "update tallystick.deferred set state = 'dead' where id = 'x/y?z#1' and durable = $1"
    await shop.database.fetch(sql, "shop-books")
    place = quote("https://else.where/a b/x/y?z#1", safe="")
    status, dead_letter = await ask(f"/admin/dead-letters/shop-books/{place}")
    assert (status, dead_letter["source"]) == (200, "https://else.where/a b")
    assert (dead_letter["body"], dead_letter["body_base64"]) == (None, "/wA=")
    await shop.database.fetch("delete from tallystick.deferred where id = 'x/y?z#1'")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/admin/dead-letters/shop-books/shop/none", 404),
        ("/admin/dead-letters/a%00b", 400),
        ("/admin/dead-letters/a/b%00/c", 400),
        ("/admin/dead-letters/a?cursor=nonsense", 422),
        ("/admin/dead-letters?limit=0", 422),
        ("/admin/dead-letters?durables=a", 422),
        ("/admin/dead-letters?since=yesterday", 422),
        ("/admin/repairs/a%00b", 400),
        ("/admin/repairs/a?cursor=nonsense", 422),
        ("/admin/repairs?before=2026-11-25T10:00", 422),
        ("/admin/repairs/a/progress", 422),
        ("/admin/messages/", 422),
        ("/admin/messages/a%00b", 400),
        ("/admin/messages/a?message=nothing", 422),
        ("/admin/messages/a?message=a/b%00", 400),
    ],
)
async def test_what_cannot_be_is_a_problem(ask: Ask, path: str, status: int) -> None:
    answered, problem = await ask(path)
    assert (answered, problem["status"]) == (status, status)


async def test_messages_of_others_are_asked_for_by_name(shop: Shop, ask: Ask) -> None:
    item = await shop.sell("insured")
    _, known = await ask(f"/admin/messages/{item}")
    assert [message["type"] for message in known["published"]] == [
        "dev.tallystick.shop.sold.v1",
        "dev.tallystick.shop.pack.v1",
    ]
    assert all(message["sent_at"] for message in known["published"])
    states = {row["durable"]: (row["kind"], row["state"]) for row in known["received"]}
    assert states == {
        "shop-books": ("event", "done"),
        "shop-letters": ("event", "done"),
        "shop-packers": ("job", "done"),
        "shop-charge": ("effect", "done"),
        "shop-insure": ("effect", "waiting"),
    }
    _, by_name = await ask(
        "/admin/messages/another", params={"message": f"shop/{known['published'][0]['id']}"}
    )
    assert by_name["published"] == []
    assert {row["durable"] for row in by_name["received"]} == {"shop-books", "shop-letters"}


async def test_an_effect_that_was_never_begun_is_withdrawn(shop: Shop, ask: Ask) -> None:
    item = await shop.sell()
    never = "update tallystick.effects set ended_at = null where key = $1 returning key"
    assert len(await shop.database.fetch(never, item)) == 1
    _, known = await ask(f"/admin/messages/{item}")
    states = {row["durable"]: row["state"] for row in known["received"]}
    assert states["shop-charge"] == "withdrawn"
