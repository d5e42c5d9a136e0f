"""Asks JetStream about one durable and its stream: the `BrokerPort` of a look."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from tallystick._account.fates import DurableState
from tallystick._account.steps import Stored
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
        self._filters: list[str] = durable.config["filter_subjects"]

    async def durable(self) -> DurableState | None:
        client, stream = self._connection.client, self._durable.stream
        found, state = await asyncio.gather(
            info(client, f"CONSUMER.INFO.{stream}.{self._durable.name}"),
            info(client, f"STREAM.INFO.{stream}"),
        )
        if found is None or state is None:
            return None
        config = found["config"]
        one = config.get("filter_subject")
        filters = config.get("filter_subjects") or ([one] if one else [])
        return DurableState(
            frozenset(subject.rpartition(".")[0] for subject in filters),
            found["ack_floor"]["stream_seq"],
            found["num_pending"],
            found["num_ack_pending"],
            state["state"]["last_seq"],
        )

    async def stored(self, places: Sequence[int]) -> Mapping[int, UUID | None]:
        found: dict[int, UUID | None] = {}
        for start in range(0, len(places), AT_ONCE):
            some = places[start : start + AT_ONCE]
            found |= zip(some, await asyncio.gather(*map(self._stored, some)), strict=True)
        return found

    async def following(self, places: Sequence[int]) -> Mapping[int, Stored | None]:
        found: dict[int, Stored | None] = {}
        at_once = max(AT_ONCE // len(self._filters), 1)
        for start in range(0, len(places), at_once):
            some = places[start : start + at_once]
            found |= zip(some, await asyncio.gather(*map(self._following, some)), strict=True)
        return found

    async def _following(self, place: int) -> Stored | None:
        """Return the first message of any of the filters; the broker takes one at a time."""
        subject, seq = f"STREAM.MSG.GET.{self._durable.stream}", max(place, 1)
        answers = await asyncio.gather(
            *(
                info(self._connection.client, subject, {"seq": seq, "next_by_subj": each})
                for each in self._filters
            )
        )
        found = [self._message(answer["message"]) for answer in answers if answer is not None]
        return min(found, key=lambda each: each.place, default=None)

    async def _stored(self, place: int) -> UUID | None:
        """Return the id of the source's message at a place; None if there is none of it."""
        subject = f"STREAM.MSG.GET.{self._durable.stream}"
        answer = await info(self._connection.client, subject, {"seq": place})
        if answer is None:
            return None
        return self._message(answer["message"]).id

    def _message(self, message: Mapping[str, Any]) -> Stored:
        fields = parse_headers(base64.b64decode(message.get("hdrs", "")))
        is_of_source = fields.get("ce-source") == self._source
        return Stored(
            message["seq"],
            message["subject"].rpartition(".")[0],
            uuid7_of(fields.get("ce-id", "")) if is_of_source else None,
            fields.get("ce-type"),
            fields.get("ce-subject"),
            fields.get("ce-sequence"),
        )
