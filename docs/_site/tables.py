"""Tables that are read from the code, and state diagrams as tables: no script has to be loaded."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from tallystick import Settings
from tallystick._telemetry import metrics

_ARROW = re.compile(r"\s*(\S+) --> (\S+?)(?:: (.*))?$")
_ENDS = {"[*]": "·"}


def markdown(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


class Table(SphinxDirective):
    """A directive that stands for a table."""

    titles: ClassVar[Sequence[str]]

    def rows(self) -> Iterable[Sequence[str]]:
        """Return the cells, in Markdown."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Return the table's nodes."""
        return self.parse_text_to_nodes(markdown(self.titles, self.rows()))


class SettingsTable(Table):
    """Every setting that each service has."""

    titles = ("variable", "default", "what it is")

    def rows(self) -> Iterable[Sequence[str]]:
        """Return a row for each field of `Settings`."""
        for name, field in Settings.model_fields.items():
            default: Any = field.default
            if field.is_required():
                shown = "must be set"
            elif field.default_factory:
                shown = "host and process id"
            else:
                shown = f"`{default}`" if default not in (None, "") else "none"
            yield f"`<SERVICE>_{name.upper()}`", shown, field.description or ""


class MetricsTable(Table):
    """Every metric of the library."""

    titles = ("metric", "kind", "labels", "what it counts")

    def rows(self) -> Iterable[Sequence[str]]:
        """Return a row for each metric of the library's module."""
        found = (
            one
            for one in vars(metrics).values()
            if isinstance(one, metrics.MetricWrapperBase | metrics.Histogram)
        )
        for metric in sorted(found, key=lambda one: one._name):  # noqa: SLF001  # it has no other
            kind = metric._type  # noqa: SLF001
            name = f"{metric._name}_total" if kind == "counter" else metric._name  # noqa: SLF001
            labels = ", ".join(f"`{label}`" for label in metric._labelnames)  # noqa: SLF001
            yield f"`{name}`", kind, labels, metric._documentation  # noqa: SLF001


class States(Table):
    """A state diagram: every arrow is a row."""

    has_content = True
    titles = ("from", "to", "when")

    def rows(self) -> Iterable[Sequence[str]]:
        """Return a row for each arrow; raises ValueError for a line that is none."""
        kind, *lines = self.content
        if kind != "stateDiagram-v2":
            raise ValueError(f"a {kind} cannot be shown as a table")
        for line in filter(str.strip, lines):
            arrow = _ARROW.match(line)
            if arrow is None:
                raise ValueError(f"not an arrow between states: {line}")
            start, end, when = (_ENDS.get(part, part) for part in arrow.groups(default=""))
            yield start, end, when


def setup(app: Sphinx) -> dict[str, bool]:
    """Name the directives."""
    app.add_directive("settings-table", SettingsTable)
    app.add_directive("metrics-table", MetricsTable)
    app.add_directive("mermaid", States)
    return {"parallel_read_safe": True}
