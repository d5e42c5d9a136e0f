"""What the library logs is what docs/logs.md lists: names that people search for and alert on."""

import ast
import gc
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import tallystick

PAGE = Path(__file__).parents[4] / "docs" / "logs.md"
METHODS = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log"})


@pytest.fixture(autouse=True)
def _uncollected() -> Iterator[None]:
    """What another test left may log a traceback when it is freed: that parses, too.

    Python 3.11 cannot do it inside of parsing, and raises SystemError.
    """
    gc.disable()
    yield
    gc.enable()


def logged() -> set[str]:
    folder = Path(str(tallystick.__file__)).parent
    return {
        event for path in folder.rglob("*.py") for event in _events(ast.parse(path.read_text()))
    }


def _events(tree: ast.AST) -> Iterator[str]:
    """The first text of each call of a logger, and the reasons for which a migrator waits."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _is_log(node.func):
            yield from (
                part.value
                for part in ast.walk(node.args[-1])
                if isinstance(part, ast.Constant) and isinstance(part.value, str)
            )


def _is_log(function: ast.expr) -> bool:
    match function:
        case ast.Attribute(value=ast.Name(id="log"), attr=name):
            return name in METHODS
        case ast.Name(id="_Wait"):
            return True
    return False


def test_every_event_is_listed_and_every_listed_one_is_logged() -> None:
    rows = re.findall(r"^\| (`[^|]*) \|", PAGE.read_text(), re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert logged() == listed


def test_an_event_is_a_short_name_and_no_sentence() -> None:
    long = [event for event in logged() if len(event.split()) > 5 or "," in event or "{" in event]
    assert long == []
