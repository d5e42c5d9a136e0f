"""Every command of the README and of docs/ is run by a test or by CI: here is where."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.flow.readme import commands, quoted_tests

ROOT = Path(__file__).parents[2]
DEMO = "deploy/local/tests/test_demo.py"
DRILL = "tests/drill/test_drill.py"
CHAOS = "tests/cluster/test_chaos.py"
EXAMPLE = "tests/example/test_example.py"
START = "tests/example/test_start.py"
LOCAL = "deploy/local/tests/test_up.py"
PROCESSES = "tests/flow/test_processes.py"
RECOVERY = "tests/flow/test_recovery.py"

CLUSTER = ".github/workflows/cluster.yml"
RUN_BY = {
    "make demo": (DEMO, '"tallystick_local", "demo", "--orders"'),
    "make demo ORDERS=5000": (DEMO, '"tallystick_local", "demo", "--orders"'),
    "make drill": (DRILL, '"tests.drill", "--out"'),
    "make drill BREAK=no-inbox": (DRILL, "--break={sabotage}"),
    "make chaos": (CHAOS, '"-m", "tests.chaos"'),
    "make kind": (CLUSTER, "make kind"),
    "make cluster-test": (CLUSTER, "make cluster-test"),
    "make docs": (".github/workflows/ci.yml", "make docs"),
    "make install VALUES=deploy/values-production.yaml": ("deploy/kind.sh", "VALUES="),
    "make test": (".ci/run", "make check test"),
    "make up": (PROCESSES, 'local("up"'),
    "REPLICAS_PAYMENTS=3 make up": (PROCESSES, '"REPLICAS_PAYMENTS"'),
    "make up EXAMPLES=1": (PROCESSES, '"EXAMPLES": "1"'),
    "make load RATE=20": (PROCESSES, 'local("load", "--rate", "20"'),
    "make down": (LOCAL, 'output("down"'),
    "kill -9": (PROCESSES, "signal.SIGKILL"),
    "curl -i http://127.0.0.1:8001/orders": (PROCESSES, 'command("curl")'),
    "curl -i http://127.0.0.1:8000/coffees": (EXAMPLE, '{"drink": "espresso"}'),
    "tally dev cafe": (EXAMPLE, '"dev", "cafe"'),
    "tally tail": (EXAMPLE, '"tail"'),
    "tally dlq list": (EXAMPLE, '"dlq list"'),
    "tally topology cafe --apply": (EXAMPLE, '"topology cafe --apply"'),
    "tally migrate cafe": ("libs/tallystick/tests/test_cli.py", '"migrate"'),
    "tally serve cafe": ("libs/tallystick/tests/test_cli.py", '"serve"'),
    "tally account": (RECOVERY, '"tally account"'),
    "tally account show newsletter-orders": (RECOVERY, '"tally account show newsletter-orders"'),
    "tally tail 'evt.orders.>' --since 2h --json": (RECOVERY, "evt.orders.>' --since 2h --json"),
    "tally account accept orders newsletter-orders --reason 'orders was restored; all compared'": (
        RECOVERY,
        "tally account accept orders newsletter-orders --reason",
    ),
    "pip install 'tallystick[cli,testing]'": (EXAMPLE, '"tallystick[cli,testing]"'),
    "python -m pytest": (EXAMPLE, '"-m", "pytest"'),
    "make setup": (START, '"make setup"'),
    ".venv/bin/uv build --package tallystick --wheel": (START, "shlex.split(build)"),
    "export PIP_FIND_LINKS=$PWD/dist": (START, "PIP_FIND_LINKS="),
    "python3 -m venv .venv": (START, "typed(INSTALL, "),
    ". .venv/bin/activate": (START, "typed(INSTALL, "),
    "id=$(curl -s http://127.0.0.1:8000/coffees": (START, "typed(asked, "),
    "curl -s http://127.0.0.1:8000/coffees/$id": (START, "typed(asked, "),
}
MADE = {
    "make drill": "-m tests.drill --orders 5000 --faults 60 --seed 1",
    "make drill BREAK=no-inbox": "--seed 1 --break no-inbox",
    "make demo": "-m tallystick_local demo --orders 200",
    "make demo ORDERS=5000": "-m tallystick_local demo --orders 5000",
    "make test": "-m pytest -q -n 2 --dist loadfile --no-loadscope-reorder",
    "make up": "-m tallystick_local up",
    "make up EXAMPLES=1": "-m tallystick_local up",
    "make load RATE=20": "-m tallystick_local load --rate 20",
    "make down": "-m tallystick_local down",
}


def short(line: str) -> str:
    """A command line without its body and headers."""
    return re.split(r" (?:-H|--json) ", line)[0]


def test_every_command_is_known_here() -> None:
    assert sorted(map(short, commands())) == sorted(RUN_BY)


@pytest.mark.parametrize(("line", "where"), RUN_BY.items())
def test_a_command_is_run_where_it_is_said(line: str, where: tuple[str, str]) -> None:
    file, text = where
    assert text in (ROOT / file).read_text()


@pytest.mark.parametrize(("line", "does"), MADE.items())
@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_what_is_made_is_what_is_tested(line: str, does: str) -> None:
    made, target, *variables = line.split()
    dry = [made, "--dry-run", "--old-file", ".venv/.ready", target, *variables]
    alone = {"PATH": os.environ["PATH"]}  # and not as a part of the `make test` that runs us
    done = subprocess.run(dry, cwd=ROOT, env=alone, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].rstrip().endswith(does)


def test_the_tests_that_it_quotes_exist() -> None:
    tests = "\n".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))
    assert quoted_tests()
    assert [name for name in quoted_tests() if f"def {name}(" not in tests] == []
