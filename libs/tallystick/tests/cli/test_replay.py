"""`tally dlq replay` on a shop whose letters die until it is healed."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

Shop = Any
Tally = Any
BECAUSE = ("--reason", "the post is back", "--actor", "ada")
DEAD = "select count(*) from tallystick.deferred where state = 'dead'"
ACTS = "select count(*) from tallystick.actions where reason = 'the post is back'"
ONE_BY_ONE = "select item, count(*) from letters group by item"


@pytest.fixture(autouse=True)
async def _empty(shop: Shop) -> AsyncIterator[None]:
    await _forget(shop)
    yield
    await _forget(shop)


async def _forget(shop: Shop) -> None:
    await shop.give_up()
    await shop.database.fetch("delete from letters")
    await shop.database.fetch("delete from tallystick.actions")


async def count(shop: Shop, sql: str) -> int:
    return int((await shop.database.fetch(sql))[0][0])


async def test_a_dry_run_shows_what_is_selected_and_changes_nothing(
    shop: Shop, tally: Tally
) -> None:
    await shop.dead()
    result = await tally("dlq", "replay", "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert "shop-letters" in result.stdout
    assert result.stdout.endswith("1 dead letter would be replayed; nothing was changed\n")
    assert (await count(shop, DEAD), await count(shop, ACTS)) == (1, 0)


async def test_a_replay_asks_why(shop: Shop, tally: Tally) -> None:
    await shop.dead()
    result = await tally("dlq", "replay")
    assert result.exit_code == 2
    assert result.stderr.startswith("tally: a reason is needed")
    assert await count(shop, DEAD) == 1


async def test_without_dead_letters_it_says_so(tally: Tally) -> None:
    result = await tally("dlq", "replay", *BECAUSE)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "tally: nothing matched, nothing was done: see tally dlq list\n"


async def test_what_is_replayed_after_healing_takes_effect(shop: Shop, tally: Tally) -> None:
    for _ in range(3):
        await shop.dead()
    with shop.healed():
        result = await tally("dlq", "replay", *BECAUSE)
        assert result.exit_code == 0, result.stderr
        assert "3 of 3 replayed, they are due again" in result.stdout
        await shop.until("(select count(*) = 3 from letters)")
    assert await count(shop, ACTS) == 3


async def test_letters_are_named_by_id_key_or_fingerprint(shop: Shop, tally: Tally) -> None:
    first, second, third = [await shop.dead() for _ in range(3)]
    with shop.healed():
        named = (first, f"shop-letters/shop/{second}")
        result = await tally("dlq", "replay", *named, *BECAUSE, "--json")
        (group,) = json.loads(result.stdout)["groups"]
        assert (group["replayed"], group["dead_letters"]) == (2, 2)
        left = await shop.database.fetch("select id from tallystick.deferred where state = 'dead'")
        assert [row[0] for row in left] == [third]
        await tally("dlq", "replay", group["fingerprint"], *BECAUSE)
        await shop.until("(select count(*) = 3 from letters)")


@pytest.mark.parametrize("command", ["list", "replay", "discard"])
async def test_a_reason_of_which_no_message_dies_is_refused_with_the_list(
    tally: Tally, command: str
) -> None:
    because = () if command == "list" else BECAUSE
    result = await tally("dlq", command, "--died-of", "exhaustion", *because)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "schema, permanent, exhausted, poison, expired, orphaned" in result.stderr


@pytest.mark.parametrize(
    ("options", "replayed"),
    [
        (("--durable", "shop-letters"), 1),
        (("--durable", "shop-books"), 0),
        (("--died-of", "permanent", "--error-type", "PermanentError"), 1),
        (("--died-of", "poison"), 0),
        (("--since", "1h"), 1),
        (("--until", "1h"), 0),
    ],
)
async def test_dead_letters_are_selected_by_options(
    shop: Shop, tally: Tally, options: tuple[str, ...], replayed: int
) -> None:
    await shop.dead()
    result = await tally("dlq", "replay", *options, *BECAUSE)
    assert result.exit_code == (0 if replayed else 1), result.stderr
    assert await count(shop, ACTS) == replayed


async def test_a_canary_replays_one_then_a_tenth_then_all(shop: Shop, tally: Tally) -> None:
    for _ in range(12):
        await shop.dead()
    with shop.healed():
        result = await tally("dlq", "replay", "--canary", *BECAUSE)
    assert result.exit_code == 0, result.stderr
    assert "12 of 12 replayed, all of them are done" in result.stdout
    commits = "select count(*) from tallystick.actions group by happened_at order by happened_at"
    assert [row[0] for row in await shop.database.fetch(commits)] == [1, 2, 9]
    written = await shop.database.fetch(ONE_BY_ONE)
    assert [row[1] for row in written] == [1] * 12


async def test_a_canary_stops_by_itself_when_the_same_fingerprint_comes_back(
    shop: Shop, tally: Tally
) -> None:
    for _ in range(12):
        await shop.dead()
    result = await tally("dlq", "replay", "--canary", *BECAUSE)
    assert result.exit_code == 1
    assert "1 of 12 replayed, and stopped: 1 failed as before and died" in result.stdout
    assert "PermanentError: nobody can" in result.stdout
    assert "11 are left as they were" in result.stdout
    assert (await count(shop, ACTS), await count(shop, DEAD)) == (1, 12)


async def test_a_canary_stops_when_nothing_ends(shop: Shop, tally: Tally) -> None:
    await shop.sell("insured")
    await shop.kill_waiting()
    await shop.database.fetch("update tallystick.deferred set fingerprint = 'another'")
    result = await tally("dlq", "replay", "--canary", "--wait", "0.3", *BECAUSE)
    await shop.database.fetch("delete from tallystick.deferred")
    assert result.exit_code == 1
    assert "and stopped: none of 1 has ended for 0.3 s" in result.stdout
    assert "They are still tried." in result.stdout


async def test_a_canary_sees_that_an_effect_fails_as_before_while_it_is_still_tried(
    shop: Shop, tally: Tally
) -> None:
    await shop.sell("insured")
    await shop.kill_waiting()
    result = await tally("dlq", "replay", "--canary", *BECAUSE)
    await shop.database.fetch("delete from tallystick.deferred")
    assert result.exit_code == 1
    assert "1 failed as before: TemporaryError: the insurer sleeps" in result.stdout


async def test_a_rate_is_kept(shop: Shop, tally: Tally) -> None:
    for _ in range(6):
        await shop.dead()
    with shop.healed():
        await tally("dlq", "replay", "--rate", "10", *BECAUSE)
        await shop.until("(select count(*) = 6 from letters)")
    spread = (
        "select extract(epoch from max(happened_at) - min(happened_at)) from tallystick.actions"
    )
    assert 0.45 < float((await shop.database.fetch(spread))[0][0]) < 3


async def test_a_durable_that_was_removed_is_reported(shop: Shop, tally: Tally) -> None:
    await shop.dead()
    await shop.database.fetch("update tallystick.deferred set durable = 'shop-gone'")
    result = await tally("dlq", "replay", *BECAUSE)
    assert result.exit_code == 1
    assert "shop has no durable shop-gone: replay it with a release that does" in result.stderr
    assert "0 of 1 were replayed" in result.stderr


async def test_an_expired_dead_letter_is_replayed_only_if_that_reason_is_named(
    shop: Shop, tally: Tally
) -> None:
    await shop.dead()
    await shop.database.fetch("update tallystick.deferred set reason = 'expired'")
    left = await tally("dlq", "replay", *BECAUSE)
    assert left.exit_code == 1
    assert "they may have been done before" in left.stdout
    assert await count(shop, ACTS) == 0
    with shop.healed():
        named = await tally("dlq", "replay", "--died-of", "expired", "--canary", *BECAUSE)
    assert named.exit_code == 0, named.stdout
