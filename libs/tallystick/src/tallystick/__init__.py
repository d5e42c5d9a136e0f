"""Messaging for FastAPI services on NATS JetStream: at-least-once delivery, effects once."""

from tallystick._broker.broker import Broker
from tallystick._database.units import Write
from tallystick._delivery.database import Database
from tallystick._delivery.delivery import Delivery
from tallystick._http.idempotency import Idempotency
from tallystick._http.problem import Problem
from tallystick._http.resources import resource
from tallystick._messages.message import Effect, Event, Job, Request
from tallystick._messages.retry import Retry
from tallystick._messages.router import Router
from tallystick._service.service import service
from tallystick._settings import Settings
from tallystick.errors import (
    Conflict,
    PermanentError,
    TallystickError,
    TemporaryError,
)
from tallystick.outside import client_span

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
