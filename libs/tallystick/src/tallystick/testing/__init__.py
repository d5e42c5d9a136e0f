"""A real NATS and a real PostgreSQL for tests and for one machine."""

from .child import Child, NotReadyError, die_with_parent
from .databases import clean, migrate
from .harness import Decided, Harness
from .nats import NatsServer, nats_server
from .polling import eventually, holds
from .ports import free_port, is_free
from .postgres import PostgresServer, postgres_server

__all__ = [
    "Child",
    "Decided",
    "Harness",
    "NatsServer",
    "NotReadyError",
    "PostgresServer",
    "clean",
    "die_with_parent",
    "eventually",
    "free_port",
    "holds",
    "is_free",
    "migrate",
    "nats_server",
    "postgres_server",
]
