"""Refuse JSON that readers would read differently or could not store, and name the field.

Python's decoder accepts duplicate keys, NaN, numbers beyond a float, lone surrogates and NUL. The
database or the next reader would fail on them, and could not tell the caller which field it was.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator
from typing import Any, TypeAlias

from tallystick._http.problem import LONGEST_FIELD, Problem, field_problem

LONGEST_SHOWN = 100
DEEPEST = 100  # levels; the decoder and later readers accept more

# A value's place: the place of its container, and its key or index there. It becomes text only for
# the answer, because as texts the places of a wide array under a long key would be gigabytes.
_Place: TypeAlias = "tuple[_Place, str | int] | None"


def check_json(body: bytes) -> None:
    """Raise a Problem: 400 for malformed JSON, 422 for a value that cannot be stored."""
    value, all_finite = _decode(body)
    if all_finite and not _may_be_deep(body) and not _may_hold_bad_text(body):
        return
    for place, fault in _faults(value):
        raise field_problem(_shown(place), fault)


def _decode(body: bytes) -> tuple[Any, bool]:
    """Return the value, and whether all its numbers are finite."""
    infinite: list[str] = []

    def number(digits: str) -> float:
        found = float(digits)
        if not math.isfinite(found):
            infinite.append(digits)
        return found

    decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_float=number, parse_constant=number)
    try:
        return decoder.decode(body.decode()), not infinite
    except UnicodeDecodeError as error:
        raise _malformed(f"not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        raise _malformed(f"{error.msg} at character {error.pos}") from None
    except ValueError as error:  # a duplicate key, or a number with thousands of digits
        raise _malformed(str(error)) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        duplicate = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the key {duplicate[:LONGEST_SHOWN]!a} stands twice in one object")
    return found


def _may_be_deep(body: bytes) -> bool:
    return body.count(b"[") + body.count(b"{") > DEEPEST


def _may_hold_bad_text(body: bytes) -> bool:
    """Return whether an escape may be NUL or a surrogate; unescaped ones are malformed JSON."""
    return b"\\u" in body and (b"\\u0000" in body or b"\\ud" in body.lower())


def _faults(value: Any) -> Iterator[tuple[_Place, str]]:
    """Yield the place of each value that cannot be stored, and why; raise if it is too deep."""
    level: list[tuple[_Place, Any]] = [(None, value)]
    for _ in range(DEEPEST + 1):
        for place, item in level:
            if (fault := _fault(item)) is not None:
                yield place, fault
        if not (level := [part for place, item in level for part in _parts(place, item)]):
            return
    raise _too_deep()


def _parts(place: _Place, value: Any) -> Iterator[tuple[_Place, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield (place, key), key
            yield (place, key), item
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield (place, index), item


def _fault(value: Any) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return "a number must be finite"
    if not isinstance(value, str):
        return None
    if "\0" in value:
        return "text must not contain NUL"
    if any("\ud800" <= character <= "\udfff" for character in value):
        return "text must not contain half of a surrogate pair"
    return None


def _shown(place: _Place) -> str:
    """Return a path that can be sent; NUL and surrogates in keys are escaped."""
    keys: list[str] = []
    while place is not None:
        place, key = place
        keys.append(str(key)[:LONGEST_FIELD])
    path = "/".join(reversed(keys))
    return path.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00") or "body"


def _too_deep() -> Problem:
    return _malformed(f"nested too deeply: at most {DEEPEST} levels are allowed")


def _malformed(detail: str) -> Problem:
    return Problem(400, "Malformed JSON", detail=detail)
