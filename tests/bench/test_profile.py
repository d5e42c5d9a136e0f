"""Samples are counted for the layer that spent the time, and drawn as wide as their share."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from tests.bench.profile.flame import WIDTH, depth, flame, tree
from tests.bench.profile.layers import LOOP, budget, layer_of, shares
from tests.bench.profile.stacks import Frame, Stack, folded

SVG = "{http://www.w3.org/2000/svg}"
READ = "run (asyncio/runners.py:118);_read (nats/aio/client.py:9)"
LINES = [
    f"{READ};_receive (tallystick/_broker/wire.py:7) 6",
    f"{READ} 3",
    "run (asyncio/runners.py:118) 1",
    "",
]


def test_a_line_is_frames_from_the_outermost_in_and_a_count() -> None:
    first, *_ = folded(LINES)
    assert first.count == 6
    assert first.frames[-1] == Frame("_receive", "tallystick/_broker/wire.py")


def test_a_frame_without_a_file_is_only_its_name() -> None:
    assert Frame.parsed("process 12") == Frame("process 12")
    assert Frame.parsed("<lambda> (a.py)") == Frame("<lambda>", "a.py")


def test_a_line_without_a_count_is_refused() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        list(folded(["run (a.py:1)"]))


def test_the_innermost_layer_has_the_time_of_what_it_calls_in_the_standard_library() -> None:
    stack = (Frame("a", "nats/aio/client.py"), Frame("b", "json/decoder.py"))
    assert layer_of(stack) == "nats-py"
    assert layer_of((*stack, Frame("c", "tallystick/_outbox/sending.py"))) == "tallystick: outbox"


def test_who_started_the_event_loop_has_not_spent_its_time() -> None:
    started = (Frame("serve", "tallystick/_service/serve.py"), Frame("run", "asyncio/runners.py"))
    assert layer_of(started) == LOOP
    assert layer_of((*started, Frame("get", "orders/store.py"))) == "handlers"


def test_shares_are_of_all_samples_and_the_budget_of_all_microseconds() -> None:
    found = shares(folded(LINES))
    assert found == {"tallystick: broker": 0.6, "nats-py": 0.3, LOOP: 0.1}
    lines = budget(found, 50).splitlines()
    assert lines[1].split()[-2:] == ["60.0%", "30.0"]
    assert lines[-1].split() == ["all", "100.0%", "50.0"]


def test_processes_are_told_apart_by_their_outermost_frame() -> None:
    stacks = [*folded(LINES, "orders"), *folded(LINES, "payments")]
    assert {call.function for call in tree(stacks).calls} == {"orders", "payments"}
    assert depth(tree(stacks)) == 5


def test_a_box_is_as_wide_as_its_share() -> None:
    boxes = {
        str(group.findtext(f"{SVG}title")).partition(" ")[0]: group.find(f"{SVG}rect")
        for group in ET.fromstring(flame(folded(LINES), "<durable>")).iter(f"{SVG}g")
    }
    widths = {name: float(box.attrib["width"]) for name, box in boxes.items() if box is not None}
    assert widths == {"all": WIDTH, "run": WIDTH, "_read": WIDTH * 0.9, "_receive": WIDTH * 0.6}


def test_a_call_that_is_too_narrow_to_see_is_left_out() -> None:
    stacks = [Stack((Frame("much"),), 100_000), Stack((Frame("little"),), 1)]
    assert "little" not in flame(stacks, "")
