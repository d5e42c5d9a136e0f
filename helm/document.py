"""Derives values.schema.json and the README's table of each chart from its commented values.yaml.

    python helm/document.py            # write them
    python helm/document.py --check    # exit code 1 if one is not current

The comment above a key describes it, and may end in `# schema: {...}`, which is merged over what
follows from its default: its type, and for a map that no other key is allowed in it.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

HELM = Path(__file__).parent
CHARTS = ("service", "tallystick")
BEGIN, END = "<!-- values -->\n", "<!-- end of values -->\n"
_KEY = re.compile(r"^( *)([\w.-]+):")
_COMMENT = re.compile(r"^ *# ?(.*)")
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}

Schema = dict[str, Any]


class Undocumented(Exception):
    """A key without a comment, or one that cannot be understood."""


@dataclass
class Key:
    """One key of values.yaml with its comment; `children` are the keys below it."""

    path: tuple[str, ...]
    default: Any
    text: str = ""
    override: Schema = field(default_factory=dict)
    children: list["Key"] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether others decide which keys are below: those of a chart by alias."""
        return self.override.get("additionalProperties") is True

    @property
    def is_section(self) -> bool:
        """Whether its own keys are described one by one."""
        return bool(self.children)


def comments(text: str) -> dict[tuple[str, ...], str]:
    """Return the comment above each key, by the key's path."""
    found: dict[tuple[str, ...], str] = {}
    above: list[str] = []
    path: list[tuple[int, str]] = []
    for line in text.splitlines():
        if comment := _COMMENT.match(line):
            above.append(comment[1])
        elif key := _KEY.match(line):
            indent = len(key[1])
            path = [*(step for step in path if step[0] < indent), (indent, key[2])]
            if above:
                found[tuple(name for _, name in path)] = " ".join(above)
            above = []
        elif not line.strip():
            above = []
    return found


def keys(values: Mapping[str, Any], said: Mapping[tuple[str, ...], str]) -> list[Key]:
    """Return the keys of values.yaml as a tree; raises Undocumented."""
    return list(_keys((), values, said, is_open=False))


def _keys(
    above: tuple[str, ...],
    values: Mapping[str, Any],
    said: Mapping[tuple[str, ...], str],
    *,
    is_open: bool,
) -> Iterator[Key]:
    for name, default in values.items():
        path = (*above, name)
        text, _, override = said.get(path, "").partition("# schema:")
        key = Key(path, default, text.strip(), yaml.safe_load(override) or {} if override else {})
        if isinstance(default, dict) and any(
            len(p) > len(path) and p[: len(path)] == path for p in said
        ):
            key.children = list(_keys(path, default, said, is_open=key.is_open))
        if key.text or key.is_section:
            yield key
        elif not is_open:
            raise Undocumented(f"{'.'.join(path)} has no comment")


def schema(tree: list[Key], definitions: Mapping[str, Schema]) -> Schema:
    """Return the schema of a chart's values."""
    root = _object(tree)
    used = _used(root, definitions)
    chosen = {name: definitions[name] for name in sorted(used)}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **root,
        **({"$defs": chosen} if chosen else {}),
    }


def _object(children: list[Key]) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {key.path[-1]: _of(key) for key in children},
    }


def _of(key: Key) -> Schema:
    said = {"description": key.text} if key.text else {}
    if "$ref" in key.override:
        return said | {"allOf": [{"$ref": key.override["$ref"]}]}
    if key.is_section:
        return said | _object(key.children) | key.override
    if isinstance(key.default, dict):
        return said | {"type": "object", "additionalProperties": False} | key.override
    kind = {} if "enum" in key.override else {"type": _TYPES[type(key.default)]}
    return said | kind | key.override


def _used(node: Any, definitions: Mapping[str, Schema]) -> set[str]:
    if isinstance(node, list):
        return {name for item in node for name in _used(item, definitions)}
    if not isinstance(node, dict):
        return set()
    names = {node["$ref"].rpartition("/")[2]} if isinstance(node.get("$ref"), str) else set()
    below = [_used(value, definitions) for value in node.values()]
    return names.union(*below, *(_used(definitions[name], definitions) for name in names))


def table(tree: list[Key]) -> str:
    """Return the keys as a table in Markdown."""
    rows = [f"| `{name}` | {text} | {default} |\n" for name, text, default in _rows(tree)]
    return "| value | what it is | default |\n|---|---|---|\n" + "".join(rows)


def _rows(tree: list[Key]) -> Iterator[tuple[str, str, str]]:
    for key in tree:
        if key.is_section and not key.is_open:
            yield from _rows(key.children)
            continue
        default = "" if key.is_open else f"`{json.dumps(key.default)}`"
        yield ".".join(key.path), key.text.replace("|", r"\|"), default
        yield from _rows(key.children)


def documents(chart: Path) -> dict[Path, str]:
    """Return what should be in each file that is derived."""
    text = (chart / "values.yaml").read_text()
    tree = keys(yaml.safe_load(text), comments(text))
    definitions = yaml.safe_load((HELM / "schema-definitions.yaml").read_text())
    readme = chart / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return {
        chart / "values.schema.json": json.dumps(schema(tree, definitions), indent=2) + "\n",
        readme: f"{before}{BEGIN}{table(tree)}{END}{after}",
    }


def main() -> None:
    """Write what is not current, or say so."""
    wanted = {path: text for chart in CHARTS for path, text in documents(HELM / chart).items()}
    stale = [p for p, text in wanted.items() if not p.exists() or p.read_text() != text]
    if "--check" in sys.argv and stale:
        sys.exit("not current: " + ", ".join(map(str, stale)) + " (run `make charts`)")
    for path in stale:
        path.write_text(wanted[path])


if __name__ == "__main__":
    main()
