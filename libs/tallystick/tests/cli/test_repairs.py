"""`tally dlq edit`, `discard` and `audit`, and what `show` shows after them."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

Shop = Any
Tally = Any
BECAUSE = ("--reason", "the customer called", "--actor", "ada")


@pytest.fixture(autouse=True)
async def _empty(shop: Shop) -> AsyncIterator[None]:
    await shop.give_up()
    await shop.database.fetch("delete from tallystick.actions")
    yield
    await shop.give_up()


@pytest.fixture
async def dead_letter(shop: Shop) -> str:
    return f"shop-letters/shop/{await shop.dead()}"


async def test_an_edit_shows_what_it_changes_and_the_original_is_kept(
    shop: Shop, tally: Tally, dead_letter: str
) -> None:
    edited = await tally("dlq", "edit", dead_letter, "--set", "wish=none", *BECAUSE)
    assert edited.exit_code == 0, edited.stderr
    lines = edited.stdout.splitlines()
    assert '-  "wish": "dead"' in lines
    assert '+  "wish": "none"' in lines
    assert lines[-1] == f"then: tally dlq replay {dead_letter}"
    shown = (await tally("dlq", "show", dead_letter)).stdout
    assert shown.index('"wish": "none"') < shown.index("ORIGINAL BODY")
    assert shown.index("ORIGINAL BODY") < shown.index('"wish": "dead"')
    assert "the customer called" in shown


async def test_a_letter_that_was_edited_succeeds_when_it_is_replayed(
    shop: Shop, tally: Tally, dead_letter: str
) -> None:
    await tally("dlq", "edit", dead_letter, "--set", "wish=none", *BECAUSE)
    replayed = await tally("dlq", "replay", dead_letter, "--canary", *BECAUSE)
    assert replayed.exit_code == 0, replayed.stdout
    shown = await tally("dlq", "show", dead_letter)
    assert "replayed, and done" in shown.stdout
    assert "ORIGINAL BODY" in shown.stdout
    assert [word for word in ("edit", "replay") if f" {word} " in shown.stdout] == [
        "edit",
        "replay",
    ]


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (("--set", "wish=7"), "wish: Expected `str`, got `int`"),
        (("--set", "whish=x"), "whish: Sold has no such field"),
        (("--set", "item=x"), "item: the key of the message is "),
        (("--file", "-"), "Malformed JSON"),
        (("--set", "wish"), '"wish" is not of the form FIELD=VALUE'),
        (("--set", "wish/0=x"), "there is no wish/0 in its body"),
        ((), "give either --set"),
    ],
)
async def test_a_body_that_does_not_fit_is_refused_by_its_field(
    tally: Tally, dead_letter: str, change: tuple[str, ...], refusal: str
) -> None:
    result = await tally("dlq", "edit", dead_letter, *change, *BECAUSE, input="{")
    assert result.exit_code in (1, 2)
    assert refusal in result.stderr
    assert "no dead letter was repaired" in (await tally("dlq", "audit")).stdout


async def test_a_whole_body_is_read_from_stdin(shop: Shop, tally: Tally, dead_letter: str) -> None:
    shown = json.loads((await tally("dlq", "show", dead_letter, "--json")).stdout)
    body = json.dumps(json.loads(shown["body"]) | {"wish": "gold"})
    result = await tally("dlq", "edit", dead_letter, "--file", "-", *BECAUSE, "--json", input=body)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["dead_letter"] == dead_letter
    shown = json.loads((await tally("dlq", "show", dead_letter, "--json")).stdout)
    assert json.loads(shown["body"])["wish"] == "gold"
    assert json.loads(shown["repairs"][0]["body"])["wish"] == "dead"


async def test_an_edit_of_what_names_several_asks_which(shop: Shop, tally: Tally) -> None:
    keys = [f"shop-letters/shop/{await shop.dead()}" for _ in range(2)]
    rows = await shop.database.fetch(
        "select fingerprint from tallystick.deferred where state = 'dead'"
    )
    result = await tally("dlq", "edit", rows[0][0], "--set", "wish=x", *BECAUSE)
    assert result.exit_code == 2
    assert all(key in result.stderr for key in keys)


async def test_a_discarded_letter_is_listed_no_more_and_shown_for_ever(
    tally: Tally, dead_letter: str
) -> None:
    result = await tally("dlq", "discard", dead_letter, *BECAUSE)
    assert (result.exit_code, result.stdout) == (0, "shop: 1 discarded\n")
    assert (await tally("dlq", "list")).stdout == "no dead letters\n"
    for name in (dead_letter, dead_letter.rpartition("/")[2]):
        shown = await tally("dlq", "show", name)
        assert "discarded: it stays on record" in shown.stdout
        assert "the customer called" in shown.stdout
        assert '"wish": "dead"' in shown.stdout
    assert "nothing matched" in (await tally("dlq", "replay", dead_letter, *BECAUSE)).stderr


async def test_a_discard_of_everything_is_refused(tally: Tally, dead_letter: str) -> None:
    result = await tally("dlq", "discard", *BECAUSE)
    assert result.exit_code == 2
    assert result.stderr.startswith("tally: name what to discard")
    dry = await tally("dlq", "discard", dead_letter, "--dry-run")
    assert "1 dead letter would be discarded; nothing was changed" in dry.stdout


async def test_an_effect_is_refused_with_what_to_do_instead(shop: Shop, tally: Tally) -> None:
    item, dead_letter = await shop.sell("insured"), await shop.dead()
    await shop.kill_waiting()
    result = await tally("dlq", "discard", item, dead_letter, *BECAUSE)
    assert result.exit_code == 1
    assert f"shop-insure/shop/{item} is an effect" in result.stderr
    assert "Replay it" in result.stderr
    assert "a person decides" in result.stderr
    dead = await shop.database.fetch("select id from tallystick.deferred where state = 'dead'")
    assert {row[0] for row in dead} >= {item, dead_letter}


async def test_the_audit_tells_who_when_and_why(tally: Tally, dead_letter: str) -> None:
    await tally("dlq", "replay", dead_letter, "--reason", "first", "--actor", "ada")
    assert (await tally("dlq", "audit")).stdout.splitlines()[1].split()[2:6] == [
        *("ada", "replay", "1", "shop-letters")
    ]
    run = json.loads((await tally("dlq", "audit", "--json")).stdout)["services"]["shop"]["runs"][0]
    for name in (run["run"], dead_letter, dead_letter.rpartition("/")[2]):
        reports_errors = (await tally("dlq", "audit", name)).stdout
        assert "first" in reports_errors
        assert dead_letter in reports_errors
        assert "permanent: PermanentError" in reports_errors
    assert "1 replayed: " in (await tally("dlq", "audit", run["run"])).stdout
    assert (await tally("dlq", "audit", "x")).stdout == "no repair is on record for it\n"


async def test_the_audit_comes_in_pages(shop: Shop, tally: Tally) -> None:
    for why in ("one", "two", "three"):
        dead_letter = f"shop-letters/shop/{await shop.dead()}"
        await tally("dlq", "discard", dead_letter, "--reason", why)
    page = (await tally("dlq", "audit", "--limit", "2")).stdout.splitlines()
    assert [line.split()[6] for line in page[1:3]] == ["three", "two"]
    before = page[-1].removeprefix("there are more: --before ")
    older = (await tally("dlq", "audit", "--limit", "2", "--before", before)).stdout
    assert [line.split()[6] for line in older.splitlines()[1:]] == ["one"]
