import json
from pathlib import Path

import pytest

from tallystick_local.logs import Follower, notable


def test_what_is_not_severe_is_not_shown() -> None:
    assert notable(json.dumps({"level": "info", "event": "placed"})) is None
    assert notable("2026-01-01 LOG:  checkpoint complete") is None


def test_a_warning_is_shown_with_its_facts_and_without_what_every_line_has() -> None:
    line = {"service": "orders", "replica": "r", "level": "warning", "event": "away", "url": "x"}
    assert notable(json.dumps(line)) == "warning away url=x"


def test_an_error_is_shown_with_the_last_line_of_its_stack() -> None:
    line = {"level": "error", "event": "failed", "exception": "Traceback\n  ...\nValueError: no"}
    assert notable(json.dumps(line)) == "error failed ValueError: no"


@pytest.mark.parametrize("line", ["[1] [ERR] no", "2026 UTC [3] FATAL:  no", "{not json"])
def test_what_the_servers_complain_of_is_shown(line: str) -> None:
    assert notable(line) == line


def test_only_what_is_new_and_whole_is_followed(tmp_path: Path) -> None:
    log = tmp_path / "orders.log"
    log.write_text("one\ntw")
    follower = Follower(tmp_path)
    assert follower.lines() == [("orders", "one")]
    with log.open("a") as file:
        file.write("o\n")
    assert follower.lines() == [("orders", "two")]
    assert follower.lines() == []
