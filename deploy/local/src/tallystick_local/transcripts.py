"""Renew the transcripts in a document: `python -m tallystick_local.transcripts docs/cli.md`.

It runs a separate platform with a few prepared orders, then each command that a comment of the
document names, in its order, and writes the command's output into the block below the comment:

    <!-- transcript: tally timeline $LATE -->
    ```text
    $ tally timeline 01a2...
    ```
"""

import asyncio
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from string import Template

from tallystick_local import tally_env
from tallystick_local.interrupts import interruptible
from tallystick_local.plan import TALLY
from tallystick_local.platform import Platform
from tallystick_local.scenes import prepare
from tallystick_local.services import MESSAGING
from tallystick_local.settings import Settings

COLUMNS = "140"
TRANSCRIPT = re.compile(r"<!-- transcript: ([^\n]+) -->\n+```text\n.*?```", re.DOTALL)
QUICK = {"orders": {"ORDERS_END_WITHIN_S": "3"}, "payments": {"PAYMENTS_CALL_TIMEOUT_S": "1"}}


def main(document: Path) -> None:
    """Rewrite the document with new transcripts."""
    document.write_text(asyncio.run(renewed(document.read_text())))


async def renewed(text: str) -> str:
    """Return the document with new transcripts; raise StartError."""
    folder = Path(tempfile.mkdtemp(prefix="tallystick-transcripts-"))
    named = {name: {f"{name.upper()}_REPLICA": f"{name}-1"} for name in MESSAGING}
    environment = {name: {**named[name], **QUICK.get(name, {})} for name in MESSAGING}
    settings = Settings(state=folder, free_ports=True, environment=environment, log_level="error")
    platform = Platform(settings, _report)
    try:
        with interruptible(platform.kill, lambda line: _report("transcripts", line)):
            async with platform.running():
                known = await prepare(platform)
                config = str(folder / tally_env.FILE)
                return await asyncio.to_thread(rewritten, text, known, config)
    finally:
        shutil.rmtree(folder)


def rewritten(text: str, known: Mapping[str, str], config: str) -> str:
    """Replace each transcript by the output of its command now."""

    def run(found: re.Match[str]) -> str:
        line = Template(found[1]).substitute(known)
        ended = subprocess.run(
            [TALLY, *shlex.split(line)[1:]],
            env={**os.environ, "TALLY_CONFIG": config, "COLUMNS": COLUMNS, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60,
        )
        _report("transcripts", line)
        marker = f"<!-- transcript: {found[1]} -->"
        return f"{marker}\n\n```text\n$ {line}\n{ended.stdout.rstrip()}\n```"

    return TRANSCRIPT.sub(run, text)


def _report(name: str, text: str) -> None:
    print(f"{name:>12} | {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
