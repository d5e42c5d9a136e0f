"""What a status and the events say of a round."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tallystick.topology import DurableFound, Observed, StreamFound
from tallystick_operator.announcements import Announcement, announcements
from tallystick_operator.status import Round, condition, status_of, was_as_declared

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
OBSERVED = Observed(
    {"SHOP": StreamFound({}, 3, 300, NOW), "DLQ_SHOP": StreamFound({}, 1, 50, NOW), "NOT": None},
    {("SHOP", "shop-books"): DurableFound({}, 2), ("SHOP", "shop-not"): None},
)


def body(status: dict[str, Any] | None = None, generation: int = 1) -> dict[str, Any]:
    return {"metadata": {"name": "shop", "generation": generation}, "status": status}


def after(*rounds: Round) -> dict[str, Any]:
    """The resource after these rounds, a minute apart."""
    resource = body()
    for number, result in enumerate(rounds):
        resource = body(status_of(resource, result, NOW + timedelta(minutes=number)))
    return resource


def test_a_round_without_a_difference_is_ready() -> None:
    resource = after(Round(OBSERVED))
    assert condition(resource, "Ready") == {
        "type": "Ready",
        "status": "True",
        "reason": "AsDeclared",
        "message": "The broker is as declared.",
        "lastTransitionTime": "2026-11-25T12:00:00Z",
        "observedGeneration": 1,
    }
    assert {condition(resource, kind)["status"] for kind in ("Drifted", "Blocked")} == {"False"}


def test_the_status_counts_what_is_stored_and_unread() -> None:
    status = after(Round(OBSERVED))["status"]
    assert (status["messages"], status["bytes"], status["lag"]) == (4, 350, 2)
    assert [one["name"] for one in status["streams"]] == ["SHOP", "DLQ_SHOP"]
    assert status["durables"] == [{"stream": "SHOP", "name": "shop-books", "lag": 2}]


def test_a_condition_keeps_its_time_until_its_truth_changes() -> None:
    resource = after(Round(OBSERVED), Round(OBSERVED), Round(blocked=("no",)))
    assert condition(resource, "Ready")["lastTransitionTime"] == "2026-11-25T12:02:00Z"
    assert condition(resource, "Drifted")["lastTransitionTime"] == "2026-11-25T12:02:00Z"


def test_what_is_blocked_is_neither_ready_nor_hidden() -> None:
    resource = after(Round(OBSERVED, blocked=("stream SHOP holds 9 bytes",)))
    assert condition(resource, "Ready")["status"] == "False"
    assert condition(resource, "Blocked")["reason"] == "WouldLoseMessages"
    assert condition(resource, "Drifted")["message"] == "stream SHOP holds 9 bytes"


def test_a_refusal_of_the_broker_is_told_in_its_words() -> None:
    ready = condition(after(Round(OBSERVED, refused=("stream SHOP: no space",))), "Ready")
    assert (ready["reason"], ready["message"]) == ("Refused", "stream SHOP: no space")


def test_a_broker_that_is_away_leaves_the_last_figures() -> None:
    status = after(Round(OBSERVED), Round(away="gone"))["status"]
    assert status["messages"] == 4
    assert condition({"status": status}, "Blocked")["status"] == "Unknown"


def test_what_was_healed_is_counted_and_remembered() -> None:
    healed = Round(
        OBSERVED, mended=("durable SHOP/shop-books was missing and was created",), drifted=True
    )
    resource = after(Round(OBSERVED), healed, Round(OBSERVED))
    assert resource["status"]["healed"] == 1
    drifted = condition(resource, "Drifted")
    assert (drifted["status"], drifted["reason"]) == ("False", "Healed")
    assert "shop-books was missing" in drifted["message"]


def test_a_difference_is_drift_only_where_it_had_been_as_declared() -> None:
    reached = after(Round(OBSERVED))
    assert was_as_declared(reached)
    assert was_as_declared(after(Round(OBSERVED), Round(away="gone")))
    assert not was_as_declared(after(Round(away="not there yet")))
    assert not was_as_declared(body())
    assert not was_as_declared(body(reached["status"], generation=2))
    assert not was_as_declared(after(Round(OBSERVED, blocked=("no",))))


def test_a_loss_stays_told_until_a_person_knows_that_many() -> None:
    lost = Round(OBSERVED, gone=("stream SHOP is gone",), lost=3)
    resource = after(Round(OBSERVED), lost, Round(OBSERVED), lost, Round(OBSERVED))
    told = condition(resource, "DataLost")
    assert (told["status"], resource["status"]["lost"]) == ("True", 6)
    assert (
        "kubectl annotate topology shop tallystick.dev/lost-known=6 --overwrite" in told["message"]
    )
    resource["metadata"]["annotations"] = {"tallystick.dev/lost-known": "3"}
    assert condition({"status": status_of(resource, Round(OBSERVED), NOW)}, "DataLost") == told
    resource["metadata"]["annotations"] = {"tallystick.dev/lost-known": "6"}
    status = status_of(resource, Round(OBSERVED), NOW)
    assert condition({"status": status}, "DataLost")["reason"] == "Known"


def announced(resource: dict[str, Any], result: Round) -> list[tuple[str, str]]:
    return [(one.type, one.reason) for one in announcements(resource, result)]


def test_a_change_is_announced_as_what_it_was() -> None:
    assert announced(body(), Round(mended=("made",))) == [("Normal", "Declared")]
    assert announced(body(), Round(mended=("made",), drifted=True)) == [("Normal", "Healed")]
    assert announced(body(), Round(purged={"SHOP": 7, "OTHER": 0})) == [("Normal", "Purged")]


def test_a_state_that_lasts_is_announced_when_it_begins() -> None:
    blocked = Round(OBSERVED, blocked=("stream SHOP holds 901 bytes",))
    still = Round(OBSERVED, blocked=("stream SHOP holds 902 bytes",))
    assert announced(body(), blocked) == [("Warning", "WouldLoseMessages")]
    assert announced(after(blocked), still) == []
    assert announced(after(blocked, Round(OBSERVED)), still) == [("Warning", "WouldLoseMessages")]


def test_a_stream_that_fills_and_cannot_be_purged_is_ready_and_announced_once() -> None:
    filling = Round(
        OBSERVED, waiting=("stream SHOP is filling, and shop-books has not read the rest",)
    )
    ready = condition(after(filling), "Ready")
    assert (ready["status"], ready["reason"]) == ("True", "Filling")
    assert announced(body(), filling) == [("Warning", "Filling")]
    assert announced(after(filling), filling) == []


def test_announcements_that_differ_by_numbers_only_are_the_same() -> None:
    first = Announcement("Normal", "Purged", "stream SHOP was trimmed: 7 messages")
    again = Announcement("Normal", "Purged", "stream SHOP was trimmed: 1,200 messages")
    other = Announcement("Normal", "Purged", "stream OTHER was trimmed: 7 messages")
    assert first.shape == again.shape != other.shape
