"""Corrects fields in the JSON of a body: pure functions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from difflib import unified_diff
from typing import Any

from tallystick._cli.errors import UsedWrongly
from tallystick._cli.output import bad, faint, notable, plain


def corrected(body: str | None, sets: Sequence[str]) -> str:
    """Return a body with fields set, each by `lines/0/quantity=2`; raises UsedWrongly."""
    try:
        value = json.loads(body or "")
    except ValueError:
        raise UsedWrongly("its body is not JSON: give a whole body by --file") from None
    for text in sets:
        path, equals, new = text.partition("=")
        if not equals or not path:
            raise UsedWrongly(f'"{text}" is not of the form FIELD=VALUE')
        value = _set(value, path.split("/"), _value(new), path)
    return json.dumps(value, ensure_ascii=False)


def _value(text: str) -> Any:
    """Read JSON, or else text; `NaN` and `1e999`, numbers for Python only, are text."""
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return text
    return value


def _set(within: Any, parts: Sequence[str], new: Any, path: str) -> Any:
    """Return `within` with one part changed; members that are missing are added."""
    if not parts:
        return new
    name, *rest = parts
    if isinstance(within, dict):
        return within | {name: _set(within.get(name, {}), rest, new, path)}
    if isinstance(within, list) and name in map(str, range(len(within))):
        place = int(name)
        changed = _set(within[place], rest, new, path)
        return [*within[:place], changed, *within[place + 1 :]]
    raise UsedWrongly(f"there is no {path} in its body: see tally dlq show")


def difference(before: str | None, after: str) -> list[str]:
    """Return the changed lines, with some lines around them."""
    was, now = (_pretty(text or "").splitlines() for text in (before, after))
    lines = list(unified_diff(was, now, lineterm="", n=2))[2:]
    return [_coloured(line) for line in lines if not line.startswith("@@")] or [
        faint("the same body as before")
    ]


def _coloured(line: str) -> str:
    text = plain(line)
    return {"-": bad, "+": notable}.get(line[:1], str)(text)


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
