"""The platform as processes, and what a person does with it by hand."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from sandbox.customers import Customers
from tallystick.testing import eventually, holds
from tallystick_local import state
from tallystick_local.agreement import CHECKS
from tallystick_local.background import background
from tallystick_local.evidence import collect
from tallystick_local.figures import count, moment
from tallystick_local.reading import AWAY
from tallystick_local.services import ALL
from tests.flow.readme import command
from tests.order import until

pytestmark = [pytest.mark.flow, pytest.mark.timeout(180)]

PROCESSES = (*ALL, "payments-2", "nats", "postgres")
WITHIN = 90  # seconds, on a busy machine


def local(*words: str, folder: Path, **more: Any) -> subprocess.Popen[str]:
    """Starts a command of the local platform on this state folder."""
    line = [sys.executable, "-m", "tallystick_local", *words, "--state", str(folder)]
    return subprocess.Popen(line, text=True, stderr=subprocess.STDOUT, **more)


class Up:
    """`make up` in another terminal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said = folder / "said.txt"
        with self.said.open("w") as said:
            environment = {**os.environ, "REPLICAS_PAYMENTS": "2", "EXAMPLES": "1"}
            self.process = local("up", "--free-ports", folder=folder, stdout=said, env=environment)
        assert holds(self.is_up, WITHIN), self.text()

    @property
    def record(self) -> state.Record:
        found = state.read(self.folder)
        assert found is not None
        return found

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.text()
        return "Ctrl-C ends it" in self.text()

    def text(self) -> str:
        return self.said.read_text()


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    up = Up(tmp_path_factory.mktemp("platform"))
    yield up
    up.process.kill()
    up.process.wait()


def test_the_order_of_the_readme_is_taken_once_and_ends(up: Up) -> None:
    curl = command("curl").replace("http://127.0.0.1:8001", up.record.addresses["orders"])
    answers = [run(curl) for _ in range(2)]
    assert all(re.match(r"HTTP/1.1 202 Accepted\r?\n", answer) for answer in answers)
    (location,) = {re.findall(r"(?mi)^location: (\S+)", answer)[0] for answer in answers}
    order = json.loads(run(f"curl -s {up.record.addresses['orders']}{location}?wait=10"))
    assert order["state"] == "shipped"
    assert order["total"] == 2 * 4995
    letter = f"{up.record.addresses['newsletter']}/letters/{order['id']}"
    assert holds(lambda: json.loads(run(f"curl -s {letter}")).get("posted_at"), WITHIN)


def test_a_second_one_is_refused_and_says_where_the_first_is(up: Up) -> None:
    second = local("up", folder=up.folder, stdout=subprocess.PIPE)
    said, _ = second.communicate(timeout=WITHIN)
    assert second.returncode == 1
    assert "already runs" in said
    assert up.record.addresses["orders"] in said


def test_a_load_sends_customers_until_ctrl_c(up: Up) -> None:
    with local("load", "--rate", "20", folder=up.folder, stdout=subprocess.PIPE) as load:
        assert load.stdout is not None
        for line in load.stdout:
            if re.match(r" *[1-9]\d* placed", line):
                break
        load.send_signal(signal.SIGINT)
        said = load.stdout.read()
    assert load.returncode == 0
    assert re.search(r"^load: [1-9]\d* placed, \d+ shipped", said, re.MULTILINE)


async def test_whatever_is_killed_comes_back_and_every_order_ends(up: Up) -> None:
    server, began = up.record.addresses["postgres"], moment()
    customers = Customers(up.record.addresses["orders"], rate=10)
    async with background(_come(customers)):
        for name in PROCESSES:
            await placed(customers, 5)
            await killed(up, name)
        await placed(customers, 5)

    await until(partial(all_ended, server, began), WITHIN)
    orders = customers.history.orders().values()
    stories = (await collect(server, frozenset(orders), in_doubt=True)).stories
    told = {order: [check(stories[order]) for check in CHECKS] for order in orders}
    assert {order: wrongs for order, wrongs in told.items() if any(wrongs)} == {}


def test_ctrl_c_leaves_no_process(up: Up) -> None:
    left = up.record.processes.values()
    assert len(left) == len(PROCESSES)
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(WITHIN) == 0
    assert not any(who.lives() for who in left)
    assert not state.is_locked(up.folder)


async def placed(customers: Customers, more: int) -> None:
    """Returns when they have placed so many more orders."""
    wanted = customers.history.figures["placed"] + more
    await eventually(lambda: customers.history.figures["placed"] >= wanted, WITHIN)


async def killed(up: Up, name: str) -> None:
    """Kills a process and returns when another one is ready in its place."""
    os.kill(up.record.processes[name].pid, signal.SIGKILL)
    await eventually(lambda: re.search(rf"\b{name} \| is back", up.text()) is not None, WITHIN)


async def all_ended(server: str, since: UUID) -> bool:
    """Whether no order is open, as far as the database can be asked."""
    try:
        return not (await count(server, since)).open
    except AWAY:
        return False


async def _come(customers: Customers) -> None:
    await customers.run()


def run(line: str) -> str:
    """What a command line prints."""
    done = subprocess.run(shlex.split(line), check=True, capture_output=True, text=True)
    return done.stdout
