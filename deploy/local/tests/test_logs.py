import json
from pathlib import Path

import pytest

from tallystick_local.logs import Follower, Notable, notable
from tallystick_local.repeats import Repeats


def test_what_is_not_severe_is_not_shown() -> None:
    assert notable(json.dumps({"level": "info", "event": "placed"})) is None
    assert notable("2026-01-01 LOG:  checkpoint complete") is None


@pytest.mark.parametrize("event", ["broker reconnected", "database recovered", "circuit closed"])
def test_the_end_of_an_outage_is_shown_as_its_beginning_is(event: str) -> None:
    line = {"level": "info", "event": event, "address": "x"}
    assert notable(json.dumps(line)) == Notable(f"info {event}", f"info {event} address=x")


def test_a_warning_is_shown_with_its_facts_and_without_what_every_line_has() -> None:
    line = {"service": "orders", "replica": "r", "level": "warning", "event": "away", "url": "x"}
    assert notable(json.dumps(line)) == Notable("warning away", "warning away url=x")


def test_an_error_is_shown_with_the_last_line_of_its_stack() -> None:
    line = {"level": "error", "event": "failed", "exception": "Traceback\n  ...\nValueError: no"}
    assert notable(json.dumps(line)) == Notable("error failed", "error failed ValueError: no")


def test_what_is_shown_is_one_line() -> None:
    line = {"level": "error", "event": "away", "error": "no\nDETAIL: why"}
    assert notable(json.dumps(line)) == Notable("error away", "error away error=no DETAIL: why")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("[1] 2026/01/01 [ERR] no", "[ERR] no"),
        ("2026 UTC [3] FATAL:  no", "FATAL:  no"),
        ("{not json", "{not json"),
    ],
)
def test_what_the_servers_complain_of_is_shown(line: str, text: str) -> None:
    assert notable(line) == Notable(text, text)


def test_lines_that_differ_in_numbers_are_of_one_kind() -> None:
    first, second = notable("[ERR] client 12 away"), notable("[ERR] client 345 away")
    assert first
    assert second
    assert first.kind == second.kind


def test_what_repeats_itself_is_said_once_and_then_counted() -> None:
    repeats, key = Repeats(window=10), ("payments", "away")
    assert repeats.is_news(key, "away 1", now=0)
    assert not repeats.is_news(key, "away 2", now=1)
    assert not repeats.is_news(key, "away 3", now=2)
    assert repeats.summed_up(now=9) == []
    assert repeats.summed_up(now=10) == [(key, "2 more: away 3")]
    assert repeats.summed_up(now=20) == []
    assert repeats.is_news(key, "away 4", now=21)


def test_another_process_saying_the_same_is_news() -> None:
    repeats = Repeats()
    assert repeats.is_news(("payments", "away"), "away", now=0)
    assert repeats.is_news(("shipping", "away"), "away", now=0)


def test_only_what_is_new_and_whole_is_followed(tmp_path: Path) -> None:
    log = tmp_path / "orders.log"
    log.write_text("one\ntw")
    follower = Follower(tmp_path)
    assert follower.lines() == [("orders", "one")]
    with log.open("a") as file:
        file.write("o\n")
    assert follower.lines() == [("orders", "two")]
    assert follower.lines() == []
