"""What holds of every command of the library."""

import shlex
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer
from uuid_utils.compat import uuid7

from libs.tallystick.tests.account.looked import forget, looked
from libs.tallystick.tests.cli.refused import mend, refuse
from tallystick._cli import app
from tallystick.testing import free_port
from tallystick.topology import resume

Shop = Any
Tally = Any
NO_ANSWER = {"serve", "dev"}
"""Commands that run until they are stopped, or have nothing to tell."""
ELSEWHERE = {"migrate", "streams restore"}
"""Commands that need another database or broker: their own tests have one."""
STANDS_FOR = {
    "orders": "shop",
    "payments-open": "shop-letters",
    "evt.orders": "evt.shop",
    "3f2a9c0b71de": "{fingerprint}",
    "payments-open/orders/019abc5e-6a24-7c31-8f0e-2d41b7a95c60": "shop-letters/shop/{letter}",
    "lines/0/quantity=2": "wish=none",
    "newsletter-letters": "shop-mail",
    "019abc5e-6a24-7c31-8f0e-2d41b7a95c60": "{order}",
    "backup": "{folder}",
}


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command by its full name."""
    root: Any = typer.main.get_command(app)
    pairs = list(root.commands.items())
    for name, command in pairs:
        inner = getattr(command, "commands", {})
        pairs += [(f"{name} {under}", found) for under, found in inner.items()]
        if not inner and _is_ours(command):
            yield name, command


def _is_ours(command: click.Command) -> bool:
    """Other packages add commands of their own to the same application."""
    return command.callback is not None and command.callback.__module__.startswith("tallystick.")


def examples(command: click.Command) -> list[str]:
    lines = [line.strip() for line in (command.epilog or "").splitlines()]
    return lines[lines.index("Example:") + 1 :]


COMMANDS = dict(commands())
RUNNABLE = [
    line
    for name, command in COMMANDS.items()
    if name not in NO_ANSWER | ELSEWHERE
    for line in examples(command)
    if "--follow" not in line
]


@pytest.mark.parametrize("name", COMMANDS)
def test_its_help_ends_in_an_example_of_itself(name: str) -> None:
    assert any(line.startswith(f"tally {name}") for line in examples(COMMANDS[name]))


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - NO_ANSWER))
def test_it_prints_json(name: str) -> None:
    options = [option for param in COMMANDS[name].params for option in param.opts]
    assert "--json" in options


@pytest.mark.parametrize("name", COMMANDS)
def test_each_of_its_options_is_explained(name: str) -> None:
    assert all(getattr(param, "help", "") for param in COMMANDS[name].params)


@pytest.fixture
async def known(shop: Shop, line: str, tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """An order of which there is something to tell where this line asks."""
    order = await shop.sell("dead")
    if "deferred" in line:  # not always: a circuit opens when too much of it fails
        order = await shop.sell("insured")
    newest = (
        "select fingerprint, id from tallystick.deferred where state = 'dead' order by due_at desc"
    )
    rows = await shop.database.fetch(newest)
    for durable in ("shop-letters", "shop-mail") if "account" in line else ():
        await looked(shop.database, durable, "shop", unknown=(uuid7(),))
    if "outbox" in line:
        await refuse(shop.database, order)
    letter = {"fingerprint": rows[0][0], "letter": rows[0][1]}
    yield {"order": order, **letter, "folder": str(tmp_path)}
    await forget(shop.database, "shop-mail")
    await mend(shop.database, order)
    await resume(shop.client, "SHOP", "shop-letters")  # which an example has paused
    await shop.database.fetch("delete from tallystick.deferred where id = $1", order)


@pytest.mark.parametrize("line", RUNNABLE)
async def test_an_example_works(shop: Shop, tally: Tally, known: dict[str, str], line: str) -> None:
    words = [STANDS_FOR.get(word, word).format(**known) for word in shlex.split(line)]
    with shop.healed():
        result = await tally(*words[1:])
    assert result.exit_code == 0, (words, result.stderr)
    assert result.stdout


@pytest.mark.parametrize("command", [("tail",), ("durable", "list"), ("topology", "--check")])
async def test_without_a_broker_it_says_what_to_set(
    shop: Shop, tally: Tally, command: tuple[str, ...]
) -> None:
    nobody = {name: "" for name in shop.env if name != "TALLY_ADMIN_TOKEN"}
    result = await tally(*command, env=nobody)
    assert result.exit_code == 2
    assert result.stderr.startswith("tally: no ")
    assert "TALLY_CONFIG" in result.stderr


@pytest.mark.parametrize("command", [("tail",), ("durable", "list"), ("topology", "--check")])
async def test_a_broker_that_is_away_is_a_line_and_1(
    tally: Tally, command: tuple[str, ...]
) -> None:
    result = await tally(*command, env={"TALLY_NATS_URL": f"nats://127.0.0.1:{free_port()}"})
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("tally: cannot reach the broker at 127.0.0.1:")


async def test_a_token_that_is_not_accepted_is_named(tally: Tally) -> None:
    result = await tally("dlq", "list", env={"TALLY_ADMIN_TOKEN": "another"})
    assert (result.exit_code, result.stdout) == (1, "")
    reason = "the admin token is not accepted: check TALLY_ADMIN_TOKEN"
    assert result.stderr == f"tally: shop: {reason}\n"


async def test_a_port_of_something_else_is_reported(tally: Tally, nats_port: int) -> None:
    result = await tally("dlq", "list", env={"TALLY_ADMIN": f"shop=http://127.0.0.1:{nats_port}"})
    assert result.exit_code == 1
    assert result.stderr.startswith("tally: shop does not answer at http://127.0.0.1:")


@pytest.fixture
def nats_port(shop: Shop) -> int:
    return int(shop.env["TALLY_NATS_URL"].rpartition(":")[2])


async def test_an_unknown_service_is_a_line_and_2(tally: Tally) -> None:
    result = await tally("dlq", "list", "--service", "bank")
    assert (result.exit_code, result.stderr) == (2, "tally: no service bank is known, only shop\n")


async def test_the_shell_completes_commands_and_services(tally: Tally) -> None:
    async def completed(words: str) -> list[str]:
        at = str(len(words.split(" ")) - 1)
        env = {"_TALLY_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": at}
        found: list[str] = (await tally(env=env)).stdout.split()
        return found

    assert await completed("tally ti") == ["timeline"]
    assert await completed("tally dlq re") == ["replay"]
    assert await completed("tally dlq list --service s") == ["shop"]
