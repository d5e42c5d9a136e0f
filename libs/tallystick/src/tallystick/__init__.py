"""Messaging for FastAPI services on NATS JetStream: at-least-once delivery, effects once."""

from tallystick._database import Database
from tallystick._delivery import Delivery
from tallystick._errors import (
    Conflict,
    PermanentError,
    TallystickError,
    TemporaryError,
)
from tallystick._ids import new_id
from tallystick._messages import Effect, Event, Job, Request
from tallystick._retry import Retry
from tallystick._router import Router
from tallystick._settings import Settings
from tallystick._units import Write

__all__ = [
    "Conflict",
    "Database",
    "Delivery",
    "Effect",
    "Event",
    "Job",
    "PermanentError",
    "Request",
    "Retry",
    "Router",
    "Settings",
    "TallystickError",
    "TemporaryError",
    "Write",
    "new_id",
]
