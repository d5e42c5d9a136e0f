"""A real NATS and a real PostgreSQL for tests and for one machine."""

from .child import OURS, Account, Child, NotReadyError, bound_to_us
from .databases import clean, migrate
from .harness import Decided, Harness
from .nats import NatsServer, nats_server
from .polling import eventually, holds
from .ports import free_port, is_free
from .postgres import PostgresServer, postgres_server

__all__ = [
    "OURS",
    "Account",
    "Child",
    "Decided",
    "Harness",
    "NatsServer",
    "NotReadyError",
    "PostgresServer",
    "bound_to_us",
    "clean",
    "eventually",
    "free_port",
    "holds",
    "is_free",
    "migrate",
    "nats_server",
    "postgres_server",
]
