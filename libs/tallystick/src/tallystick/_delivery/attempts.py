"""Make one attempt at a message: decode it and run its handler until the commit or the deadline.

Section 2 of docs/delivery.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import msgspec
import structlog

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
from tallystick._telemetry.awaiting import note_unawaited
from tallystick._telemetry.metrics import DUPLICATES, FAILED_AFTER_COMMIT, PROCESS_SECONDS, child
from tallystick.errors import Conflict, DeclarationError

log = structlog.get_logger()

CONFLICTS = 20  # in a row; more means a mistake in the handler, not a race


class Attempts:
    """Runs the handlers of one service, with the resources that they declare."""

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
        """Raise DeclarationError if a handler asks for a resource that nobody gave."""
        name = declaration.handler.__name__
        for kind in declaration.resources:
            if kind not in self._resources:
                raise DeclarationError(
                    f"{name} asks for a {kind.__name__}, service() got none: give it one"
                )

    async def run(
        self,
        binding: Binding,
        inbound: Inbound,
        settlement: Write | None,
        *,
        attempt: int = 1,
        previous: str | None = None,
    ) -> bool:
        """Run the handler; return whether this attempt has done the message.

        False: it was done before, or the lease was lost. `previous` is the traceparent of the last
        attempt. Raises the handler's error.
        """
        begun = time.perf_counter()
        outcome, handling = "error", _Handling(binding, inbound, settlement, attempt)
        with tracing.process_span(
            binding.template_of,
            inbound.subject,
            binding.durable,
            inbound.id,
            parent=inbound.attributes.traceparent,
            previous=previous,
            attempt=attempt,
        ):
            try:
                handling.message = binding.decode(inbound)
                rest = self.deadlines.begin(self._seconds(binding), self._decide(handling))
                if rest is not None:
                    await rest
                outcome = "done"
            except AlreadyProcessed:
                outcome = "duplicate"
                child(DUPLICATES, binding.durable).inc()
            except Exception as error:
                if not handling.is_done:
                    raise
                outcome = "done"
                handling.report(error)
            finally:
                seconds = time.perf_counter() - begun
                child(PROCESS_SECONDS, binding.durable, outcome).observe(seconds)
        return outcome == "done"

    def _seconds(self, binding: Binding) -> float:
        return binding.deadline.total_seconds() if binding.deadline else self._deadline_s

    async def _decide(self, handling: _Handling) -> None:
        binding, settlement = handling.binding, handling.settlement
        given = [self._resources[kind] for kind in binding.resources]
        noted = note_unawaited()
        for _ in range(CONFLICTS):
            delivery = handling.delivery = self._delivery(handling)
            try:
                try:
                    await binding.handler(handling.message, delivery, *given)
                except ExceptionGroup as group:
                    _raise_alone(group)
                delivery.check_awaited(noted)
                if settlement is not None and not delivery.committed:
                    await delivery.commit()
                if delivery.late is not None:
                    handling.report(delivery.late)
            except Conflict:
                if delivery.committed:
                    raise
                continue
            return
        raise Conflict(f"another version {CONFLICTS} times in a row")

    def _delivery(self, handling: _Handling) -> Delivery:
        return Delivery(
            handling.inbound,
            handling.attempt,
            handling.settlement,
            self._committer,
            self._postgres.deliveries,
            self._database,
        )


class _Handling(msgspec.Struct):
    """A message whose handler runs, and the delivery of its latest run."""

    binding: Binding
    inbound: Inbound
    settlement: Write | None
    attempt: int
    message: Message | None = None
    delivery: Delivery | None = None

    @property
    def is_done(self) -> bool:
        """Whether the message is committed as done, so that it is never tried again."""
        committed = self.delivery is not None and self.delivery.committed
        return committed and self.settlement is not None

    def report(self, error: Exception) -> None:
        """Log and count an error after the commit: the message is done, the failed work is not."""
        child(FAILED_AFTER_COMMIT, self.binding.durable).inc()
        log.error(
            "handler failed after commit",
            durable=self.binding.durable,
            message_id=self.inbound.id,
            exc_info=error,
        )


def _raise_alone(group: ExceptionGroup) -> NoReturn:
    """Raise the first error of a group if all are of one class, else the group.

    A handler with a TaskGroup raises groups: its PermanentError must still count as one.
    """
    errors = list(_leaves(group))
    if len({type(error) for error in errors}) == 1:
        raise errors[0] from group
    raise group


def _leaves(error: Exception) -> Iterator[Exception]:
    if isinstance(error, ExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error
