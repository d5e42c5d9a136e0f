"""`tally dlq` on the dead letters of a shop."""

import json
from typing import Any

import pytest

from tallystick.testing import free_port

Shop = Any
Tally = Any


@pytest.fixture
async def dead(shop: Shop) -> str:
    """The id of a message that one durable could not handle."""
    return str(await shop.dead())


async def group(tally: Tally) -> dict[str, Any]:
    answer = json.loads((await tally("dlq", "list", "--json")).stdout)
    found: dict[str, Any] = answer["services"]["shop"]["groups"][0]
    return found


@pytest.mark.usefixtures("dead")
async def test_dead_letters_are_listed_in_groups_that_failed_alike(tally: Tally) -> None:
    found = await group(tally)
    assert found["durable"] == "shop-letters"
    assert (found["reason"], found["error_type"]) == ("permanent", "PermanentError")
    assert found["place"] == "conftest.py:write_letter"
    result = await tally("dlq", "list")
    assert found["fingerprint"] in result.stdout
    assert r"nobody can be\x1b[31m written to" in result.stdout
    assert "COUNT" in result.stdout


async def test_the_letters_of_a_group_are_listed_newest_first(dead: str, tally: Tally) -> None:
    result = await tally("dlq", "list", (await group(tally))["fingerprint"])
    assert result.stdout.splitlines()[1].endswith(f"shop-letters/shop/{dead}")


async def test_a_letter_is_shown_whole_however_it_is_named(dead: str, tally: Tally) -> None:
    fingerprint = (await group(tally))["fingerprint"]
    for name in (fingerprint, dead, f"shop-letters/shop/{dead}"):
        result = await tally("dlq", "show", name)
        assert result.exit_code == 0, result.stderr
        shown = result.stdout
        assert shown.splitlines()[0] == f"shop-letters/shop/{dead}"
        assert "permanent: PermanentError: nobody can be" in shown
        assert "ce-type" in shown
        assert '"wish": "dead"' in shown
        assert "ATTEMPT ENDED" in shown


async def test_a_letter_that_is_nowhere_is_a_line_and_2(tally: Tally) -> None:
    for name in ("nothing", "shop-letters/shop/nothing", "a/b/c/d"):
        result = await tally("dlq", "show", name)
        assert result.exit_code == 2
        assert result.stderr.startswith(f"tally: no service has a dead letter {name}")


@pytest.mark.usefixtures("dead")
async def test_the_others_are_shown_if_a_service_is_silent(shop: Shop, tally: Tally) -> None:
    env = {"TALLY_ADMIN": f"{shop.env['TALLY_ADMIN']},bank=http://127.0.0.1:{free_port()}"}
    result = await tally("dlq", "list", env=env)
    assert result.exit_code == 1
    assert "shop-letters" in result.stdout
    assert result.stderr.startswith("tally: bank does not answer at http://127.0.0.1:")
    assert (await tally("dlq", "list", "--service", "shop", env=env)).exit_code == 0


async def test_another_replica_answers_for_one_that_is_away(shop: Shop, tally: Tally) -> None:
    admin = f"shop=http://127.0.0.1:{free_port()},{shop.env['TALLY_ADMIN']}"
    assert (await tally("dlq", "list", env={"TALLY_ADMIN": admin})).exit_code == 0
