"""The promise of a message class to its readers, as a value that is stored and compared."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import msgspec

from tallystick._broker.requesting import reply_type
from tallystick._messages.message import Message, Request, message_type

from .compatibility import Schema


def messages_of(package: str) -> list[type[Message]]:
    """Return the named messages that the modules of a package declare, ordered by subject."""
    root = importlib.import_module(package)
    for module in pkgutil.walk_packages(getattr(root, "__path__", ()), f"{package}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found = {message_type(cls).template: cls for cls in _named(Message) if _is_in(package, cls)}
    return [found[template] for template in sorted(found)]


def snapshot(cls: type[Message]) -> dict[str, Any]:
    """Return what a message class promises: its declaration and its JSON schema."""
    declared = message_type(cls)
    promise: dict[str, Any] = {
        "kind": declared.kind,
        "name": declared.name,
        "version": declared.version,
        "key": declared.key,
        "sequence": declared.sequence,
        "schema": schema_of(cls),
    }
    if issubclass(cls, Request):
        promise["reply"] = schema_of(reply_type(cls))
    return promise


def schema_of(of: Any) -> Schema:
    """Return the JSON schema of a type, without names and texts, references resolved."""
    (schema,), definitions = msgspec.json.schema_components([of], ref_template="{name}")
    resolved: Schema = _resolved(schema, definitions, ())
    return resolved


def _resolved(part: Any, definitions: dict[str, Any], within: tuple[str, ...]) -> Any:
    match part:
        case {"$ref": name} if name not in within:
            default = {key: value for key, value in part.items() if key == "default"}
            return _resolved(definitions[name], definitions, (*within, name)) | default
        case {"properties": dict(fields)}:
            rest = {key: value for key, value in part.items() if key != "properties"}
            schemas = {name: _resolved(fields[name], definitions, within) for name in fields}
            required = {"required": sorted(part.get("required", ()))}  # the order is no promise
            return _resolved(rest, definitions, within) | {"properties": schemas} | required
        case dict():
            kept = part.keys() - {"title", "description", "discriminator"}
            return {key: _resolved(part[key], definitions, within) for key in part if key in kept}
        case list():
            return [_resolved(item, definitions, within) for item in part]
        case _:
            return part


def _named(cls: type[Message]) -> Iterator[type[Message]]:
    for derived in cls.__subclasses__():
        if derived.__declared__ is not None:  # type: ignore[attr-defined]  # by the metaclass
            yield derived
        yield from _named(derived)


def _is_in(package: str, cls: type[Message]) -> bool:
    return f"{cls.__module__}.".startswith(f"{package}.")
