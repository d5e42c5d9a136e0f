"""The description of a process: all that the supervisor needs to keep it running."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from tallystick.testing import OURS, Account


class Stage(IntEnum):
    """The order of starting; stopping is in the reverse order."""

    SERVERS = 1
    SERVICES = 2


@dataclass(frozen=True)
class HttpOk:
    """A URL that answers 200."""

    url: str


@dataclass(frozen=True)
class NatsGreets:
    """A port on which a NATS server with JetStream sends its greeting."""

    port: int


@dataclass(frozen=True)
class PostgresTakesConnections:
    """A data folder whose server has noted that it is ready."""

    data: Path


@dataclass(frozen=True)
class PostgresAnswers:
    """A port on which a PostgreSQL server answers the first packet, ready or not."""

    port: int


Probe = HttpOk | NatsGreets | PostgresTakesConnections | PostgresAnswers


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """One process: how it is started, probed and stopped."""

    name: str
    stage: Stage
    command: tuple[str, ...]
    address: str  # for a person
    log: Path
    ready: Probe  # answers once it has started
    alive: Probe  # keeps answering from then on
    environment: Mapping[str, str] = field(default_factory=dict)
    account: Account = OURS
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL  # the kernel sends it if the supervisor dies
