"""What holds of every command that the platform adds."""

import shlex
from collections.abc import Iterator
from typing import Any

import click
import pytest
import typer

from tallystick.cli import command_line

Shop = Any
Tally = Any
ADDED = ("parked", "rebuild")
STANDS_FOR = {"orders": "shop"}


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command of the platform by its full name."""
    root: Any = typer.main.get_command(command_line())
    for name in ADDED:
        inner = getattr(root.commands[name], "commands", None)
        if inner is None:
            yield name, root.commands[name]
        else:
            yield from ((f"{name} {under}", found) for under, found in inner.items())


def examples(command: click.Command) -> list[str]:
    lines = [line.strip() for line in (command.epilog or "").splitlines()]
    return lines[lines.index("Example:") + 1 :]


COMMANDS = dict(commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_its_help_ends_in_an_example_of_itself(name: str) -> None:
    assert any(line.startswith(f"tally {name}") for line in examples(COMMANDS[name]))


@pytest.mark.parametrize("name", COMMANDS)
def test_it_prints_json_and_explains_each_option(name: str) -> None:
    options = [option for param in COMMANDS[name].params for option in param.opts]
    assert "--json" in options
    assert all(getattr(param, "help", "") for param in COMMANDS[name].params)


@pytest.mark.parametrize(
    "line", [line for command in COMMANDS.values() for line in examples(command)]
)
async def test_an_example_works(shop: Shop, tally: Tally, line: str) -> None:
    words = [STANDS_FOR.get(word, word) for word in shlex.split(line)]
    if words[1] == "parked" and len(words) > 3:
        shop.parked[words[3]] = "past its deadline"
    result = await tally(*words[1:])
    assert result.exit_code == 0, (words, result.stderr)
    assert result.stdout
