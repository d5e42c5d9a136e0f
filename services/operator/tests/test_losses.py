"""Which missing streams count as lost."""

from __future__ import annotations

from typing import Any

from services.operator.tests.test_resources import body, found, stream
from tallystick.topology import Observed
from tallystick_operator.losses import gone
from tallystick_operator.resources import wanted


def lost(status: dict[str, Any], observed: Observed, *not_ours: str) -> dict[str, int]:
    shop = body("shop", 1, "SHOP", status=status)
    return gone(shop, wanted(shop), observed, not_ours)


SEEN = {"streams": [{"name": "SHOP", "messages": 7, "bytes": 1}, {"name": "OLD", "messages": 1}]}
NOBODY = Observed({"SHOP": None}, {})


def test_a_stream_that_had_messages_and_is_missing_is_lost() -> None:
    assert lost(SEEN, NOBODY) == {"SHOP": 7}


def test_a_stream_that_was_empty_or_never_seen_is_not() -> None:
    assert lost({"streams": [{"name": "SHOP", "messages": 0}]}, NOBODY) == {}
    assert lost({}, NOBODY) == {}


def test_a_stream_that_is_there_is_not() -> None:
    assert lost(SEEN, found(stream())) == {}


def test_a_stream_of_another_resource_is_not() -> None:
    assert lost(SEEN, NOBODY, "SHOP") == {}
