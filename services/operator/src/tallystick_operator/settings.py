"""The settings of the operator: read from its environment, checked once at the start."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
PREFIX = "OPERATOR_"


class InvalidSettings(Exception):
    """A setting is missing or wrong; the message names its environment variable."""


def _own_namespace() -> str:
    """Return the pod's namespace; outside of a pod an empty one, which is refused."""
    return NAMESPACE.read_text().strip() if NAMESPACE.is_file() else ""


def _bytes(text: object) -> int:
    """Parse a size as nats-server does: 8G is decimal; 8GB, 8Gi and 8GiB are binary."""
    found = re.fullmatch(r"(\d+)\s*([KMGT]?)(B|iB?)?", str(text), re.IGNORECASE)
    if found is None:
        raise ValueError("not a size such as 8GiB")
    number, unit, binary = found.groups()
    base = 1024 if binary else 1000
    return int(number) * int(base ** " KMGT".index(unit.upper() or " "))


Bytes = Annotated[int, BeforeValidator(_bytes)]


class Settings(BaseSettings):
    """The settings of the operator, as OPERATOR_*."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, hide_input_in_errors=True, validate_default=True
    )

    nats_url: str = Field(
        repr=False, pattern=r"^(nats|tls)://", description="NATS servers, with the operator's user"
    )
    namespace: str = Field(
        default_factory=_own_namespace,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        description="namespace of the resources; by default the pod's own",
    )
    instance: str = Field(
        default="",
        description="which resources are kept: those that its label names, and those without it",
    )
    host: str = Field(default="0.0.0.0", description="address to listen on")  # noqa: S104  # a pod
    admin_port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        default=9000, description="port of probes and metrics"
    )
    every_s: float = Field(default=5, gt=0, le=15, description="time between two rounds")
    store: Bytes | None = Field(
        default=None,
        gt=0,
        description="how much each server may store, such as 8GiB: max_file_store",
    )
    give_up_after_s: float = Field(
        default=60, gt=0, description="how long a deletion waits for a broker that does not answer"
    )
    log_format: Literal["json", "text"] = Field(
        default="json", description="the format of log lines"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="the least severe line that is logged"
    )


def read() -> Settings:
    """Return the settings of the environment; raise InvalidSettings."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = [
            f"{PREFIX}{str(detail['loc'][0]).upper()} is "
            + ("missing" if detail["type"] == "missing" else f"wrong: {detail['msg']}")
            for detail in error.errors(include_url=False, include_input=False)
        ]
        raise InvalidSettings("; ".join(wrong)) from None
