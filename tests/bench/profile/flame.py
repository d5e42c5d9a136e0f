"""Draws stacks as a flame graph: a box for each call, as wide as its share of the samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from tests.bench.profile.layers import LAYERS, LOOP, layer_of
from tests.bench.profile.stacks import Frame, Stack

WIDTH, ROW, LETTER = 1400, 17, 6.6
NARROWEST = 1.0
"""Narrower boxes are left out, in pixels."""
NAMES = [LOOP, *dict(LAYERS).values()]
APART = 137
"""Degrees between the hues of two layers: neighbours differ."""


@dataclass
class Call:
    """A function called from one place, all samples in it, and the calls that it made."""

    frame: Frame
    count: int = 0
    calls: dict[Frame, Call] = field(default_factory=dict)


def tree(stacks: Iterable[Stack]) -> Call:
    """Return the root of all calls."""
    root = Call(Frame("all"))
    for stack in stacks:
        root.count += stack.count
        here = root
        for frame in stack.frames:
            here = here.calls.setdefault(frame, Call(frame))
            here.count += stack.count
    return root


def depth(call: Call) -> int:
    """Return the number of rows of a call and all below it."""
    return 1 + max(map(depth, call.calls.values()), default=0)


def flame(stacks: Iterable[Stack], title: str) -> str:
    """Return the graph as SVG, the outermost calls at the top; a box's title says its share."""
    root = tree(stacks)
    height = depth(root) * ROW + 30
    boxes = _boxes(root, (), 0, 24, WIDTH / max(root.count, 1), root.count)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
        f' viewBox="0 0 {WIDTH} {height}" font-family="monospace" font-size="11">\n'
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n'
        f'<text x="4" y="16">{escape(title)}</text>\n' + "\n".join(boxes) + "\n</svg>\n"
    )


def _boxes(
    call: Call, above: tuple[Frame, ...], x: float, y: float, scale: float, total: int
) -> Iterator[str]:
    width = call.count * scale
    if width < NARROWEST:
        return
    stack = (*above, call.frame)
    yield _box(call, stack, x, y, width, call.count / total)
    for each in call.calls.values():
        yield from _boxes(each, stack, x, y + ROW, scale, total)
        x += each.count * scale


def _box(
    call: Call, stack: tuple[Frame, ...], x: float, y: float, width: float, share: float
) -> str:
    layer, function = layer_of(stack), call.frame.function
    whole = escape(f"{function} ({call.frame.file}) {share:.1%}, {layer}")
    shown = escape(function[: int(width / LETTER)]) if width > 3 * LETTER else ""
    hue = APART * NAMES.index(layer) % 360
    return (
        f'<g><title>{whole}</title><rect x="{x:.1f}" y="{y:g}" width="{width:.1f}"'
        f' height="{ROW - 1}" fill="hsl({hue} 60% 78%)"/>'
        f'<text x="{x + 2:.1f}" y="{y + 12:g}">{shown}</text></g>'
    )
