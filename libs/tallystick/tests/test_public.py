import builtins
import inspect
import re

import tallystick
from tallystick import cli, errors, limiter, outside, tasks, testing, topology

PUBLIC = (tallystick, cli, errors, limiter, outside, tasks, topology, testing)
RAISES = re.compile(r"[Rr]aises (?:an? )?([^.]*)")


def _names(module: object) -> list[str]:
    return getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__  # type: ignore[attr-defined]
    ]


def test_the_face_is_small_enough_to_be_remembered() -> None:
    assert len(tallystick.__all__) <= 30
    assert sorted(tallystick.__all__) == sorted(set(tallystick.__all__))


def test_every_error_that_a_public_docstring_names_can_be_imported() -> None:
    known = {name for module in PUBLIC for name in vars(module)} | set(vars(builtins))
    named = {
        word
        for module in PUBLIC
        for name in _names(module)
        for text in _docs(getattr(module, name))
        for clause in RAISES.findall(text)
        for word in re.findall(r"\b[A-Z][a-z]+[A-Za-z]*\b", clause)
        if word.endswith(("Error", "Unavailable", "Failed", "Doubt", "Taken", "Message", "Stored"))
    }
    assert named - known - {"PostgresError"} == set()  # asyncpg's: what a statement may raise


def test_what_is_public_says_what_it_is() -> None:
    silent = [
        f"{module.__name__}.{name}"
        for module in PUBLIC
        for name in _names(module)
        if callable(getattr(module, name)) and not inspect.getdoc(getattr(module, name))
    ]
    assert silent == []


def _docs(thing: object) -> list[str]:
    """The docstrings of a thing and of its public methods."""
    found = [inspect.getdoc(thing) or ""]
    if inspect.isclass(thing):
        found += [
            inspect.getdoc(member) or ""
            for name, member in vars(thing).items()
            if not name.startswith("_")
        ]
    return found
