"""Every alert has a runbook and a test, and says what a person is told to do with real commands."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import get_args

import pytest
from typer.main import get_command

from tallystick._messages.retry import Reason  # inside: all that messages can die of
from tallystick.cli import command_line
from tests.watching import sources

ALERTS = sorted({alert["alert"] for alert in sources.alerts()})
LOGGED = re.compile(r'grep (?:-\w+ )*"([^"]+)"')
REASON = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)
GIVEN_UP = re.compile(r'(?:GiveUp\(|: Reason = )"(\w+)"')
COMMANDS = re.compile(r"`(tally [^`]*)`")


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert sorted(path.stem for path in sources.RUNBOOKS.glob("*.md")) == ALERTS


def test_every_alert_has_a_file_and_a_test_of_its_name() -> None:
    for name in ALERTS:
        assert (sources.CHART / "rules" / f"{name}.yaml").exists()
        assert (sources.RULES_TESTS / f"{name}.yaml").exists()


def test_every_alert_is_in_the_table_of_the_documentation_with_its_severities() -> None:
    for name in ALERTS:
        severities = ", ".join(
            alert["labels"]["severity"] for alert in sources.alerts() if alert["alert"] == name
        )
        row = f"| [{name}](../deploy/runbooks/{name}.md) | {severities} |"
        assert row in (sources.ROOT / "docs" / "watching.md").read_text()


def test_every_alert_says_how_bad_it_is_what_it_is_and_where_to_read_on() -> None:
    for alert in sources.alerts():
        assert alert["labels"]["severity"] in {"page", "ticket"}
        assert alert["annotations"]["runbook_url"] == f"{alert['alert']}.md"
        assert alert["annotations"]["summary"]
        assert alert["annotations"]["description"]


@pytest.mark.parametrize("name", ALERTS)
def test_a_runbook_says_what_it_means_how_to_see_it_and_what_to_do(name: str) -> None:
    text = (sources.RUNBOOKS / f"{name}.md").read_text()
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["See", "Do"]


@pytest.mark.parametrize("name", ALERTS)
def test_every_command_of_tally_in_a_runbook_exists(name: str) -> None:
    for line in COMMANDS.findall((sources.RUNBOOKS / f"{name}.md").read_text()):
        assert _is_known(shlex.split(line)[1:]), line


@pytest.mark.parametrize("name", ALERTS)
def test_every_line_of_a_log_that_a_runbook_looks_for_is_written_by_the_code(name: str) -> None:
    for line in LOGGED.findall((sources.RUNBOOKS / f"{name}.md").read_text()):
        for event in line.split("|"):
            assert any(event in file.read_text() for file in _sources()), f"nobody logs {event!r}"


def test_the_reasons_that_are_explained_are_those_that_messages_die_of() -> None:
    given_up = {reason for file in _sources() for reason in GIVEN_UP.findall(file.read_text())}
    explained = REASON.findall((sources.RUNBOOKS / "DeadLettersArriving.md").read_text())
    assert set(explained) == set(get_args(Reason)) == given_up
    assert len(explained) == len(given_up)


@pytest.mark.promtool
@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_fires_when_it_should_and_only_then(name: str) -> None:
    _promtool("test", "rules", str(sources.RULES_TESTS / f"{name}.yaml"))


@pytest.mark.promtool
def test_prometheus_takes_the_rules() -> None:
    _promtool("check", "rules", *map(str, (sources.CHART / "rules").glob("*.yaml")))


def _sources() -> list[Path]:
    return [*sources.ROOT.glob("libs/*/src/**/*.py"), *sources.ROOT.glob("services/*/src/**/*.py")]


def _promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _is_known(words: list[str]) -> bool:
    """Whether these words begin with a command and all options are its own."""
    command = get_command(command_line())
    while words and not words[0].startswith("-") and hasattr(command, "commands"):
        if words[0] not in command.commands:
            return False
        command = command.commands[words.pop(0)]
    options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    asked = {word for word in words if word.startswith("--")} - {"--help"}
    return asked <= options
