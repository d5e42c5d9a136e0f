"""Asks JetStream about one durable and its stream: the `BrokerPort` of a look."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from uuid import UUID

from tallystick._account.fates import DurableState
from tallystick._broker.connection import Connection
from tallystick._broker.jetstream import info
from tallystick._messages.envelope import parse_headers
from tallystick._messages.identity import uuid7_of
from tallystick.topology import Durable

AT_ONCE = 50  # requests in flight


class DurablePort:
    """One durable at the broker."""

    def __init__(self, connection: Connection, durable: Durable, source: str) -> None:
        self._connection = connection
        self._durable = durable
        self._source = source

    async def durable(self) -> DurableState | None:
        found = await info(
            self._connection.client, f"CONSUMER.INFO.{self._durable.stream}.{self._durable.name}"
        )
        if found is None:
            return None
        config = found["config"]
        one = config.get("filter_subject")
        filters = config.get("filter_subjects") or ([one] if one else [])
        return DurableState(
            frozenset(subject.rpartition(".")[0] for subject in filters),
            found["ack_floor"]["stream_seq"],
            found["num_pending"],
            found["num_ack_pending"],
        )

    async def stored(self, places: Sequence[int]) -> Mapping[int, UUID | None]:
        found: dict[int, UUID | None] = {}
        for start in range(0, len(places), AT_ONCE):
            some = places[start : start + AT_ONCE]
            found |= zip(some, await asyncio.gather(*map(self._stored, some)), strict=True)
        return found

    async def _stored(self, place: int) -> UUID | None:
        """Return the id of the source's message at a place; None if there is none of it."""
        subject = f"STREAM.MSG.GET.{self._durable.stream}"
        answer = await info(self._connection.client, subject, {"seq": place})
        if answer is None:
            return None
        fields = parse_headers(base64.b64decode(answer["message"].get("hdrs", "")))
        is_of_source = fields.get("ce-source") == self._source
        return uuid7_of(fields.get("ce-id", "")) if is_of_source else None
