"""Refuses JSON that its readers would take differently or could not store, and names the field.

Python's decoder lets duplicate keys, NaN, numbers beyond a float, lone surrogates and NUL pass; the
database or the next reader would fail on them, where nobody can tell the caller which field it was.
"""

import json
import math
from collections.abc import Iterator
from typing import Any

from tallystick._http.problem import Problem, field_problem

LONGEST_SHOWN = 100
_SURROGATES = range(0xD800, 0xE000)


class _NoNumber(ValueError):
    """NaN, Infinity or a number that no float can hold."""


def check_json(body: bytes) -> None:
    """Raise a Problem: 400 for what is no JSON, 422 for a value that cannot be stored."""
    try:
        value = _decode(body)
    except _NoNumber:
        value = json.loads(body)  # now as Python likes it, so that the field can be found
    else:
        if not _may_hold_bad_text(body):
            return
    for field, fault in _faults(value):
        raise field_problem(field, fault)


def _decode(body: bytes) -> Any:
    try:
        return _strictly(body.decode())
    except UnicodeDecodeError as error:
        raise _malformed(f"not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise _malformed("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise _malformed(f"{error.msg} at character {error.pos}") from None
    except _NoNumber:
        raise
    except ValueError as error:  # a key twice, or thousands of digits
        raise _malformed(str(error)) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:LONGEST_SHOWN]!a} stands twice in one object")
    return found


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isfinite(number):
        return number
    raise _NoNumber


_strictly = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_finite, parse_constant=_finite
).decode


def _may_hold_bad_text(body: bytes) -> bool:
    """Control characters are malformed as they are; only an escape brings NUL or a surrogate."""
    return b"\\u" in body and (b"\\u0000" in body or b"\\ud" in body.lower())


def _faults(value: Any) -> Iterator[tuple[str, str]]:
    """Yield the path of each value that cannot be stored, and why."""
    pending: list[tuple[str, Any]] = [("", value)]
    while pending:
        path, value = pending.pop()
        match value:
            case dict():
                pending += [(f"{path}/{key}", item) for key, item in value.items()]
                pending += [(f"{path}/{key}", key) for key in value]
            case list():
                pending += [(f"{path}/{place}", item) for place, item in enumerate(value)]
            case str() if (fault := _text_fault(value)) is not None:
                yield _shown(path), fault
            case float() if not math.isfinite(value):
                yield _shown(path), "a number must be finite"


def _text_fault(text: str) -> str | None:
    if "\0" in text:
        return "text must not contain NUL"
    if any(ord(character) in _SURROGATES for character in text):
        return "text must not contain half of a surrogate pair"
    return None


def _shown(path: str) -> str:
    """Return a path that can be sent: keys may hold what values must not."""
    return path[1:].encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00") or "body"


def _malformed(detail: str) -> Problem:
    return Problem(400, "Malformed JSON", detail=detail)
