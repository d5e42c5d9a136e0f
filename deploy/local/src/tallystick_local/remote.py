"""Stop or describe a platform that runs in another terminal, by its state folder."""

import signal
from pathlib import Path

from tallystick_local import stale, state, table
from tallystick_local.report import Report

STOP_WITHIN = 30.0  # seconds for an orderly end


def end(folder: Path, report: Report) -> bool:
    """Stop the platform of this folder and what one left behind; return False without one."""
    record = state.read(folder)
    if record is None:
        return False
    supervisor = record.supervisor
    state.send(supervisor, signal.SIGTERM)
    if not stale.gone([supervisor], STOP_WITHIN):
        report("platform", f"does not stop: killing {supervisor.pid}")
        state.send(supervisor, signal.SIGKILL)
    with state.locked(folder, within=STOP_WITHIN):
        stale.clear(folder, report)
    return True


def describe(folder: Path, record: state.Record) -> str:
    """Return the addresses and the processes as tables."""
    pids = {name: str(who.pid) for name, who in record.processes.items()}
    rows = [
        f"  {name:12} pid {pids.get(name, 'none'):8} restarts {restarts}"
        for name, restarts in sorted(record.restarts.items())
    ]
    return "\n".join([table.addresses(record.addresses, folder), "", *rows])
