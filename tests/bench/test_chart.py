"""The chart draws what was measured, and nothing of what was not."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.bench.chart import LONGEST, THEMES, chart, draw
from tests.bench.report import read, report
from tests.bench.result import Result

SVG = "{http://www.w3.org/2000/svg}"
MEASURED = Result(row="consume", ours=500, peer=1_000, peer_name="fetch & ack", ratio=0.5)
VOID = Result(row="durable", peer_name="FastStream", void="one was lost")
ALONE = Result(row="start", ours=57, unit="MB")


def bars(svg: str) -> list[float]:
    found = ET.fromstring(svg).iter(f"{SVG}rect")
    return [float(each.attrib["width"]) for each in found if "rx" in each.attrib]


@pytest.mark.parametrize("theme", list(THEMES))
def test_bars_are_as_long_as_the_rates(theme: str) -> None:
    assert bars(chart([MEASURED], THEMES[theme], "")) == [LONGEST / 2, LONGEST]


def test_a_row_that_is_void_or_has_no_peer_is_left_out() -> None:
    assert bars(chart([VOID, ALONE], THEMES["light"], "")) == []


def test_results_are_read_as_they_were_written_and_drawn_in_light_and_dark(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    results.write_bytes(report([MEASURED, VOID], "quick"))
    assert read(results).rows == [MEASURED, VOID]
    light, dark = (file.read_text() for file in draw(results, tmp_path))
    assert light != dark
    assert "fetch &amp; ack" in light
    assert "Python" in light
