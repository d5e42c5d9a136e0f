"""Compares two schemas of a message and finds the changes that break its readers: pure functions.

Two readers must go on working: those of the release before with new messages, and new ones with
messages that are stored. So every change of what is valid breaks one of them. Only a field that may
be missing can be added, because readers ignore unknown fields.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]

_LOWER = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}
_UPPER = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}
_NESTED = {"properties", "required", "items", "prefixItems", "anyOf", "type"}
_STORED = "messages that are stored would be refused"
_BEFORE = "readers of the release before would refuse it"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference; `where` is a path such as `lines/*/quantity`."""

    where: str
    what: str
    breaks: bool = True

    def __str__(self) -> str:
        return f"{self.where or 'the message'}: {self.what}"


def changes(old: Schema, new: Schema, where: str = "") -> Iterator[Change]:
    """Yield each difference between two JSON schemas whose references are resolved."""
    if _type(old) != _type(new):
        yield Change(where, f"was {_type(old)}, is {_type(new)}")
        return
    yield from _fields(old, new, where)
    yield from _parts(old, new, where)
    yield from _constraints(old, new, where)


def _type(schema: Schema) -> str:
    if "anyOf" in schema:
        return " or ".join(sorted(map(_type, schema["anyOf"])))
    return str(schema.get("type") or schema.get("$ref") or ("enum" if "enum" in schema else "any"))


def _fields(old: Schema, new: Schema, where: str) -> Iterator[Change]:
    before, after = old.get("properties", {}), new.get("properties", {})
    needed = set(old.get("required", ())), set(new.get("required", ()))
    for name in sorted(before | after):
        path = f"{where}/{name}".lstrip("/")
        if name not in after:
            yield Change(path, "is gone; readers of the release before need it")
        elif name not in before:
            yield _added(path, required=name in needed[1], closed=_is_closed(old))
        else:
            yield from _requirement(path, name in needed[0], name in needed[1])
            yield from changes(before[name], after[name], path)


def _added(path: str, *, required: bool, closed: bool) -> Change:
    if required:
        return Change(path, f"is new and required; {_STORED}")
    if closed:
        return Change(path, "is new, and readers of the release before refuse unknown fields")
    return Change(path, "is new and may be missing", breaks=False)


def _is_closed(schema: Schema) -> bool:
    return schema.get("additionalProperties") is False


def _requirement(path: str, before: bool, after: bool) -> Iterator[Change]:
    if after and not before:
        yield Change(path, f"could be missing, is required; {_STORED}")
    if before and not after:
        yield Change(path, f"was required, may be missing; {_BEFORE}")


def _parts(old: Schema, new: Schema, where: str) -> Iterator[Change]:
    """Yield what differs in the items of arrays, the values of objects, and alternatives."""
    for keyword in ("items", "additionalProperties"):
        if isinstance(old.get(keyword), dict) and isinstance(new.get(keyword), dict):
            yield from changes(old[keyword], new[keyword], f"{where}/*".lstrip("/"))
    places = old.get("prefixItems", []), new.get("prefixItems", [])
    if len(places[0]) != len(places[1]):
        yield Change(where, f"had {len(places[0])} places, has {len(places[1])}")
    for number, (before, after) in enumerate(zip(*places, strict=False)):
        yield from changes(before, after, f"{where}/{number}".lstrip("/"))
    alternatives = (sorted(schema.get("anyOf", []), key=_type) for schema in (old, new))
    for before, after in zip(*alternatives, strict=True):  # of the same types
        yield from changes(before, after, where)


def _constraints(old: Schema, new: Schema, where: str) -> Iterator[Change]:
    for keyword in sorted((old.keys() | new.keys()) - _NESTED):
        before, after = old.get(keyword), new.get(keyword)
        if before == after or (isinstance(before, dict) and isinstance(after, dict)):
            continue
        if keyword != "default":
            what = f"{keyword} was {before}, is {after}; {_refused(keyword, before, after)}"
            yield Change(where, what)
        elif keyword in old and keyword in new:
            what = f"is {after!r} where it is missing, was {before!r}"
            yield Change(where, f"{what}; messages that are stored would change their meaning")


def _refused(keyword: str, before: Any, after: Any) -> str:
    if keyword == "enum":
        return _STORED if set(before) - set(after) else _BEFORE
    if keyword in _LOWER:
        narrower = before is None or (after is not None and after > before)
    elif keyword in _UPPER:
        narrower = before is None or (after is not None and after < before)
    else:
        narrower = after is not None and after is not True
    return _STORED if narrower else _BEFORE
