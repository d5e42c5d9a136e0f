"""One attempt at a message: decode it, run its handler within its deadline, see it committed."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Iterator, Mapping
from typing import Any

from tallystick._database.group import AlreadyProcessed
from tallystick._database.postgres import Postgres
from tallystick._database.units import Write
from tallystick._delivery.committer import Committer
from tallystick._delivery.database import Database
from tallystick._delivery.deadlines import Deadlines
from tallystick._delivery.delivery import Delivery
from tallystick._messages.binding import Binding, Periodic, Reply
from tallystick._messages.inbound import Inbound
from tallystick._messages.message import Message
from tallystick._telemetry import tracing
from tallystick._telemetry.logging import handled
from tallystick._telemetry.metrics import DUPLICATES, PROCESS_SECONDS, child
from tallystick.errors import Conflict, DeclarationError

CONFLICTS = 20  # in a row; more is no race but a mistake in a handler


class Attempts:
    """Runs handlers for one service, with the resources that they asked for."""

    def __init__(
        self,
        committer: Committer,
        postgres: Postgres,
        database: Database,
        resources: Mapping[type, Any],
        deadline_s: float,
    ) -> None:
        self._committer = committer
        self._postgres = postgres
        self._database = database
        self._resources = resources
        self._deadline_s = deadline_s
        self.deadlines = Deadlines()

    def check(self, declaration: Binding | Reply | Periodic) -> None:
        """Raises DeclarationError if a handler asks for a resource that nobody gave."""
        for kind in declaration.resources:
            if kind not in self._resources:
                name = declaration.handler.__name__
                raise DeclarationError(f"{name} asks for a {kind.__name__}, service() got none")

    async def run(
        self,
        binding: Binding,
        inbound: Inbound,
        settlement: Write | None,
        *,
        attempt: int = 1,
        previous: str | None = None,
    ) -> bool:
        """Whether the message is done by this attempt, and was not before, nor the claim lost.

        `previous` is the traceparent of the attempt before. Raises what the handler raised.
        """
        begun = time.perf_counter()
        outcome = "error"
        parent = inbound.fields.get("traceparent")
        handled.set((binding.durable, inbound.id))  # each attempt is a task of its own
        with tracing.process_span(
            binding.template_of(inbound.subject),
            binding.durable,
            inbound.id,
            parent=parent,
            previous=previous,
            attempt=attempt,
        ):
            try:
                outcome = await self._handle(binding, inbound, settlement, attempt)
            finally:
                seconds = time.perf_counter() - begun
                child(PROCESS_SECONDS, binding.durable, outcome).observe(seconds)
        return outcome == "done"

    async def _handle(
        self, binding: Binding, inbound: Inbound, settlement: Write | None, attempt: int
    ) -> str:
        message = binding.decode(inbound)
        seconds = binding.deadline.total_seconds() if binding.deadline else self._deadline_s
        try:
            decided = self._decide(binding, message, inbound, settlement, attempt)
            await self.deadlines.run(seconds, decided)
        except AlreadyProcessed:
            child(DUPLICATES, binding.durable).inc()
            return "duplicate"
        return "done"

    async def _decide(
        self,
        binding: Binding,
        message: Message,
        inbound: Inbound,
        settlement: Write | None,
        attempt: int,
    ) -> None:
        given = [self._resources[kind] for kind in binding.resources]
        for _ in range(CONFLICTS):
            delivery = Delivery(
                inbound,
                attempt=attempt,
                settlement=settlement,
                committer=self._committer,
                group=self._postgres.deliveries,
                database=self._database,
            )
            try:
                await _alone(binding.handler(message, delivery, *given))
                if not delivery.committed and settlement is not None:
                    await delivery.commit()
            except Conflict:
                continue
            return
        raise Conflict(f"another version {CONFLICTS} times in a row")


async def _alone(handling: Awaitable[None]) -> None:
    """Awaits a handler; raises what it says by a group of errors of one kind as that error.

    A handler with a TaskGroup raises groups: its PermanentError is to be one nevertheless.
    """
    try:
        await handling
    except ExceptionGroup as group:
        errors = list(_leaves(group))
        if len({type(error) for error in errors}) == 1:
            raise errors[0] from group
        raise


def _leaves(error: Exception) -> Iterator[Exception]:
    if isinstance(error, ExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error
