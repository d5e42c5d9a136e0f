"""Messaging for FastAPI services on NATS JetStream: at-least-once delivery, effects once."""

from tallystick._broker import Broker
from tallystick._database import Database
from tallystick._delivery import Delivery
from tallystick._errors import (
    Conflict,
    PermanentError,
    TallystickError,
    TemporaryError,
)
from tallystick._idempotency import Answer, Idempotency
from tallystick._ids import new_id
from tallystick._messages import Effect, Event, Job, Request
from tallystick._problem import Problem
from tallystick._retry import Retry
from tallystick._router import Router
from tallystick._service import resource, service
from tallystick._settings import Settings
from tallystick._tracing import trace_headers
from tallystick._units import Write

__all__ = [
    "Answer",
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
    "Request",
    "Retry",
    "Router",
    "Settings",
    "TallystickError",
    "TemporaryError",
    "Write",
    "new_id",
    "resource",
    "service",
    "trace_headers",
]
