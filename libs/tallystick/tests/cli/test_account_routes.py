"""What a service shows of the account on its admin port."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from uuid_utils.compat import uuid7

from libs.tallystick.tests.account.looked import AGREED, FORGOTTEN, forget, looked
from tallystick._admin import account as accounts  # inside: in steps of how many
from tallystick._admin.account_rows import judged  # inside: by a clock of the test
from tallystick._database.readers import Reader  # inside: the number in its inbox

Shop = Any
Ask = Any
MAIL = "shop-mail"  # nothing declares it, so no replica of the shop looks
NOTHING = {**AGREED, "source": "orders", "durable": MAIL, "settled_until": 0, "agrees_until": 0}
BECAUSE = {"actor": "ada", "reason": "a test"}


@pytest.fixture
async def ask(shop: Shop) -> AsyncIterator[Ask]:
    """Gets a path, or posts a body to it; returns status and JSON."""
    headers = {"Authorization": f"Bearer {shop.env['TALLY_ADMIN_TOKEN']}"}
    base = shop.env["TALLY_ADMIN"].partition("=")[2]
    async with aiohttp.ClientSession(base, headers=headers) as session:

        async def send(path: str, body: Any = None) -> tuple[int, Any]:
            method = "GET" if body is None else "POST"
            async with session.request(method, f"/admin/account{path}", json=body) as answer:
                return answer.status, await answer.json(content_type=None)

        yield send
    await forget(shop.database, MAIL)


async def of(ask: Ask, durable: str) -> Any:
    status, answer = await ask("")
    assert status == 200, answer
    return next(one for one in answer["readers"] if one["durable"] == durable)


async def test_an_overview_is_shown_as_the_last_look_found_it(shop: Shop, ask: Ask) -> None:
    counts: dict[str, Any] = {
        "published": 9,
        "received": 7,
        "deferred": 2,
        "dead": 1,
        "on_its_way": 1,
        "unsent": 1,
    }
    await looked(shop.database, MAIL, "orders", republished=3, **counts)
    found = await of(ask, MAIL)
    assert {name: found[name] for name in counts} == counts
    assert (found["source"], found["republished"], found["waits_for"]) == ("orders", 3, "")
    assert found["settled_until"] < found["looked_at"]
    assert found["is_accounted_for"]


@pytest.mark.parametrize(
    "found",
    [
        {"missing": 1},
        {"unknown": (uuid7(),)},
        {"waits_for": "orders does not answer"},
        {"set_back": FORGOTTEN},
    ],
    ids=lambda found: next(iter(found)),
)
async def test_not_all_is_accounted_for_while_something_is_missing_unknown_or_not_judged(
    shop: Shop, ask: Ask, found: dict[str, Any]
) -> None:
    await looked(shop.database, MAIL, "orders", **found)
    assert (await of(ask, MAIL))["is_accounted_for"] is False


NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
ROW = {"unknown": 0, "set_back": None, "looked_at": NOON, "at": NOON + timedelta(seconds=181)}


def test_of_a_declared_reader_a_look_of_long_ago_is_no_news() -> None:
    one = judged(ROW, {**NOTHING, "waits_for": "orders does not answer"}, is_declared=True)
    assert one.waits_for == "no replica has looked since 2026-11-30 12:00:00"
    assert not one.is_accounted_for
    assert not one.is_abandoned


@pytest.mark.parametrize("missing", [0, 1])
def test_a_reader_that_is_declared_no_more_is_accounted_for_as_it_was_left(missing: int) -> None:
    one = judged(ROW, {**NOTHING, "missing": missing}, is_declared=False)
    assert (one.is_abandoned, one.waits_for) == (True, "")
    assert one.is_accounted_for is (missing == 0)


async def test_it_is_abandoned_once_three_minutes_have_passed_without_a_look(
    shop: Shop, ask: Ask
) -> None:
    for seconds_ago, is_abandoned in ((0, False), (181, True)):
        await looked(shop.database, MAIL, "orders", seconds_ago=seconds_ago)
        assert (await of(ask, MAIL))["is_abandoned"] is is_abandoned


async def test_each_durable_that_keeps_an_inbox_is_listed_before_its_first_look(
    shop: Shop, ask: Ask
) -> None:
    _, answer = await ask("")
    listed = {one["durable"] for one in answer["readers"]}
    assert {"shop-books", "shop-letters", "shop-packers"} <= listed
    assert not {"shop-counts", "shop-charge"} & listed  # idempotent, and an effect
    never = [one for one in answer["readers"] if one["looked_at"] is None]
    assert all(one["waits_for"] == "no replica has looked yet" for one in never)
    assert not any(one["is_accounted_for"] or one["published"] is not None for one in never)


async def test_an_unknown_message_that_waits_here_is_shown_with_type_key_and_sequence(
    shop: Shop, ask: Ask
) -> None:
    forged = uuid7()
    number = Reader(MAIL, "orders").number
    await shop.database.fetch("insert into tallystick.inbox values ($1, $2)", number, forged)
    await shop.database.fetch(
        """insert into tallystick.deferred (durable, source, id, subject, headers, body, state,
            stream_sequence, give_up_at)
        values ($1, 'orders', $2, 'evt.orders.placed.v1.07', $3, '', 'dead', 41, now())""",
        *(MAIL, str(forged)),
        b"ce-type: orders.placed\r\nce-subject: o%201\r\nce-sequence: 0000000000000000003\r\n",
    )
    await looked(shop.database, MAIL, "orders", unknown=(forged,))
    _, answer = await ask(f"/{MAIL}")
    ((one,),) = [reader["unknown_messages"] for reader in answer["readers"]]
    assert (
        one.items()
        >= {
            "id": str(forged),
            "type": "orders.placed",
            "key": "o 1",
            "sequence": 3,
            "subject": "evt.orders.placed.v1.07",
            "stream_sequence": 41,
            "state": "dead",
        }.items()
    )
    assert one["made_at"] <= one["received_at"]
    await shop.database.fetch("delete from tallystick.deferred where durable = $1", MAIL)


async def test_an_unknown_message_that_is_done_is_known_by_its_id_only(
    shop: Shop, ask: Ask
) -> None:
    forged = uuid7()
    number = Reader(MAIL, "orders").number
    await shop.database.fetch("insert into tallystick.inbox values ($1, $2)", number, forged)
    await looked(shop.database, MAIL, "orders", unknown=(forged,))
    _, answer = await ask(f"/{MAIL}")
    (one,) = answer["readers"][0]["unknown_messages"]
    assert (one["id"], one["state"], one["type"]) == (str(forged), "done", None)


async def test_a_missing_message_of_the_own_service_is_shown_from_its_outbox(
    shop: Shop, ask: Ask
) -> None:
    item = await shop.sell()
    sold = "select id from tallystick.outbox where key = $1 and subject like 'evt.%'"
    (row,) = await shop.database.fetch(sold, item)
    lost = uuid7()  # of another service: only its id is known here
    await looked(shop.database, MAIL, "shop", missing=2, missing_ids=(row["id"], lost))
    _, answer = await ask(f"/{MAIL}")
    ours, other = answer["readers"][0]["missing_messages"]
    assert (ours["type"], ours["key"]) == ("dev.tallystick.shop.sold.v1", item)
    assert ours["sent_at"]
    assert (other["id"], other["type"], other["received_at"]) == (str(lost), None, None)
    _, named = await ask(f"/published?id={row['id']}&id={lost}")
    assert [each["key"] for each in named["published"]] == [item]


async def test_what_is_accepted_is_unknown_no_more_and_stays_on_record(
    shop: Shop, ask: Ask
) -> None:
    forged = [uuid7() for _ in range(3)]
    await looked(shop.database, MAIL, "orders", unknown=tuple(forged))
    asked = {**BECAUSE, "durable": MAIL, "source": "orders"}
    status, done = await ask("/accept", asked)
    assert (status, done["count"], done["more"]) == (200, 3, False)
    assert (await of(ask, MAIL))["unknown"] == 0
    later = uuid7()
    await looked(shop.database, MAIL, "orders", unknown=(*forged, later))
    _, answer = await ask(f"/{MAIL}")
    (reader,) = answer["readers"]
    assert [each["id"] for each in reader["unknown_messages"]] == [str(later)]
    ((past, count),) = [(each, each.pop("count")) for each in reader["acceptances"]]
    assert (count, past["actor"], past["reason"]) == (3, "ada", "a test")


async def test_nothing_is_accepted_where_nothing_is_unknown_or_another_source_denies_it(
    shop: Shop, ask: Ask
) -> None:
    for unknown, source in (((), "orders"), ((uuid7(),), "payments")):
        await looked(shop.database, MAIL, "orders", unknown=unknown)
        asked = {**BECAUSE, "durable": MAIL, "source": source}
        status, problem = await ask("/accept", asked)
        assert (status, problem["title"]) == (409, "Nothing is unknown")
    assert (await of(ask, MAIL))["unknown"] == 1


async def test_at_most_a_hundred_messages_are_named_and_all_are_counted_and_accepted(
    shop: Shop, ask: Ask
) -> None:
    forged = tuple(sorted(uuid7() for _ in range(150)))
    await looked(shop.database, MAIL, "orders", unknown=forged)
    _, answer = await ask(f"/{MAIL}")
    (reader,) = answer["readers"]
    assert reader["unknown"] == 150
    named = [each["id"] for each in reader["unknown_messages"]]
    assert named == [str(each) for each in forged[:100]]
    asked = {**BECAUSE, "durable": MAIL, "source": "orders"}
    status, done = await ask("/accept", asked)
    assert (status, done["count"], done["more"]) == (200, 150, False)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/shop-nothing", None, 404),
        ("/a%00b", None, 400),
        ("/published", None, 422),
        ("/published?id=1", None, 422),
        ("/accept", {"durable": MAIL, "source": "orders", "actor": "ada"}, 422),
        ("/accept", {**BECAUSE, "durable": MAIL}, 422),
    ],
)
async def test_what_cannot_be_is_a_problem(ask: Ask, path: str, body: Any, status: int) -> None:
    answered, problem = await ask(path, body)
    assert (answered, problem["status"]) == (status, status)


async def test_without_the_token_nothing_is_shown(shop: Shop) -> None:
    base = shop.env["TALLY_ADMIN"].partition("=")[2]
    async with aiohttp.ClientSession(base) as session:
        for path in ("", f"/{MAIL}", f"/published?id={uuid7()}"):
            async with session.get(f"/admin/account{path}") as answer:
                assert answer.status == 401


async def test_what_is_deferred_or_dead_is_counted_as_it_is_now(shop: Shop, ask: Ask) -> None:
    """Also of an abandoned durable: nobody looks, and a person may have discarded some."""
    await looked(shop.database, MAIL, "orders", seconds_ago=181, missing=3, deferred=2, dead=2)
    discard = "update tallystick.deferred set state = 'discarded' where durable = $1 and id = $2"
    await shop.database.fetch(discard, MAIL, "dead 1")
    (shown,) = (await ask(f"/{MAIL}"))[1]["readers"]
    for found in (await of(ask, MAIL), shown):
        assert (found["is_abandoned"], found["missing"]) == (True, 3)
        assert (found["deferred"], found["dead"]) == (2, 1)


async def test_unknown_messages_are_read_page_by_page(shop: Shop, ask: Ask) -> None:
    ids = sorted(str(uuid7()) for _ in range(7))
    await looked(shop.database, MAIL, "orders", unknown=[UUID(id_) for id_ in ids])
    read: list[str] = []
    while True:
        after = f"&after={read[-1]}" if read else ""
        _, answer = await ask(f"/{MAIL}?limit=3{after}")
        (reader,) = answer["readers"]
        assert reader["unknown"] == 7
        if not (page := [each["id"] for each in reader["unknown_messages"]]):
            break
        assert len(page) <= 3
        read += page
    assert read == ids


@pytest.mark.parametrize("in_steps", [True, False])
async def test_any_number_of_unknown_messages_is_accepted_as_one_act(
    shop: Shop, ask: Ask, monkeypatch: pytest.MonkeyPatch, in_steps: bool
) -> None:
    monkeypatch.setattr(accounts, "ACCEPTED_AT_ONCE", 3)
    await looked(shop.database, MAIL, "orders", unknown=[uuid7() for _ in range(7)])
    about = {**BECAUSE, "durable": MAIL, "source": "orders"}
    monkeypatch.setattr(accounts, "ACCEPTS_FOR", 0 if in_steps else 60)
    status, done = await ask("/accept", about)
    assert status == 200
    while done["more"]:
        status, done = await ask("/accept", {**about, "at": done["at"]})
    _, answer = await ask(f"/{MAIL}")
    (reader,) = answer["readers"]
    assert (reader["unknown"], reader["unknown_messages"]) == (0, [])
    assert [(one["count"], one["actor"]) for one in reader["acceptances"]] == [(7, "ada")]
