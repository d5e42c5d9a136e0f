"""Holds a stream against both sides, notes what was witnessed, and tells what is forgotten."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import structlog

from tallystick._account import statements
from tallystick._account.reader import CannotJudge, Reader
from tallystick._account.running import Ports
from tallystick._account.witness import SetBack, Witnessed, witness
from tallystick._database.postgres import Postgres
from tallystick._telemetry.metrics import SET_BACK, SET_BACK_SINCE, child, forget

log = structlog.get_logger()


class Witnessing:
    """One reader, `number` in its database."""

    def __init__(self, database: Postgres, number: int, reader: Reader, ports: Ports) -> None:
        self._database = database
        self._number = number
        self._reader = reader
        self._ports = ports

    async def hold(self, now: int) -> bool:
        """Hold the stream against both sides; return False if that could not be judged now.

        What was found before stays as it was then.
        """
        ((place, first),) = await self._database.fetch(statements.WITNESSED, self._number)
        before = Witnessed(place, first)
        try:
            found = await self._ports.run(witness(self._reader, before, now))
        except CannotJudge as reason:
            about = {"durable": self._reader.durable, "source": self._reader.source}
            log.info("stream not witnessed", **about, reason=str(reason))
            return False
        text = _as_json(found.set_back)
        await self._database.fetch(statements.WITNESS, self._number, found.place, text)
        self._show(found.set_back)
        if found.set_back is not None and before.first is None:
            self._log(found.set_back)
        return True

    def _show(self, set_back: SetBack | None) -> None:
        labels = (self._reader.durable, self._reader.source)
        if set_back is None:
            child(SET_BACK, *labels).set(0)
            forget(SET_BACK_SINCE, *labels)
        else:
            child(SET_BACK, *labels).set(set_back.at_most)
            child(SET_BACK_SINCE, *labels).set(set_back.since / 1000)

    def _log(self, set_back: SetBack) -> None:
        log.error(
            "database set back",
            durable=self._reader.durable,
            source=self._reader.source,
            at_most=set_back.at_most,
            since=datetime.fromtimestamp(set_back.since / 1000, UTC).isoformat(),
            first=set_back.first,
            last=set_back.last,
            rewind_to=set_back.rewind_to,
        )


def _as_json(set_back: SetBack | None) -> str | None:
    if set_back is None:
        return None
    shown = msgspec.to_builtins(set_back) | {"at_most": set_back.at_most}
    return msgspec.json.encode(shown).decode()
