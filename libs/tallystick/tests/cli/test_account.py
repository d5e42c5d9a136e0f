"""`tally account`: what was published and not received, for people and for scripts."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from libs.tallystick.tests.account.looked import FORGOTTEN, forget, looked
from tallystick._admin.account_rows import ReaderAccount  # inside: what a service answers
from tallystick._cli.account.table import ago, lines
from tallystick.testing import free_port, http_reply, outsider

Shop = Any
Tally = Any
MAIL = "shop-mail"  # nothing declares it, so no replica of the shop looks
DECLARED = ("shop-books", "shop-letters", "shop-packers")
BECAUSE = ("--reason", "a test", "--actor", "ada")


@pytest.fixture
async def agreed(shop: Shop) -> AsyncIterator[None]:
    """All readers were looked at a moment ago, and everything was accounted for."""
    for durable in DECLARED:
        await looked(shop.database, durable, "shop")
    await looked(shop.database, MAIL, "orders", published=1200, received=1200)
    yield
    await forget(shop.database, MAIL)


def row_of(output: str, durable: str) -> list[str]:
    return next(line.split() for line in output.splitlines() if durable in line)


@pytest.mark.usefixtures("agreed")
async def test_all_readers_are_listed_and_that_nothing_is_missing_is_said(tally: Tally) -> None:
    result = await tally("account")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == "Nothing is missing, and nothing is unknown."
    row = row_of(result.stdout, MAIL)
    assert row[:10] == ["orders", MAIL, "1,200", "1,200", "0", "0", "0", "0", "0", "0"]
    assert (row[-5:-3], row[-1]) == (["1", "min"], "ago")


@pytest.mark.usefixtures("agreed")
@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({"missing": 2}, "  2 missing: tally account show shop-mail"),
        ({"unknown": (uuid7(),)}, "  1 unknown to orders: tally account show shop-mail"),
        ({"waits_for": "orders does not answer"}, "  orders does not answer"),
        (
            {"set_back": FORGOTTEN},
            "  database set back: at most 300 forgotten by both sides since 2026-12-01 00:00:00: ",
        ),
    ],
    ids=["missing", "unknown", "not judged", "set back"],
)
async def test_what_is_not_accounted_for_is_a_line_below_its_reader_and_1(
    shop: Shop, tally: Tally, found: dict[str, Any], told: str
) -> None:
    await looked(shop.database, MAIL, "orders", **found)
    result = await tally("account")
    assert result.exit_code == 1
    rows = result.stdout.splitlines()
    below = rows[next(n for n, row in enumerate(rows) if MAIL in row) + 1]
    assert below.startswith(told)
    assert "Nothing is missing" not in result.stdout
    as_json = await tally("account", "--json")
    assert as_json.exit_code == 1
    readers = json.loads(as_json.stdout)["services"]["shop"]["readers"]
    assert [one["durable"] for one in readers if not one["is_accounted_for"]] == [MAIL]


@pytest.mark.usefixtures("agreed")
async def test_what_is_on_its_way_or_unsent_deferred_or_dead_is_counted_and_no_fault(
    shop: Shop, tally: Tally
) -> None:
    counts: dict[str, Any] = {
        "published": 9,
        "received": 6,
        "deferred": 2,
        "dead": 1,
        "on_its_way": 2,
        "unsent": 1,
    }
    await looked(shop.database, MAIL, "orders", **counts)
    result = await tally("account")
    assert result.exit_code == 0, result.output
    assert row_of(result.stdout, MAIL)[2:8] == ["9", "6", "2", "1", "2", "1"]


@pytest.mark.usefixtures("agreed")
async def test_a_durable_that_is_declared_no_more_is_said_to_be_abandoned_and_no_fault(
    shop: Shop, tally: Tally
) -> None:
    await looked(shop.database, MAIL, "orders", seconds_ago=181)
    result = await tally("account")
    assert result.exit_code == 0, result.output
    told = "  abandoned: no replica declares it any more; 0 missing, 0 deferred or dead"
    assert told in result.stdout.splitlines()


async def test_a_silent_service_is_not_reported_as_having_nothing_missing(tally: Tally) -> None:
    away = {"TALLY_ADMIN": f"shop=http://127.0.0.1:{free_port()}"}
    for command in (("account",), ("account", "show", MAIL)):
        result = await tally(*command, env=away)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "shop does not answer" in result.stderr


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.usefixtures("agreed")
async def test_it_follows_until_it_is_interrupted(
    shop: Shop, tally: Tally, options: tuple[str, ...]
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from tallystick._cli import main; main()"),
        *("account", "--follow", *options),
        env={**os.environ, **shop.env, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    await line_with(process, b"1,200" if not options else b'"published":1200')
    await looked(shop.database, MAIL, "orders", published=1300, received=1300)
    await line_with(process, b"1,300" if not options else b'"published":1300')
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(20):
        _, errors = await process.communicate()
    assert (process.returncode, errors) == (130, b"")


async def line_with(process: asyncio.subprocess.Process, text: bytes) -> None:
    assert process.stdout is not None
    async with asyncio.timeout(20):
        while text not in (line := await process.stdout.readline()):
            assert line


async def test_a_missing_message_is_shown_with_what_its_source_published(
    shop: Shop, tally: Tally
) -> None:
    item = await shop.sell()
    lost: UUID = (
        await shop.database.fetch("select id from tallystick.outbox where key = $1", item)
    )[0]["id"]
    await looked(shop.database, MAIL, "shop", missing=150, missing_ids=(lost,), republished=7)
    result = await tally("account", "show", MAIL)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{MAIL} of shop\n  150 missing: tally account show {MAIL}\n")
    row = row_of(result.stdout, str(lost))
    assert row[2:4] == ["dev.tallystick.shop.sold.v1", item]
    assert "and 149 more" in result.stdout
    assert row_of(result.stdout, "republished") == ["republished", "7"]
    await forget(shop.database, MAIL)


async def test_the_source_is_asked_what_a_missing_message_is_about(
    shop: Shop, tally: Tally
) -> None:
    lost = uuid7()
    await looked(shop.database, MAIL, "orders", missing=1, missing_ids=(lost,))
    placed = {"id": str(lost), "type": "dev.tallystick.orders.placed.v1", "key": "o-1"}
    answer = {"published": [{**placed, "made_at": "2026-11-30T18:07:35Z", "sequence": 1}]}
    reply = http_reply(200, answer, "Content-Type: application/json")
    async with outsider(reply) as orders:
        both = {"TALLY_ADMIN": f"{shop.env['TALLY_ADMIN']},orders={orders.url}"}
        result = await tally("account", "show", MAIL, "--service", "shop", env=both)
    assert result.exit_code == 0, result.output
    assert row_of(result.stdout, str(lost))[2:5] == [placed["type"], "o-1", "1"]
    (request,) = orders.requests
    assert request.startswith(f"GET /admin/account/published?id={lost} ")
    await forget(shop.database, MAIL)


async def test_a_source_that_does_not_answer_is_named_and_the_rest_is_shown(
    shop: Shop, tally: Tally
) -> None:
    lost = uuid7()
    await looked(shop.database, MAIL, "orders", missing=1, missing_ids=(lost,))
    both = f"{shop.env['TALLY_ADMIN']},orders=http://127.0.0.1:{free_port()}"
    result = await tally("account", "show", MAIL, env={"TALLY_ADMIN": both})
    assert result.exit_code == 1
    assert str(lost) in result.stdout
    assert "orders does not answer" in result.stderr
    await forget(shop.database, MAIL)


async def test_what_both_sides_forgot_is_named_with_the_command_that_brings_it_back(
    shop: Shop, tally: Tally
) -> None:
    await looked(shop.database, MAIL, "orders", set_back=FORGOTTEN)
    shown = (await tally("account", "show", MAIL)).stdout
    (message,) = FORGOTTEN["messages"]
    row = row_of(shown, message["id"])
    assert row[2:] == [message["type"], "o-1", "1", "forgotten", message["id"]]
    assert "and 299 more" in shown
    assert f"To receive them: tally durable rewind {MAIL} --to 17" in shown.splitlines()
    as_json = json.loads((await tally("account", "show", MAIL, "--json")).stdout)
    (reader,) = as_json["readers"]
    assert (reader["set_back"]["at_most"], reader["set_back"]["rewind_to"]) == (300, 17)
    assert [each["key"] for each in reader["forgotten_messages"]] == ["o-1"]
    await forget(shop.database, MAIL)


async def test_what_is_accepted_is_unknown_no_more_and_shown_with_who_and_why(
    shop: Shop, tally: Tally
) -> None:
    forged = (uuid7(), uuid7())
    await looked(shop.database, MAIL, "orders", unknown=forged)
    shown = (await tally("account", "show", MAIL)).stdout
    assert all(str(each) in shown for each in forged)
    result = await tally("account", "accept", "orders", MAIL, *BECAUSE)
    assert (result.exit_code, result.stdout) == (0, f"{MAIL}: 2 accepted that orders denies\n")
    shown = (await tally("account", "show", MAIL)).stdout
    assert "UNKNOWN" not in shown
    assert row_of(shown, "ada")[2:] == ["ada", "2", "a", "test"]
    again = await tally("account", "accept", "orders", MAIL, *BECAUSE)
    assert again.exit_code == 1
    assert again.stderr.startswith("tally: shop: Nothing is unknown")
    await forget(shop.database, MAIL)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("show", "nobody"), "no service has looked for nobody: see tally account"),
        (("accept", "shop", "nobody", *BECAUSE), "no service has looked for nobody: see"),
        (("accept", "shop", MAIL), "a reason is needed"),
        (("--json", "show", MAIL), "write options after show: tally account show"),
    ],
)
async def test_what_cannot_be_done_is_a_line_and_2(
    tally: Tally, arguments: tuple[str, ...], reason: str
) -> None:
    result = await tally("account", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"tally: {reason}")


@pytest.mark.parametrize(
    ("settled", "shown"),
    [
        ("2026-11-30T18:07:35Z", "2026-11-30 18:07:35, 0 s ago"),
        ("2026-11-30T18:07:32Z", "2026-11-30 18:07:32, 3 s ago"),
        ("2026-11-30T16:00:00Z", "2026-11-30 16:00:00, 2 h 7 min ago"),
        ("2026-11-30T18:07:36Z", "2026-11-30 18:07:36, 0 s ago"),  # by a clock that is ahead
    ],
)
def test_a_time_is_told_with_how_long_ago_it_was(settled: str, shown: str) -> None:
    assert ago(settled, "2026-11-30T18:07:35Z") == shown


def test_a_service_without_durables_says_so_and_a_silent_one_says_nothing() -> None:
    assert lines({"shop": {"readers": [], "at": ""}}) == ["no durable is in the account"]
    assert lines({}) == []


def test_before_the_first_look_no_count_is_shown_as_zero() -> None:
    never = ReaderAccount(source="orders", durable=MAIL, waits_for="no replica has looked yet")
    shown = lines({"shop": {"readers": [never.model_dump(mode="json")], "at": ""}})
    assert shown[1].split() == ["orders", MAIL, "never"]
    assert shown[2:] == ["\x1b[33m  no replica has looked yet\x1b[0m"]
