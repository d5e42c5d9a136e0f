"""What a process of the platform is: all the supervisor needs to know to keep it."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from tallystick.testing import OURS, Account


class Stage(IntEnum):
    """The order of starting; stopping goes backwards."""

    SERVERS = 1
    SERVICES = 2


@dataclass(frozen=True)
class HttpOk:
    """A URL that answers 200."""

    url: str


@dataclass(frozen=True)
class NatsGreets:
    """A port where a NATS server with JetStream greets."""

    port: int


@dataclass(frozen=True)
class PostgresTakesConnections:
    """A data folder whose server says that it is ready."""

    data: Path


@dataclass(frozen=True)
class PostgresAnswers:
    """A port where a PostgreSQL server answers the first packet, ready or not."""

    port: int


Probe = HttpOk | NatsGreets | PostgresTakesConnections | PostgresAnswers


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """One process: how it starts, how it is asked, how it ends."""

    name: str
    stage: Stage
    command: tuple[str, ...]
    address: str  # what a person opens
    log: Path
    ready: Probe  # answers once it has started
    alive: Probe  # never silent for long from then on
    environment: Mapping[str, str] = field(default_factory=dict)
    account: Account = OURS
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL  # from the kernel when the supervisor is gone
