"""Dead letters repaired on a real database: replayed, edited, discarded, all on record."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tallystick import Delivery, Effect, Event, Router
from tallystick._admin import record
from tallystick._admin.body_check import InvalidBody
from tallystick._admin.dead_letters import DeadLetters
from tallystick._admin.repair import Act, EffectKept, NotDead, Repair
from tallystick._admin.selection import Selection
from tallystick._database.postgres import Postgres
from tallystick._database.units import Unit
from tallystick._deferred.leases import Leases, lease_of
from tallystick._deferred.rows import Deferred, Failure, attempt, defer, end
from tallystick._messages.inbound import Inbound, Key
from tallystick._messages.message import message_type
from tallystick._messages.retry import GiveUp, Reason
from tallystick._service.purging import purge

BECAUSE = Act("ada", "the provider is back")


class Line(msgspec.Struct):
    sku: str


class Sold(Event, name="shop.sold", version=1, key="what"):
    what: str
    many: int = 1
    lines: tuple[Line, ...] = ()


class Ring(Effect, name="shop.ring", version=1, key="what"):
    what: str


router = Router("shop")


@router.on(Sold, durable="shop-sold")
async def on_sold(event: Sold, delivery: Delivery) -> None:
    """Never called: the test looks at the rows."""


@router.effect(Ring)
async def ring(effect: Ring, delivery: Delivery) -> None:
    """Never called either."""


@pytest.fixture
async def repair(database: Postgres) -> Repair:
    return Repair(database, router)


async def give_up(database: Postgres, what: str, durable: str = "shop-sold") -> Key:
    return await make_dead(database, what, durable, "exhausted")


async def make_dead(database: Postgres, what: str, durable: str, reason: Reason) -> Key:
    declared = message_type(router.bindings[durable].types[0])
    headers = b"ce-type: %s\r\nce-subject: %s\r\n" % (declared.ce_type.encode(), what.encode())
    body = msgspec.json.encode({"what": what})
    inbound = Inbound(durable, "shop", what, f"{declared.template}.00", headers, body)
    give_up_after = router.bindings[durable].retry.give_up_after
    failure = Failure.of(ValueError(f"not {what}"), durable)
    deferred = defer(inbound, GiveUp(reason, 8), give_up_after=give_up_after, failure=failure)
    await database.deliveries.submit(Unit((deferred,)))
    return inbound.key


async def row(database: Postgres, key: Key) -> dict[str, object]:
    sql = "select * from tallystick.deferred where (durable, source, id) = ($1, $2, $3)"
    return dict((await database.fetch(sql, *key))[0])


async def actions(database: Postgres) -> list[tuple[str, str, str, str]]:
    sql = "select message_id, action, actor, reason from tallystick.actions order by happened_at"
    return [(r[0], r[1], r[2], r[3]) for r in await database.fetch(sql)]


async def test_a_replayed_message_is_due_with_new_attempts_under_a_new_lease(
    repair: Repair, database: Postgres
) -> None:
    key = await give_up(database, "a")
    before = await row(database, key)
    assert await repair.replay([key], BECAUSE) == [key]
    after = await row(database, key)
    assert (after["state"], after["attempts"], after["reason"]) == ("waiting", 0, None)
    assert after["lease"] == int(str(before["lease"])) + 1
    assert await actions(database) == [("a", "replay", "ada", "the provider is back")]


async def test_a_replay_run_twice_takes_each_once(repair: Repair, database: Postgres) -> None:
    keys = [await give_up(database, name) for name in "abc"]
    assert await repair.replay(keys[:2], BECAUSE) == keys[:2]
    assert await repair.replay(keys, BECAUSE) == keys[2:]


async def test_what_was_done_meanwhile_is_not_replayed(repair: Repair, database: Postgres) -> None:
    key = await give_up(database, "a")
    await repair.replay([key], BECAUSE)
    claimed = await row(database, key)
    lease = int(str(claimed["lease"]))
    inbound = Inbound(*key, "", b"", b"")
    deferred = Deferred(inbound, lease, 0, 0, 0, router.bindings[key[0]].retry.give_up_after)
    await database.deliveries.submit(Unit(settlement=end(deferred)))
    assert await repair.replay([key], BECAUSE) == []


async def test_a_replayed_poison_message_is_quarantined_at_once(
    repair: Repair, database: Postgres
) -> None:
    key = await make_dead(database, "a", "shop-sold", "poison")
    await repair.replay([key], BECAUSE)
    assert (await row(database, key))["expired_leases"] == 2


async def test_an_edited_one_has_the_new_body_and_the_record_the_old_one(
    repair: Repair, database: Postgres
) -> None:
    key = await give_up(database, "a")
    await repair.edit(key, b'{"what": "a", "many": 2}', BECAUSE)
    after = await row(database, key)
    assert (after["body"], after["state"]) == (b'{"what": "a", "many": 2}', "dead")
    assert (await database.fetch("select before from tallystick.actions"))[0][0] == b'{"what":"a"}'


@pytest.mark.parametrize(
    ("body", "field", "detail"),
    [
        (b'{"what": 7}', "what", "Expected `str`, got `int`"),
        (b"{}", "what", "Object missing required field `what`"),
        (b'{"what": "a", "lines": [{}]}', "lines/0/sku", "Object missing required field `sku`"),
        (b'{"what": "a", "lines": [{"sku": "x", "skuu": 1}]}', "lines/0/skuu", "no such field"),
        (b'{"what": "b"}', "what", "the key of the message is a and cannot be changed"),
        (b"{", "", "Input data was truncated"),
    ],
)
async def test_a_body_that_does_not_fit_is_refused_by_the_field(
    repair: Repair, database: Postgres, body: bytes, field: str, detail: str
) -> None:
    key = await give_up(database, "a")
    with pytest.raises(InvalidBody) as refused:
        await repair.edit(key, body, BECAUSE)
    assert refused.value.field == field
    assert detail in refused.value.detail
    assert (await row(database, key))["body"] == b'{"what":"a"}'
    assert await actions(database) == []


async def test_an_unknown_field_that_was_there_before_may_stay(
    repair: Repair, database: Postgres
) -> None:
    key = await give_up(database, "a")
    await database.fetch("update tallystick.deferred set body = $1", b'{"what": 7, "newer": 1}')
    await repair.edit(key, b'{"what": "a", "newer": 1}', BECAUSE)


async def test_an_effect_keeps_its_key(repair: Repair, database: Postgres) -> None:
    key = await give_up(database, "a", "shop-ring")
    with pytest.raises(InvalidBody, match="the key of the message is a and cannot"):
        await repair.edit(key, b'{"what": "b"}', BECAUSE)


async def test_a_discarded_one_stays_on_record_and_is_not_replayed(
    repair: Repair, database: Postgres
) -> None:
    key = await give_up(database, "a")
    act = Act("ada", "a test order")
    assert await repair.discard([key], act) == [key]
    assert (await row(database, key))["state"] == "discarded"
    assert await repair.replay([key], BECAUSE) == []
    assert await actions(database) == [("a", "discard", "ada", "a test order")]


async def test_an_effect_is_never_discarded_and_nothing_with_it(
    repair: Repair, database: Postgres
) -> None:
    event, effect = await give_up(database, "a"), await give_up(database, "a", "shop-ring")
    with pytest.raises(EffectKept, match="shop-ring/shop/a is an effect"):
        await repair.discard([event, effect], BECAUSE)
    with pytest.raises(EffectKept, match="shop-ring/shop/a is an effect"):
        await repair.discard_up_to(1, Selection(), BECAUSE)
    assert {(await row(database, key))["state"] for key in (event, effect)} == {"dead"}


async def test_a_message_that_is_not_dead_cannot_be_repaired(repair: Repair) -> None:
    assert await repair.discard([("shop-sold", "shop", "x")], BECAUSE) == []
    with pytest.raises(NotDead, match="shop-sold/shop/x"):
        await repair.edit(("shop-sold", "shop", "x"), b"{}", BECAUSE)
    with pytest.raises(NotDead, match="no durable"):
        await repair.replay([("shop-none", "shop", "x")], BECAUSE)


async def test_a_run_that_is_requested_twice_replays_once(
    repair: Repair, database: Postgres
) -> None:
    keys = [await give_up(database, name) for name in "abc"]
    act = Act("ada", "the provider is back")
    assert await repair.replay_up_to(1, Selection(), act) == 1
    assert await repair.replay_up_to(1, Selection(), act) == 1
    assert [message for message, *_ in await actions(database)] == [keys[0][2]]
    assert await repair.replay_up_to(9, Selection(), act) == 3


SELECTIONS: list[tuple[dict[str, object], str]] = [
    ({}, "abc"),
    ({"durable": "shop-ring"}, "c"),
    ({"reason": "poison"}, "b"),
    ({"error_type": "ValueError"}, "abc"),
    ({"error_type": "KeyError"}, ""),
    ({"dead_letter": ["b", "shop-ring/shop/c"]}, "bc"),
    ({"dead_letter": ["b"], "durable": "shop-ring"}, ""),
    ({"reason": "expired"}, "x"),
    ({"until": datetime(2020, 1, 1, tzinfo=UTC)}, ""),
    ({"since": datetime(2020, 1, 1, tzinfo=UTC)}, "abc"),
]


@pytest.mark.parametrize(("conditions", "found"), SELECTIONS)
async def test_a_selection_meets_all_its_conditions(
    repair: Repair, database: Postgres, conditions: dict[str, object], found: str
) -> None:
    await give_up(database, "a")
    await make_dead(database, "b", "shop-sold", "poison")
    await give_up(database, "c", "shop-ring")
    await make_dead(database, "x", "shop-sold", "expired")
    await repair.replay_up_to(9, Selection.model_validate(conditions), BECAUSE)
    assert sorted(message for message, *_ in await actions(database)) == list(found)


async def test_the_record_of_a_replay_keeps_the_dead_letter_as_it_was(
    repair: Repair, database: Postgres
) -> None:
    key = await give_up(database, "a")
    await repair.replay([key], BECAUSE)
    assert (await row(database, key))["error"] is None
    (act,) = await record.about(database, "shop-sold", "shop/a")
    was = record.dead_letter_of(act)
    assert (was["id"], was["reason"], was["error"]) == ("a", "exhausted", "not a")
    assert act["before"] == b'{"what":"a"}'
    assert b"ce-subject: a" in act["headers"]


async def test_the_record_has_the_newest_first_and_acts_of_a_run_as_one(
    repair: Repair, database: Postgres
) -> None:
    keys = [await give_up(database, name) for name in "abc"]
    await repair.replay(keys[:2], Act("ada", "first"))
    await repair.discard(keys[2:], Act("bob", "second"))
    page = await record.runs(database, None, 10)
    assert [(run.actor, run.action, run.count) for run in page.runs] == [
        ("bob", "discard", 1),
        ("ada", "replay", 2),
    ]
    newest = await record.runs(database, None, 1)
    older = await record.runs(database, newest.next, 1)
    assert [run.actor for run in (*newest.runs, *older.runs)] == ["bob", "ada"]


async def test_the_acts_of_a_run_come_in_pages(repair: Repair, database: Postgres) -> None:
    act = Act("ada", "all of them")
    await repair.replay([await give_up(database, name) for name in "abcde"], act)
    found, cursor = [], None
    while True:
        page = await record.acts(database, str(act.run), cursor, 2)
        found += [one.id for one in page.acts]
        cursor = page.next
        if cursor is None:
            break
    assert sorted(found) == list("abcde")


async def test_old_attempts_are_deleted_and_the_record_keeps_those_of_a_repaired_dead_letter(
    repair: Repair, database: Postgres
) -> None:
    key = await give_up(database, "a")
    await database.deliveries.submit(Unit((attempt(key, 0, ("shop-1", "1.0"), "error", "no"),)))
    await repair.replay([key], BECAUSE)
    await database.fetch("update tallystick.attempts set ended_at = now() - interval '31 days'")
    await purge(database, timedelta(days=30))
    assert await database.fetch("select from tallystick.attempts") == []
    shown = await DeadLetters(database).dead_letter("shop-sold", "shop/a")
    assert [(one.replica, one.outcome, one.error) for one in shown.history] == [
        ("shop-1", "error", "no")
    ]


async def test_the_next_attempt_counts_those_that_started_and_no_repair_and_no_release(
    repair: Repair, database: Postgres
) -> None:
    key = await give_up(database, "a")
    failed = attempt(key, 0, ("shop-1", "1.0"), "exhausted", "not a")
    await database.deliveries.submit(Unit((failed,)))
    for many in (2, 3, 4):
        await repair.edit(key, b'{"what": "a", "many": %d}' % many, BECAUSE)
    await repair.replay([key], BECAUSE)
    leases = Leases(database, "shop-1")
    for _ in range(3):
        async with database.connection() as connection:
            (deferred,) = await leases.acquire(connection, {"shop-sold": 1}, 2)
        assert deferred.starts == 2
        assert await leases.release([lease_of(deferred)]) == 1
