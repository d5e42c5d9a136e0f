"""What is decided about a resource, without a broker and without Kubernetes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tallystick.topology import (
    Durable,
    DurableFound,
    Observed,
    Stream,
    StreamFound,
    Topology,
    durable_of,
    stream_of,
    title,
)
from tallystick_operator.ownership import elsewhere, taken
from tallystick_operator.reconciling import reconcile
from tallystick_operator.resources import Decision, decide, left_over, wanted

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
NOTHING = Topology("shop", (), ())
DAY = timedelta(days=1)


def stream(name: str = "SHOP", **more: Any) -> Stream:
    settings: dict[str, Any] = {
        "retention": "limits",
        "discard": "new",
        "max_bytes": 1_000_000,
        "max_age": 7 * DAY,
    }
    return stream_of(name, [f"evt.{name.lower()}.>"], **(settings | more))


def durable(name: str = "shop-books") -> Durable:
    return durable_of("SHOP", name, ["evt.shop.sold.v1.*"], ack_wait=timedelta(seconds=5))


def found(
    *streams: Stream, durables: Mapping[Durable | str, int] | None = None, **state: Any
) -> Observed:
    """A broker that has these streams, all with this state, and durables with this lag."""
    empty: dict[str, Any] = {"messages": 0, "bytes": 0, "oldest": None}
    return Observed(
        {one.name: StreamFound(one.config, **(empty | state)) for one in streams},
        {
            ("SHOP", name): DurableFound(durable(name).config, lag)
            for name, lag in (durables or {}).items()
            if isinstance(name, str)
        },
    )


def decided(
    declared: Topology, observed: Observed, left: Topology = NOTHING, **names: str
) -> Decision:
    return decide(declared, left, observed, names, NOW)


def of(*items: Stream | Durable) -> Topology:
    return Topology(
        "shop",
        tuple(one for one in items if isinstance(one, Stream)),
        tuple(one for one in items if isinstance(one, Durable)),
    )


async def test_what_an_older_crd_has_dropped_is_named() -> None:
    broker: Any = SimpleNamespace(connected=asyncio.Event())
    broker.connected.set()
    durable = {"stream": "SHOP", "name": "shop-books", "filterSubjects": [], "ackWaitSeconds": 5}
    spec = {"service": "shop", "streams": [], "durables": [durable]}
    body = {"metadata": {"name": "my-shop"}, "spec": spec}
    result = await reconcile(broker, body, [body], None)
    (refusal,) = result.refused
    assert refusal.startswith("the resource my-shop has no maxAckPending: apply the chart's crds/")


def test_what_is_as_declared_is_left_alone() -> None:
    there = found(stream(), durables={"shop-books": 3})
    assert decided(of(stream(), durable()), there) == Decision()


def test_what_is_missing_is_made_streams_first() -> None:
    decision = decided(of(stream(), durable()), Observed({}, {}))
    assert [title(one.item) for one in decision.changes] == [
        "stream SHOP",
        "durable SHOP/shop-books",
    ]
    assert decision.blocked == ()


def test_a_limit_that_was_changed_is_changed_back() -> None:
    (change,) = decided(of(stream()), found(stream(max_bytes=5), messages=1)).changes
    assert [difference.setting for difference in change.differences] == ["max_bytes"]


def test_no_stream_shrinks_below_what_it_holds() -> None:
    decision = decided(of(stream(max_bytes=900)), found(stream(), messages=9, bytes=901))
    assert decision.changes == ()
    assert "stream SHOP has 901 bytes, and 900 are declared" in decision.blocked[0]


def test_a_stream_shrinks_to_what_it_holds() -> None:
    decision = decided(of(stream(max_bytes=900)), found(stream(), messages=9, bytes=900))
    assert len(decision.changes) == 1


@pytest.mark.parametrize(
    ("before", "after", "age", "is_blocked"),
    [
        (7, 2, 3, True),
        (0, 2, 3, True),
        (7, 2, 1, False),
        (2, 7, 3, False),
        (7, 0, 3, False),
        (2, 2, 3, False),
    ],
)
def test_no_age_is_declared_that_stored_messages_have_passed(
    before: int, after: int, age: int, is_blocked: bool
) -> None:
    there = found(stream(max_age=before * DAY), messages=1, bytes=1, oldest=NOW - age * DAY)
    decision = decided(of(stream(max_age=after * DAY)), there)
    assert bool(decision.blocked) == is_blocked
    assert not (decision.changes and is_blocked)


def test_retention_is_never_changed() -> None:
    decision = decided(of(stream(retention="workqueue")), found(stream()))
    assert decision.changes == ()
    assert "retention is 'limits', declared is 'workqueue'" in decision.blocked[0]


def test_one_item_that_is_blocked_keeps_no_other_from_being_mended() -> None:
    decision = decided(of(stream(max_bytes=1), durable()), found(stream(), messages=1, bytes=100))
    assert [title(one.item) for one in decision.changes] == ["durable SHOP/shop-books"]
    assert len(decision.blocked) == 1


def test_what_is_declared_no_more_is_removed_if_nothing_is_lost() -> None:
    left = of(stream("OLD"), durable())
    decision = decided(NOTHING, found(stream("OLD"), durables={"shop-books": 0}), left)
    assert [title(item) for item in decision.removals] == ["durable SHOP/shop-books", "stream OLD"]


def test_a_stream_that_is_declared_no_more_stays_with_its_messages() -> None:
    decision = decided(NOTHING, found(stream("OLD"), messages=12), of(stream("OLD")))
    assert decision.removals == ()
    assert "stream OLD is no longer declared and has 12 messages" in decision.blocked[0]


def test_a_durable_that_is_declared_no_more_stays_while_it_has_unread() -> None:
    decision = decided(NOTHING, found(durables={"shop-books": 2}), of(durable()))
    assert decision.removals == ()
    assert "has 2 unread" in decision.blocked[0]


def test_a_stream_of_another_resource_is_not_touched() -> None:
    decision = decided(of(stream(max_bytes=5)), found(stream()), SHOP="first")
    assert decision.changes == ()
    assert "also declared by topology first" in decision.blocked[0]


def body(name: str, created: int, *streams: str, **more: Any) -> dict[str, Any]:
    declared = {
        "subjects": ["evt.shop.>"],
        "retention": "limits",
        "discard": "new",
        "maxBytes": 1_000,
        "maxAgeSeconds": 0,
        "duplicateWindowSeconds": 120,
        "replicas": 1,
    }
    return {
        "metadata": {"name": name, "creationTimestamp": f"2026-11-2{created}T00:00:00Z"},
        "spec": {"service": "shop", "streams": [{"name": one, **declared} for one in streams]},
        **more,
    }


def test_a_stream_is_the_first_resources() -> None:
    first, second = body("b", 1, "SHOP", "B"), body("a", 2, "SHOP")
    assert taken(first, [first, second]) == {}
    assert taken(second, [first, second]) == {"SHOP": "b"}


def test_what_the_status_names_and_nobody_declares_is_left_over() -> None:
    status = {
        "streams": [{"name": "SHOP"}, {"name": "MOVED"}, {"name": "OLD"}],
        "durables": [{"stream": "SHOP", "name": "shop-books"}],
    }
    one, other = body("one", 1, "SHOP", status=status), body("other", 2, "MOVED")
    left = left_over(one, elsewhere(one, [one, other]))
    assert [title(item) for item in left.items] == ["stream OLD", "durable SHOP/shop-books"]


def test_a_resource_needs_no_durables() -> None:
    assert wanted(body("one", 1, "SHOP")).durables == ()
