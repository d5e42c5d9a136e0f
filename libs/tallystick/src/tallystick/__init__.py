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
from tallystick._http_client import client_span
from tallystick._idempotency import Idempotency
from tallystick._messages import Effect, Event, Job, Request
from tallystick._problem import Problem
from tallystick._retry import Retry
from tallystick._router import Router
from tallystick._service import resource, service
from tallystick._settings import Settings
from tallystick._units import Write

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
    "Request",
    "Retry",
    "Router",
    "Settings",
    "TallystickError",
    "TemporaryError",
    "Write",
    "client_span",
    "resource",
    "service",
]
