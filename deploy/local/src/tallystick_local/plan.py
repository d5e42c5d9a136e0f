"""Derive the processes from the settings: data in, data out."""

import base64
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tallystick.testing import Account, nats, postgres
from tallystick.testing.ports import HOST
from tallystick_local.settings import Settings
from tallystick_local.spec import (
    HttpOk,
    NatsGreets,
    PostgresAnswers,
    PostgresTakesConnections,
    ProcessSpec,
    Stage,
)

TALLY = str(Path(sys.executable).with_name("tally"))


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was found or chosen on this machine: ports, passwords, PostgreSQL's account.

    Ports and passwords are by name.
    """

    ports: Mapping[str, int]
    passwords: Mapping[str, str]
    account: Account

    def url(self, name: str, scheme: str = "http") -> str:
        """Return the address of a process."""
        return f"{scheme}://{HOST}:{self.ports[name]}"

    def database(self, role: str, name: str | None = None) -> str:
        """Return the URL of the database of a service, or of `name`, as this role."""
        place = f"{HOST}:{self.ports['postgres']}"
        return f"postgresql://{role}:{self.passwords[role]}@{place}/{name or role}"

    @property
    def webhook_secret(self) -> str:
        """Return the secret that signs the sandbox's webhooks, in the form of Standard Webhooks."""
        return f"whsec_{base64.b64encode(self.passwords['webhook'].encode()).decode()}"


def names(service: str, count: int) -> list[str]:
    """Return the names of a service's replicas; the first has the service's name."""
    return [service if number == 1 else f"{service}-{number}" for number in range(1, count + 1)]


def plan(settings: Settings, facts: Facts) -> list[ProcessSpec]:
    """Return every process of the platform."""
    services = [
        _service(settings, facts, service, name)
        for service in settings.services
        for name in names(service, settings.count(service))
    ]
    return [_nats(settings, facts), _postgres(settings, facts), *services]


def environment(settings: Settings, facts: Facts, service: str, name: str) -> dict[str, str]:
    """Return the environment variables of one replica."""
    own = {
        "DATABASE_URL": facts.database(service),
        "PORT": str(facts.ports[name]),
        "ADMIN_PORT": str(facts.ports[f"{name}-admin"]),
        "ADMIN_TOKEN": facts.passwords["admin"],
        "LOG_FORMAT": "json",
        "LOG_LEVEL": settings.log_level,
        **_neighbours(settings, facts, service),
    }
    prefixed = {f"{service.upper()}_{key}": value for key, value in own.items()}
    return {**prefixed, **settings.environment.get(service, {})}


def _neighbours(settings: Settings, facts: Facts, service: str) -> dict[str, str]:
    broker = {"NATS_URL": facts.url("nats", "nats")} if service in settings.messaging else {}
    outside = {
        "payments": {
            "PROVIDER_URL": facts.url("sandbox"),
            "WEBHOOK_SECRETS": facts.webhook_secret,
        },
        "shipping": {"CARRIER_URL": facts.url("sandbox")},
        "newsletter": {"MAILER_URL": facts.url("sandbox")},
        "sandbox": {
            "WEBHOOK_URL": f"{facts.url('payments')}/webhooks/provider",
            "WEBHOOK_SECRET": facts.webhook_secret,
            "TRUST_TRACEPARENT": "true",  # only our own services call it
        },
    }
    return {**broker, **outside.get(service, {})}


def _service(settings: Settings, facts: Facts, service: str, name: str) -> ProcessSpec:
    admin = facts.url(f"{name}-admin")
    return ProcessSpec(
        name=name,
        stage=Stage.SERVICES,
        command=(TALLY, "serve", service),
        address=facts.url(name),
        log=settings.state / "logs" / f"{name}.log",
        ready=HttpOk(f"{admin}/readyz"),
        alive=HttpOk(f"{admin}/livez"),
        environment=environment(settings, facts, service, name),
    )


def _nats(settings: Settings, facts: Facts) -> ProcessSpec:
    port = facts.ports["nats"]
    return ProcessSpec(
        name="nats",
        stage=Stage.SERVERS,
        command=tuple(nats.command(settings.state / "nats")),
        address=facts.url("nats", "nats"),
        log=settings.state / "logs" / "nats.log",
        ready=NatsGreets(port),
        alive=NatsGreets(port),
    )


def _postgres(settings: Settings, facts: Facts) -> ProcessSpec:
    data, port = settings.state / "postgres", facts.ports["postgres"]
    return ProcessSpec(
        name="postgres",
        stage=Stage.SERVERS,
        command=tuple(postgres.command(data, port)),
        address=facts.database("postgres"),
        log=settings.state / "logs" / "postgres.log",
        ready=PostgresTakesConnections(data),
        alive=PostgresAnswers(port),
        account=facts.account,
        stop_signal=signal.SIGINT,  # fast shutdown: close connections, write everything, end
        death_signal=signal.SIGQUIT,
    )
