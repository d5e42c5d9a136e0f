"""The page of a drill: a time line of throughput, faults and recovery; one file, no scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from tests.drill.evidence import Evidence, Struck
from tests.drill.figures import recovery

WIDTH = 1100
LEFT = 240
ROW = 16
CURVE = 140
_STYLE = """
body { font: 14px system-ui, sans-serif; margin: 2em auto; max-width: 1400px; padding: 0 1em;
    color: #1b1f24; background: #fff }
pre { background: #f4f6f8; padding: 1em; overflow-x: auto; font-size: 12px }
svg { width: 100%; height: auto } text { font: 11px system-ui, sans-serif; fill: #57606a }
h1 { font-size: 20px } .fail { color: #b42318 } .pass { color: #1a7f37 }
@media (prefers-color-scheme: dark) { body { color: #e6edf3; background: #0d1117 }
    pre { background: #161b22 } text { fill: #9198a1 } }
"""


def page(evidence: Evidence, lines: Sequence[str], stories: Mapping[str, Sequence[str]]) -> str:
    """The whole document."""
    verdict = lines[-1]
    passed = "pass" if "PASS" in verdict else "fail"
    told = "".join(
        f"<details><summary>{escape(order)}</summary><pre>{escape(chr(10).join(story))}</pre>"
        "</details>"
        for order, story in stories.items()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(verdict)}</title>'
        f"<style>{_STYLE}</style><h1 class={passed}>{escape(verdict)}</h1>"
        f"{_picture(evidence)}<pre>{escape(chr(10).join(lines))}</pre>{told}</html>\n"
    )


def _picture(evidence: Evidence) -> str:
    times = [row["placed_at"].timestamp() for row in evidence.orders]
    if not times:
        return "<p>No order was placed.</p>"
    begin, end = min(times), max(evidence.healed_at, evidence.read_at)
    kinds = sorted({struck.kind for struck in evidence.struck})
    height = CURVE + 40 + ROW * len(kinds)
    parts = [*_curves(evidence, begin, end), *_axis(begin, end, height)]
    parts += _faults(evidence, kinds, begin, end)
    return (
        f'<svg viewBox="0 0 {LEFT + WIDTH + 10} {height}" role="img" '
        f'aria-label="Orders placed and ended a second, and faults">{"".join(parts)}</svg>'
    )


def _curves(evidence: Evidence, begin: float, end: float) -> Iterator[str]:
    placed = Counter(int(row["placed_at"].timestamp() - begin) for row in evidence.orders)
    ended = Counter(
        int(row["ended_at"].timestamp() - begin) for row in evidence.orders if row["ended_at"]
    )
    most = max([1, *placed.values(), *ended.values()])
    for name, counts, colour, y in (
        ("placed a second", placed, "#0969da", 20),
        ("ended a second", ended, "#1a7f37", 36),
    ):
        points = " ".join(
            f"{LEFT + WIDTH * (second / (end - begin)):.1f},{CURVE - CURVE * count / most:.1f}"
            for second in range(int(end - begin) + 1)
            for count in (counts[second],)
        )
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        yield f'<text x="0" y="{y}" style="fill:{colour}">{name}, most {most}</text>'


def _axis(begin: float, end: float, height: float) -> Iterator[str]:
    step = 10 if end - begin < 200 else 30
    for second in range(0, int(end - begin) + 1, step):
        x = LEFT + WIDTH * second / (end - begin)
        yield f'<path d="M{x:.1f} 0V{height - 14}" stroke="#8884" />'
        yield f'<text x="{x:.1f}" y="{height - 2}">{second} s</text>'


def _faults(evidence: Evidence, kinds: Sequence[str], begin: float, end: float) -> Iterator[str]:
    for place, kind in enumerate(kinds):
        yield f'<text x="0" y="{CURVE + 24 + ROW * place}">{escape(kind)}</text>'
    scale = WIDTH / (end - begin)
    for struck in evidence.struck:
        y = CURVE + 14 + ROW * kinds.index(struck.kind)
        yield from _bars(evidence, struck, LEFT + (struck.at - begin) * scale, y, scale)


def _bars(evidence: Evidence, struck: Struck, x: float, y: float, scale: float) -> Iterator[str]:
    """The fault in red, and in pale until the orders then in flight had ended."""
    took = recovery(evidence, struck)
    text = escape(f"{struck.kind} {struck.target} {struck.detail}, all well after {took:.1f} s")
    yield f'<g><title>{text}</title><rect x="{x:.1f}" y="{y}" height="10" '
    yield f'width="{max(1.0, took * scale):.1f}" fill="#d2992266"/>'
    width = max(2.0, (struck.until - struck.at) * scale)
    yield f'<rect x="{x:.1f}" y="{y}" height="10" width="{width:.1f}" fill="#cf222e"/></g>'
