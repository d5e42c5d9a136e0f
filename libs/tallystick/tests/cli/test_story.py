"""A story made from evidence, and drawn: pure functions."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click import unstyle

from tallystick._broker.history import Recorded
from tallystick._cli.timeline.drawing import draw
from tallystick._cli.timeline.evidence import Evidence, Kept
from tallystick._cli.timeline.story import story_of

BEGAN = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
PLACED, CAPTURED = "m-1", "m-2"


def at(milliseconds: float) -> str:
    return (BEGAN + timedelta(milliseconds=milliseconds)).isoformat()


def stored(source: str, id_: str, name: str, when: float, **more: Any) -> dict[str, Any]:
    return {
        "source": source,
        "id": id_,
        "type": f"dev.tallystick.{name}.v1",
        "subject": f"evt.{name}.v1.07",
        "size": 2,
        "correlation_id": PLACED,
        "republication": 0,
        "stored_at": at(when),
        "sent_at": at(when + 5),
        **more,
    }


def taken(durable: str, source: str, id_: str, when: float, **more: Any) -> dict[str, Any]:
    return {
        "durable": durable,
        "handler": durable.partition("-")[2],
        "kind": "event",
        "source": source,
        "id": id_,
        "state": "done",
        "received_at": at(when),
        "done_at": None,
        "due_at": None,
        "replica": None,
        "reason": None,
        "error_type": None,
        "error": None,
        "attempts": [],
        **more,
    }


def attempt(when: float, outcome: str, error: str | None = None) -> dict[str, Any]:
    return {"at": at(when), "replica": "p-1", "version": "1", "outcome": outcome, "error": error}


def known(published: list[Any], received: list[Any]) -> list[dict[str, Any]]:
    return [{"published": published, "received": received}]


CAPTURE = {
    "kind": "effect",
    "done_at": at(1_800),
    "attempts": [
        attempt(300, "TemporaryError", "the provider gave no answer in time"),
        attempt(900, "TemporaryError", "the provider gave no answer in time"),
        attempt(1_801, "done"),
    ],
}
EVIDENCE = Evidence(
    "order-1",
    {
        "orders": known(
            [stored("orders", PLACED, "orders.placed", 0)],
            [taken("orders-payments", "payments", CAPTURED, 1_820)],
        ),
        "payments": known(
            [stored("payments", CAPTURED, "payments.captured", 1_800)],
            [
                taken("payments-open", "orders", PLACED, 12),
                taken("payments-capture", "payments", "order-1", 12, **CAPTURE),
            ],
        ),
        "shipping": known(
            [],
            [
                taken("shipping-orders", "orders", PLACED, 14),
                taken(
                    "shipping-payments",
                    "payments",
                    CAPTURED,
                    1_830,
                    state="dead",
                    attempts=[attempt(1_830, "schema", "amount is missing")],
                ),
            ],
        ),
    },
    [],
    [],
    {},
    ["orders", "payments", "shipping"],
)
DRAWN = """\
order-1
2026-11-25 10:00:00.000 UTC, 2 messages in 1.830 s, 1 dead letter
1 dead letter: tally dlq show order-1

                       orders      payments    shipping
      0 ms             ●           │           │           orders.placed v1
     12 ms     +12 ms  ├──────────▶○           │           payments-open  open
     12 ms             │           ◇           │           payments-capture stored
     14 ms      +2 ms  ├───────────┼──────────▶○           shipping-orders  orders
    300 ms    +286 ms  │           ✗           │           payments-capture failed, attempt 1
                       │           │           │             TemporaryError: the provider gave no
                       │           │           │             answer in time
    900 ms    +600 ms  │           ✗           │           payments-capture failed, attempt 2
                       │           │           │             as before
   1.800 s    +900 ms  │           ○           │           payments-capture, attempt 3  capture
                       │           │           │             by p-1
   1.800 s             │           ●           │           payments.captured v1
   1.820 s     +20 ms  ○◀──────────┤           │           orders-payments  payments
   1.830 s     +10 ms  │           ├──────────▶✗           shipping-payments is a dead letter
                       │           │           │             schema: amount is missing"""


def test_a_story_is_drawn_as_lanes_in_the_order_of_time() -> None:
    assert "\n".join(map(unstyle, draw(story_of(EVIDENCE)))) == DRAWN


def evidence(**changes: Any) -> Evidence:
    return Evidence(**{"key": "k", "known": {}, "kept": [], "readers": [], "silent": {}, **changes})


def kept(subject: str, sequence: int, **headers: str) -> Kept:
    return Kept("ORDERS", Recorded(subject, sequence, BEGAN, headers, b"{}"))


def reader(name: str, floor: int, *subjects: str) -> dict[str, Any]:
    return {
        "stream_name": "ORDERS",
        "name": name,
        "config": {"filter_subjects": list(subjects)},
        "ack_floor": {"stream_seq": floor},
    }


@pytest.mark.parametrize(
    ("subject", "reads"),
    [
        ("evt.orders.placed.v1.*", True),
        ("evt.orders.>", True),
        (">", True),
        ("evt.orders.ended.v1.*", False),
        ("evt.orders.placed.v1", False),
        ("evt.orders.placed.v1.07.>", False),
    ],
)
def test_a_message_that_a_durable_has_not_acknowledged_is_pending(
    subject: str, reads: bool
) -> None:
    messages = [kept("evt.orders.placed.v1.07", 9, **{"ce-source": "orders", "ce-id": "1"})]
    story = story_of(evidence(kept=messages, readers=[reader("payments-open", 8, subject)]))
    assert [step.durable for step in story.waits] == (["payments-open"] if reads else [])


def test_what_was_acknowledged_without_a_record_is_only_named() -> None:
    messages = [kept("evt.orders.placed.v1.07", 9)]
    story = story_of(evidence(kept=messages, readers=[reader("orders-statistics", 9, ">")]))
    assert (story.waits, story.unrecorded) == ([], ["orders-statistics"])


def test_what_a_service_stored_and_a_stream_keeps_is_one_message() -> None:
    headers = {"ce-source": "orders", "ce-id": PLACED}
    messages = [kept("evt.orders.placed.v1.07", 9, **headers)]
    unsent = stored("orders", PLACED, "orders.placed", 0, sent_at=None)
    story = story_of(evidence(known={"orders": known([unsent], [])}, kept=messages))
    assert (story.messages, len(story.steps), story.steps[0].note) == (1, 1, "")


def test_an_unsent_and_a_republished_message_are_marked() -> None:
    unsent = stored("orders", "1", "orders.placed", 0, sent_at=None)
    again = stored("orders", "2", "orders.placed", 1, republication=2)
    story = story_of(evidence(known={"orders": known([unsent, again], [])}))
    assert [step.note for step in story.steps] == ["not sent yet", "republished 2 times"]


def test_a_message_is_handled_after_it_is_published_even_if_clocks_disagree() -> None:
    early = known([], [taken("payments-open", "orders", PLACED, -50)])
    placed = known([stored("orders", PLACED, "orders.placed", 0)], [])
    story = story_of(evidence(known={"payments": early, "orders": placed}))
    assert [step.kind for step in story.steps] == ["published", "done"]


def test_what_runs_waits_or_was_given_up_comes_last() -> None:
    rows = [
        taken("p-a", "p", "1", 1, state="waiting", due_at=at(60_000), error="no"),
        taken("p-b", "p", "1", 1, state="running", replica="p-1"),
        taken("p-c", "p", "1", 1, state="withdrawn", kind="effect"),
        taken("p-d", "p", "1", 1, state="discarded"),
        taken("p-e", "p", "1", 1, state="dead", due_at=at(9)),
    ]
    steps = story_of(evidence(known={"p": known([], rows)})).steps
    assert [(step.kind, step.at is None) for step in steps] == [
        ("stored", False),
        ("dead", False),
        ("waits", True),
        ("waits", True),
        ("withdrawn", True),
        ("discarded", True),
    ]


def test_what_is_not_sent_and_what_is_dead_is_counted_in_the_title() -> None:
    rows = [
        taken("p-a", "p", "1", 1, state="dead", due_at=at(9)),
        taken("p-b", "p", "2", 1, state="dead", due_at=at(9)),
        taken("p-c", "p", "3", 1, state="waiting", due_at=at(9)),
        taken("p-d", "p", "4", 1, state="discarded", attempts=[attempt(2, "schema", "no")]),
    ]
    unsent = stored("p", "5", "p.said", 0, sent_at=None)
    drawn = draw(story_of(evidence(key="a b", known={"p": known([unsent], rows)})))
    title = [unstyle(line) for line in drawn[1:3]]
    assert title[0].endswith("1 not sent yet, 1 waiting, 2 dead letters")
    assert title[1] == "2 dead letters: tally dlq list 'a b'"


def test_names_are_cut_before_words() -> None:
    services = ("one-service", "two-service", "three", "four")
    messages = [stored(name, name, f"{name}.happened", n) for n, name in enumerate(services)]
    failed = {"state": "waiting", "due_at": at(90), "attempts": [attempt(9, "Bad", "no")] * 12}
    done = {"done_at": at(50), "attempts": [attempt(40, "done")], "handler": "a_long_handler_name"}
    rows = [
        taken("four-a-very-long-purpose", "four", "four", 1, **failed),
        taken("four-another-long-purpose", "four", "four", 1, **done),
    ]
    text = "\n".join(map(unstyle, draw(story_of(evidence(known={"x": known(messages, rows)})))))
    assert "… failed, attempt 12" in text
    assert "… waits, due now" in text
    assert re.search(r" four-an\S*…, attempt 1  a_lon…$", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 100


def test_many_services_still_fit() -> None:
    names = [f"service{number}" for number in range(8)]
    messages = [stored(name, name, f"{name}.happened", n) for n, name in enumerate(names)]
    lines = draw(story_of(evidence(known={"x": known(messages, [])})))
    assert max(len(unstyle(line)) for line in lines) <= 100
