"""docs/cli.md: its transcripts are made by a command, and a command cannot go without it."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from tallystick.cli import command_line

TEXT = (Path(__file__).parents[4] / "docs" / "cli.md").read_text()
TRANSCRIPTS = re.findall(r"<!-- transcript: ([^\n]+) -->\n\n```text\n(.*?)```", TEXT, re.DOTALL)
SAID = re.findall(r"`(tally(?: [^`]*)?)`", TEXT)


def resolved(line: str) -> tuple[Any, list[str]]:
    """The command that a line names, and its arguments."""
    command: Any = typer.main.get_command(command_line())
    program, *words = shlex.split(line)
    assert program == "tally"
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    return command, words


@pytest.mark.parametrize("line", [line for line, _ in TRANSCRIPTS])
def test_a_command_of_a_transcript_takes_these_arguments(line: str) -> None:
    command, words = resolved(line)
    stands_alone = not hasattr(command, "commands") or command.invoke_without_command
    assert stands_alone, f"{line} names no command"
    command.make_context(line, words)


@pytest.mark.parametrize("line", SAID)
def test_a_command_that_is_mentioned_exists(line: str) -> None:
    command, words = resolved(line.partition("|")[0])
    known = {option for param in command.params for option in param.opts}
    groups = hasattr(command, "commands") and bool(words)
    assert not groups or words[0].startswith("-"), f"{line} names no command"
    options = {word for word in words if word.startswith("--")}
    assert options <= known | {"--install-completion"}


@pytest.mark.parametrize(("line", "output"), TRANSCRIPTS)
def test_a_transcript_is_what_a_command_said(line: str, output: str) -> None:
    pattern = re.sub(r"\\\$[A-Z]+", "[0-9a-f-]{36}", re.escape(line))
    assert re.match(rf"\$ {pattern}\n.+", output), "make transcripts writes it"
    assert "Traceback" not in output
    assert "tally: " not in output


def test_every_command_is_told_of() -> None:
    root: Any = typer.main.get_command(command_line())
    for name in root.commands:
        assert f"`tally {name}" in TEXT
