"""A real NATS and a real PostgreSQL for tests and for one machine."""

from .accounted import NotAccounted, accounted
from .child import OURS, Account, Child, NotReadyError, bound_to_us
from .databases import clean, migrate
from .harness import Decided, Harness
from .nats import NatsServer, nats_server
from .outsider import Outsider, http_reply, outsider
from .polling import eventually, holds
from .ports import free_port, is_free
from .postgres import PostgresServer, postgres_server
from .serving import served
from .snapshot_check import SchemasDiffer, check_schemas, write_schemas

__all__ = [
    "OURS",
    "Account",
    "Child",
    "Decided",
    "Harness",
    "NatsServer",
    "NotAccounted",
    "NotReadyError",
    "Outsider",
    "PostgresServer",
    "SchemasDiffer",
    "accounted",
    "bound_to_us",
    "check_schemas",
    "clean",
    "eventually",
    "free_port",
    "holds",
    "http_reply",
    "is_free",
    "migrate",
    "nats_server",
    "outsider",
    "postgres_server",
    "served",
    "write_schemas",
]
