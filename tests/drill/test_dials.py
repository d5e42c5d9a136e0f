"""What a drill sets in a replica while it runs: its clock, and handlers that use up its pools."""

import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.drill.busy import _busy
from tests.drill.clock import SKEW
from tests.drill.dials import Dial

ROOT = Path(__file__).parents[2]
NEAR = 30.0  # seconds that a process may take
_TIMES = """
import json, sys, time
from datetime import datetime
from pathlib import Path
from tests.drill import clock
from tests.drill.dials import Dial
clock.prepare("orders", Dial(Path(sys.argv[1]), clock.NAME, "orders"))
from orders import api
from tallystick._messages import ids, outgoing
made = [ids.new_id(), api.uuid7()]
print(json.dumps([
    time.time(), time.time_ns() / 1e9, outgoing.datetime.now().timestamp(),
    *((each.int >> 80) / 1000 for each in made), min(each.version for each in made)]))
"""


class Pools:
    """Stands in for a delivery and its database; notes how it is used."""

    def __init__(self, meanwhile: Any = lambda: None) -> None:
        self.database = self
        self.used: list[str] = []
        self._meanwhile = meanwhile

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        self._meanwhile()
        self.used.append("begin")
        yield self
        self.used.append("end")

    async def fetch(self, sql: str) -> None:
        self.used.append(sql)


async def handle(_: Any, delivery: Pools) -> None:
    delivery.used.append("handled")


def test_a_dial_is_read_at_once_by_whoever_has_it(tmp_path: Path) -> None:
    ours, theirs = (Dial(tmp_path, "clock", "orders") for _ in range(2))
    assert theirs.value == 0
    ours.value = -1.5
    assert theirs.value == Dial(tmp_path, "clock", "orders").value == -1.5
    assert Dial(tmp_path, "clock", "orders-2").value == 0


def test_ids_and_times_are_made_by_the_wrong_clock(tmp_path: Path) -> None:
    Dial(tmp_path, "clock", "orders").value = SKEW
    command = [sys.executable, "-c", _TIMES, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    *times, version = json.loads(done.stdout.splitlines()[-1])
    assert version == 7
    assert all(abs(each - time.time() - SKEW) < NEAR for each in times), times


async def test_a_busy_handler_reads_inside_a_transaction_before_its_own_work(
    tmp_path: Path,
) -> None:
    dial, pools = Dial(tmp_path, "pool", "orders"), Pools()
    dial.value = 1
    await _busy(handle, dial)(None, pools)
    assert pools.used == ["begin", "select 1", "select pg_sleep(1)", "end", "handled"]


async def test_a_handler_does_nothing_else_once_its_pool_is_not_to_be_busy(tmp_path: Path) -> None:
    dial, pools = Dial(tmp_path, "pool", "orders"), Pools(lambda: setattr(dial, "value", 0))
    await _busy(handle, dial)(None, pools)
    assert pools.used == ["handled"]
    dial.value = 1
    await _busy(handle, dial)(None, pools)
    assert pools.used[1:] == ["begin", "select 1", "end", "handled"]
