"""Checks, field by field and without I/O, that a handler can read an edited body.

Section 10 of docs/delivery.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from tallystick._messages.binding import Binding, UnknownType
from tallystick._messages.envelope import parse_headers
from tallystick._messages.inbound import Inbound
from tallystick._messages.message import Message, message_key, message_type
from tallystick.errors import InvalidMessage

_AT = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_MISSING = re.compile(r"missing required field `([^`]+)`")


class InvalidBody(InvalidMessage):
    """A body does not fit; `field` is the path of the wrong field, empty for the whole body."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}" if field else detail)
        self.field = field
        self.detail = detail


def check_body(binding: Binding, inbound: Inbound, before: bytes) -> None:
    """Raise InvalidBody if the handler cannot read the body, or if the message's key changes.

    Also raise it for an unknown field that was not in the body `before`: readers ignore unknown
    fields, but a new one in an edited body is a mistake.
    """
    message = _decoded(binding, inbound)
    for path in _unknown_fields(json.loads(inbound.body), message, _loaded(before)):
        raise InvalidBody(path, f"{type(message).__name__} has no such field")
    _check_key(inbound, message)


def _decoded(binding: Binding, inbound: Inbound) -> Message:
    try:
        return binding.decode(inbound)
    except UnknownType as error:
        raise InvalidBody("", f"{error}: only the body can be edited, not the type") from error
    except InvalidMessage as error:
        raise InvalidBody(*_fault(error.__cause__ or error)) from error


def _fault(error: BaseException) -> tuple[str, str]:
    """Return path and detail of an error.

    Example: "Expected `int` - at `$.lines[0].quantity`" is lines/0/quantity and "Expected `int`".
    """
    text = str(error)
    at = _AT.search(text)
    path = re.findall(r"[^.\[\]]+", at["path"]) if at else []
    if missing := _MISSING.search(text):
        path.append(missing[1])
    return "/".join(path), text[: at.start()] if at else text


def _check_key(inbound: Inbound, message: Message) -> None:
    """Raise InvalidBody if the key differs from the one that the message was sent with."""
    key = message_type(type(message)).key
    is_effect = message_type(type(message)).kind == "effect"
    was = inbound.id if is_effect else parse_headers(inbound.headers).get("ce-subject")
    if key and was and message_key(message) != was:
        raise InvalidBody(key, f"the key of the message is {was} and cannot be changed")


def _unknown_fields(given: Any, read: Any, before: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of a body that its reader ignored and that were not in it before."""
    readers, earlier = _parts(read), _parts(before)
    for name, value in _parts(given).items():
        here = f"{path}/{name}" if path else name
        if name in readers:
            yield from _unknown_fields(value, readers[name], earlier.get(name), here)
        elif isinstance(given, dict) and name not in earlier:
            yield here


def _parts(value: Any) -> dict[str, Any]:
    match value:
        case msgspec.Struct():
            names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
            return {encoded: getattr(value, name) for encoded, name in names}
        case dict():
            return {str(name): part for name, part in value.items()}
        case list() | tuple():
            return {str(place): part for place, part in enumerate(value)}
    return {}


def _loaded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
