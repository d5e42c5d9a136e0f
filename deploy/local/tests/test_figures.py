import io
from datetime import UTC, datetime
from pathlib import Path

from uuid_utils.compat import uuid7

from tallystick_local.agreement import Disagreement
from tallystick_local.demo import MOST_SHOWN, Account
from tallystick_local.figures import Figures, moment
from tallystick_local.live import Live
from tallystick_local.table import addresses, moved

FIGURES = Figures(placed=200, shipped=180, declined=12, cancelled=8, p50=12.4, p99=99.6, seconds=2)


def test_the_last_line_of_a_demo_is_exact() -> None:
    *before, last = Account(FIGURES, []).lines()
    assert before == ["100 orders a second over 2.0 s", "databases and ledgers agree"]
    assert last == (
        "demo: 200 placed, 180 shipped, 12 declined, 8 cancelled, 0 unfinished, "
        "p50 12 ms, p99 100 ms"
    )


def test_what_disagrees_is_said_before_the_last_line_and_not_endlessly() -> None:
    wrong = [Disagreement(f"o{number}", "is wrong") for number in range(MOST_SHOWN + 5)]
    lines = Account(FIGURES, wrong).lines()
    assert lines[0] == "disagrees: o0: is wrong"
    assert lines[MOST_SHOWN] == "... and 5 more"
    assert lines[-2] == "databases and ledgers disagree"
    assert lines[-1].startswith("demo: ")


def test_nothing_placed_has_no_rate() -> None:
    assert Figures().rate == 0


def test_an_order_placed_after_a_moment_has_a_higher_id() -> None:
    assert moment() <= uuid7() < moment(datetime(2100, 1, 1, tzinfo=UTC).timestamp())


def test_the_table_shows_services_first_and_where_the_logs_are() -> None:
    found = {"nats": "nats://h:1", "orders-2": "http://h:3", "orders": "http://h:2"}
    lines = addresses(found, Path("/s")).splitlines()
    assert [line.split()[0] for line in lines] == ["orders", "nats", "orders-2", "tally", "logs"]
    assert "/s/logs/" in lines[-1]


def test_the_table_says_where_a_services_metrics_are() -> None:
    lines = addresses({"orders": "http://h:2", "orders-admin": "http://h:3"}, Path("/s"))
    assert lines.splitlines()[1].split()[:3] == ["orders-admin", "http://h:3", "/metrics,"]


def test_usual_ports_that_were_busy_are_said() -> None:
    assert moved({"nats": 1, "orders": 8001}, {"nats": 4222, "orders": 8001}) == (
        "busy, so others were taken: nats 4222"
    )
    assert moved({"nats": 4222}, {"nats": 4222}) == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_line_is_replaced_and_stays_below_what_is_said() -> None:
    terminal = Terminal()
    live = Live(terminal)
    live.show("1 placed")
    live.say("a warning")
    live.end()
    assert terminal.getvalue() == "\r\x1b[2K1 placed\r\x1b[2Ka warning\n1 placed\n"


def test_elsewhere_a_line_is_written_now_and_then() -> None:
    stream = io.StringIO()
    live = Live(stream, every=3600)
    live.show("1 placed")
    live.show("2 placed")
    live.say("a warning")
    assert stream.getvalue() == "1 placed\na warning\n"
