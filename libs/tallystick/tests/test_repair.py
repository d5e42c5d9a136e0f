"""Dead letters repaired on a real database: replayed, edited, discarded, all on record."""

import msgspec
import pytest

from tallystick import Database, Delivery, Effect, Event, Router
from tallystick._errors import DeclarationError, InvalidMessage
from tallystick._held_rows import Held, end, hold
from tallystick._inbound import Inbound, Key
from tallystick._repair import Act, NotDead, Repair
from tallystick._retry import Dead, Reason
from tallystick._units import Unit

BECAUSE = Act("ada", "the provider is back")


class Sold(Event, name="shop.sold", version=1, key="what"):
    what: str


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
async def repair(database: Database) -> Repair:
    return Repair(database, router)


async def bury(database: Database, what: str, durable: str = "shop-sold") -> Key:
    return await bury_as(database, what, durable, "exhausted")


async def bury_as(database: Database, what: str, durable: str, reason: Reason) -> Key:
    headers = b"ce-type: dev.tallystick.shop.sold.v1\r\n"
    body = msgspec.json.encode({"what": what})
    inbound = Inbound(durable, "shop", what, "evt.shop.sold.v1.00", headers, body)
    patience = router.bindings[durable].retry.patience
    await database.deliveries.commit(Unit((hold(inbound, Dead(reason, 8), patience=patience),)))
    return inbound.key


async def row(database: Database, key: Key) -> dict[str, object]:
    sql = "select * from tallystick.held where (durable, source, id) = ($1, $2, $3)"
    return dict((await database.fetch(sql, *key))[0])


async def actions(database: Database) -> list[tuple[str, str, str, str]]:
    sql = "select message_id, action, actor, reason from tallystick.actions order by happened_at"
    return [(r[0], r[1], r[2], r[3]) for r in await database.fetch(sql)]


async def test_a_replayed_one_is_due_with_new_attempts_under_a_new_claim(
    repair: Repair, database: Database
) -> None:
    key = await bury(database, "a")
    before = await row(database, key)
    assert await repair.replay([key], BECAUSE) == [key]
    after = await row(database, key)
    assert (after["state"], after["attempts"], after["reason"]) == ("retry", 0, None)
    assert after["claim"] == int(str(before["claim"])) + 1
    assert await actions(database) == [("a", "replay", "ada", "the provider is back")]


async def test_a_replay_run_twice_takes_each_once(repair: Repair, database: Database) -> None:
    keys = [await bury(database, name) for name in "abc"]
    assert await repair.replay(keys[:2], BECAUSE) == keys[:2]
    assert await repair.replay(keys, BECAUSE) == keys[2:]


async def test_what_was_done_meanwhile_is_not_replayed(repair: Repair, database: Database) -> None:
    key = await bury(database, "a")
    await repair.replay([key], BECAUSE)
    claimed = await row(database, key)
    claim = int(str(claimed["claim"]))
    inbound = Inbound(*key, "", b"", b"")
    held = Held(inbound, claim, 0, 0, 0, router.bindings[key[0]].retry.patience)
    await database.deliveries.commit(Unit(take=end(held)))
    assert await repair.replay([key], BECAUSE) == []


async def test_a_replayed_poison_is_a_suspect_at_once(repair: Repair, database: Database) -> None:
    key = await bury_as(database, "a", "shop-sold", "poison")
    await repair.replay([key], BECAUSE)
    assert (await row(database, key))["lapses"] == 2


async def test_an_edited_one_has_the_new_body_and_the_record_the_old_one(
    repair: Repair, database: Database
) -> None:
    key = await bury(database, "a")
    await repair.edit(key, b'{"what": "b"}', BECAUSE)
    after = await row(database, key)
    assert (after["body"], after["state"]) == (b'{"what": "b"}', "dead")
    assert (await database.fetch("select before from tallystick.actions"))[0][0] == b'{"what":"a"}'


async def test_a_body_that_its_handler_cannot_read_is_refused(
    repair: Repair, database: Database
) -> None:
    key = await bury(database, "a")
    with pytest.raises(InvalidMessage):
        await repair.edit(key, b'{"what": 7}', BECAUSE)
    assert (await row(database, key))["body"] == b'{"what":"a"}'
    assert await actions(database) == []


async def test_a_discarded_one_stays_on_record_and_is_not_replayed(
    repair: Repair, database: Database
) -> None:
    key = await bury(database, "a")
    await repair.discard(key, Act("ada", "a test order"))
    assert (await row(database, key))["state"] == "discarded"
    assert await repair.replay([key], BECAUSE) == []


async def test_an_effect_is_never_discarded(repair: Repair, database: Database) -> None:
    key = await bury(database, "a", "shop-ring")
    with pytest.raises(DeclarationError, match="never discarded"):
        await repair.discard(key, BECAUSE)
    assert (await row(database, key))["state"] == "dead"


async def test_what_is_no_dead_letter_is_said_to_be_none(repair: Repair) -> None:
    with pytest.raises(NotDead, match="shop-sold/shop/x"):
        await repair.discard(("shop-sold", "shop", "x"), BECAUSE)
    with pytest.raises(NotDead, match="no durable"):
        await repair.edit(("shop-none", "shop", "x"), b"{}", BECAUSE)


async def test_the_audit_tells_the_newest_first(repair: Repair, database: Database) -> None:
    keys = [await bury(database, name) for name in "ab"]
    for key in keys:
        await repair.replay([key], BECAUSE)
    audit = await repair.audit(None, 10)
    assert [action["message_id"] for action in audit] == ["b", "a"]
