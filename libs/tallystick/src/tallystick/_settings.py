"""The settings of a service: read from its environment, checked once at the start."""

import os
import re
import socket
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from tallystick._addresses import is_plain, scheme_of
from tallystick.errors import InvalidSettings

_REPLICA = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_LINK = r"(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)\w*)?)"
"""Variables that Kubernetes sets in a pod for each Service."""
SHORTEST_TOKEN = 16
API = "api"
"""The role that serves the HTTP API."""
_KINDS = {
    "int_parsing": "not a whole number",
    "int_from_float": "not a whole number",
    "float_parsing": "not a number",
    "bool_parsing": "neither true nor false",
}


def _url_of(*schemes: str) -> AfterValidator:
    """Return a check of a URL's scheme; its error never shows the URL: it may hold a password."""

    def check(url: str) -> str:
        if scheme_of(url) not in schemes:
            raise ValueError(f"not a URL that starts with {schemes[0]}://")
        return _plain(url)

    return AfterValidator(check)


def _servers(urls: str) -> str:
    for url in urls.split(","):
        if scheme_of(url) not in ("nats", "tls"):
            raise ValueError("not a comma-separated list of URLs that start with nats://")
        _plain(url)
    return urls


def _plain(url: str) -> str:
    if not is_plain(url):
        raise ValueError(
            "not a URL with a clear host: write @ / ? # in a password as %40 %2F %3F %23"
        )
    return url


def _token(token: SecretStr) -> SecretStr:
    if len(token.get_secret_value()) < SHORTEST_TOKEN:
        raise ValueError(f"shorter than {SHORTEST_TOKEN} characters")
    return token


def _is_link(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("tcp://", "udp://", "sctp://"))


def _replica(name: str) -> str:
    if not _REPLICA.fullmatch(name):
        raise ValueError("not 1 to 128 letters, digits, dots, dashes and underscores")
    return name


def _this_replica() -> str:
    return f"{socket.gethostname()[:100]}-{os.getpid()}"


Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=0, le=65_535)]


class Settings(BaseSettings):
    """The settings that every service has; a service's own class adds its prefix and its fields.

    `Settings()` reads the variables `<PREFIX><FIELD>`. It raises `InvalidSettings` with one
    message that names every variable that is missing or wrong.
    """

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    database_url: Annotated[str, _url_of("postgresql", "postgres")] = Field(
        repr=False, description="the service's own PostgreSQL database"
    )
    database_queries: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=4, description="connections for queries of its routes and handlers"
    )
    database_transactions: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=4, description="connections for `transaction()` of its routes and handlers"
    )
    nats_url: Annotated[str, AfterValidator(_servers)] | None = Field(
        default=None, repr=False, description="NATS servers; unset for a service without messages"
    )
    data_path: Literal["own", "public"] = Field(
        default="own",
        description="how messages go through nats-py: our own way, or its public API, which is"
        " slower and chosen by itself where nats-py is not as we know it",
    )
    host: str = Field(default="127.0.0.1", min_length=1, description="address to listen on")
    port: Port = Field(default=8000, description="port of the HTTP API; 0 takes a free one")
    admin_port: Port = Field(default=9000, description="port of probes, metrics and admin")
    admin_token: Annotated[SecretStr, AfterValidator(_token)] | None = Field(
        default=None, description="bearer token of /admin/; if unset, /admin/ is closed"
    )
    viewer_token: Annotated[SecretStr, AfterValidator(_token)] | None = Field(
        default=None, description="a second bearer token of /admin/, which only reads"
    )
    run: str = Field(
        default="", description="the roles of this process, such as api,events; if empty, all"
    )
    replica: Annotated[str, AfterValidator(_replica)] = Field(
        default_factory=_this_replica, description="the unique name of this process"
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="auto: text on a terminal, JSON elsewhere"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="the least severe line that is logged"
    )
    otlp_endpoint: Annotated[str, _url_of("http", "https")] | None = Field(
        default=None,
        repr=False,
        description="where spans are sent (OTLP over HTTP); if unset, none are sent",
    )
    trace_ratio: float = Field(
        default=0.01, ge=0, le=1, description="share of the traces started here that are sampled"
    )
    trust_traceparent: bool = Field(
        default=False,
        description="continue the trace of a request's traceparent, and sample it if that does;"
        " if false, start a new trace, linked to it and sampled by trace_ratio",
    )
    statement_timeout_s: Seconds = Field(
        default=10, description="the longest run of one SQL statement"
    )
    ack_wait_s: Seconds = Field(
        default=5, description="the broker redelivers a message that is not acknowledged by then"
    )
    deadline_s: Seconds = Field(default=30, description="the longest run of one handler")
    replica_timeout_s: Seconds = Field(
        default=5, description="a replica that has not renewed its row for so long is gone"
    )
    blocked_after_s: Seconds = Field(
        default=10, description="a process whose event loop is blocked for so long ends"
    )
    sweep_s: Seconds = Field(
        default=1, description="time between two sweeps of the outbox and of deferred messages"
    )
    account_period_s: float = Field(
        default=10,
        ge=1,
        le=60,
        description="messages published in so many seconds are compared together; divides 3600",
    )
    keep_days: float = Field(
        default=30,
        gt=0,
        le=3650,
        description="how long inbox and outbox keep messages; at least 9 days",
    )
    keep_max_bytes: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="the most that inbox and outbox may take together; the oldest days go first",
    )
    quarantine_memory_mib: Annotated[int, Field(ge=64)] = Field(
        default=512, description="memory of the process that runs quarantined messages"
    )
    take_over: str = Field(
        default="", description="the id of a lost database whose messages this one takes over"
    )
    call_timeout_s: Seconds = Field(default=2, description="the longest wait for an outside answer")

    @model_validator(mode="before")
    @classmethod
    def _without_links(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Drop a variable such as CAFE_PORT=tcp://..., which Kubernetes sets for a Service cafe."""
        return {n: v for n, v in values.items() if not (n.endswith("port") and _is_link(v))}

    def __init__(self, **values: Any) -> None:
        """Read the settings; raise `InvalidSettings`."""
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise InvalidSettings(_explain(type(self), error)) from None

    @classmethod
    def variable(cls, field: str) -> str:
        """Return the environment variable that sets `field`."""
        return f"{cls.model_config.get('env_prefix', '')}{field}".upper()

    @classmethod
    def unread(cls, environment: Mapping[str, str]) -> dict[str, str]:
        """Return variables with this service's prefix that are not settings, each with the nearest.

        The nearest is the setting with the most similar name, or an empty text.
        """
        prefix = cls.variable("")
        known = [cls.variable(field) for field in cls.model_fields]
        link = re.compile(f"{prefix}{_LINK}")
        unread = [
            name
            for name, value in environment.items()
            if prefix and name.upper().startswith(prefix) and name.upper() not in known
            if not link.fullmatch(name)
        ]
        return {name: next(iter(get_close_matches(name, known, 1)), "") for name in unread}

    def roles(self, declared: frozenset[str]) -> frozenset[str]:
        """Return the roles of this process; raise `InvalidSettings` for one that is not known."""
        known = declared | {API}
        chosen = frozenset(role.strip() for role in self.run.split(",") if role.strip())
        if unknown := chosen - known:
            name, roles = self.variable("run"), ", ".join(sorted(known))
            raise InvalidSettings(
                f"{self.service()}: {name} names {min(unknown)}, which is not one of {roles}"
            )
        return chosen or known

    @classmethod
    def service(cls) -> str:
        """Return the service's name, which is its prefix in lower case with dashes."""
        return cls.model_config.get("env_prefix", "").rstrip("_").lower().replace("_", "-")


def _explain(cls: type[Settings], error: ValidationError) -> str:
    faults = "; ".join(_fault(cls, detail) for detail in error.errors(include_url=False))
    return f"{cls.service() or 'settings'}: {faults}"


def _fault(cls: type[Settings], detail: ErrorDetails) -> str:
    field = str(detail["loc"][0]) if detail["loc"] else ""
    name = cls.variable(field)
    if detail["type"] == "missing":
        return f"{name} is missing"
    known = cls.model_fields.get(field)
    kind = "" if known is None else str(known.annotation)
    secret = known is None or not known.repr or "Secret" in kind
    secret = secret or ("Url" in kind and re.search("[@?#]", str(detail["input"])) is not None)
    value = "" if secret else f' "{detail["input"]}"'
    return f"{name} is{value}: {_reason(detail)}" if value else f"{name} is {_reason(detail)}"


def _reason(detail: ErrorDetails) -> str:
    text = _KINDS.get(detail["type"]) or detail["msg"]
    return text.removeprefix("Value error, ").replace("Input should be ", "not ", 1)
