"""The output of commands: tables for people, JSON for programs, colours on a terminal only."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
import typer

from tallystick._cli.errors import FAILED, warn

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
WIDTH_OF_FILES = 200
_PLAIN = str.maketrans("●○◆◇◌✗│├┤┼─╌▶◀▷◁…", "*o#+?x|+++--><><~")


def say(text: str) -> None:
    """Print a text unless it is empty; without colours outside a terminal or with NO_COLOR."""
    if not text:
        return
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_PLAIN).encode(encoding, "replace").decode(encoding)
    typer.echo(text, color=False if os.environ.get("NO_COLOR") else None)


def say_json(value: Any) -> None:
    """Print a value as indented JSON; times are ISO 8601."""
    say(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return the lines of a table; numbers are aligned to the right, an empty table is `none`."""
    rows = [tuple(row) for row in rows]
    if not rows:
        return ["none"]
    numbers = [any(isinstance(v, int) for v in column) for column in zip(*rows, strict=True)]
    cells = [[_cell(value) for value in row] for row in (titles, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    head, *lines = ("  ".join(map(_aligned, row, widths, numbers)).rstrip() for row in cells)
    return [faint(head), *lines]


def _aligned(text: str, width: int, is_number: bool) -> str:
    return text.rjust(width) if is_number else text.ljust(width)


def _cell(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else plain(str(value))


def braces(subjects: Sequence[str]) -> str:
    """Return subjects as a shell spells them: `evt.payments.{captured,declined}.v1.*`."""
    if len(subjects) < 2:
        return "".join(subjects)
    tokens = [subject.split(".") for subject in subjects]
    columns = list(zip(*tokens, strict=False))
    unlike = [number for number, column in enumerate(columns) if len(set(column)) > 1]
    if len({len(each) for each in tokens}) > 1 or len(unlike) != 1:
        return " ".join(subjects)
    parts = [column[0] for column in columns]
    parts[unlike[0]] = "{" + ",".join(columns[unlike[0]]) + "}"
    return ".".join(parts)


def width() -> int:
    """Return the columns of the terminal; 200 where there is none."""
    return shutil.get_terminal_size((WIDTH_OF_FILES, 24)).columns


def cut(text: str, columns: int) -> str:
    """Return at most `columns` characters; the last is an ellipsis if there were more."""
    return text if len(text) <= columns else text[: max(columns - 1, 0)] + "…"


def plain(text: str, kept: str = "") -> str:
    """Return text from elsewhere with its control characters made visible."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in kept else repr(c)[1:-1] for c in text)


def faint(text: str) -> str:
    """Style text that only helps to read the rest."""
    return typer.style(text, dim=True)


def bad(text: str) -> str:
    """Style what is not as it should be."""
    return typer.style(text, fg="red")


def notable(text: str) -> str:
    """Style what may deserve a look."""
    return typer.style(text, fg="yellow")


def strong(text: str) -> str:
    """Style what a reader looks for first."""
    return typer.style(text, bold=True)


def end_of(silent: Mapping[str, str], *, matched: bool = True) -> None:
    """Warn of services that did not answer, or that nothing matched.

    Raises typer.Exit with code 1 in both cases. If a service is silent it may have what matches.
    """
    for reason in silent.values():
        warn(reason)
    if not (matched or silent):
        warn("nothing matched, nothing was done: see tally dlq list")
    if silent or not matched:
        raise typer.Exit(FAILED)
