"""Messaging for FastAPI services on NATS JetStream: at-least-once delivery, effects once.

This module has what every service uses. Errors are in `tallystick.errors`, calls to the outside
world in `tallystick.outside`, streams and durables in `tallystick.topology`, the test kit in
`tallystick.testing`, and the parts for commands of your own in `tallystick.cli`.
"""

from tallystick._broker.broker import Broker
from tallystick._broker.history import Recorded
from tallystick._database.transaction import Transaction
from tallystick._database.units import Write
from tallystick._delivery.database import Database
from tallystick._delivery.delivery import Delivery
from tallystick._http.idempotency import Idempotency
from tallystick._http.problem import Problem
from tallystick._http.resources import resource
from tallystick._messages.message import Effect, Event, Job, Request
from tallystick._messages.retry import Retry
from tallystick._messages.router import Router
from tallystick._service.runtime import Stoppable
from tallystick._service.service import service
from tallystick._settings import Settings
from tallystick.errors import Conflict, PermanentError, TallystickError, TemporaryError

__all__ = [
    "Broker",
    "Conflict",
    "Database",
    "Delivery",
    "Effect",
    "Event",
    "Idempotency",
    "Job",
    "PermanentError",
    "Problem",
    "Recorded",
    "Request",
    "Retry",
    "Router",
    "Settings",
    "Stoppable",
    "TallystickError",
    "TemporaryError",
    "Transaction",
    "Write",
    "resource",
    "service",
]
