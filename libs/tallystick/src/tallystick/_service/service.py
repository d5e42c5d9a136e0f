"""Composes settings, declarations, routes and resources into a service."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI

from tallystick._admin.account import Account
from tallystick._admin.app import serve_admin
from tallystick._admin.dead_letters import DeadLetters
from tallystick._admin.deferred import DeferredMessages
from tallystick._admin.messages import Messages
from tallystick._admin.refused import RefusedMessages
from tallystick._admin.repairs import Repairs
from tallystick._admin.topology import topology_routes
from tallystick._http.edge import Edge
from tallystick._http.problem import install_problems
from tallystick._messages.router import Router
from tallystick._requirements import check_version, require
from tallystick._service.assembly import Parts, assemble
from tallystick._service.runtime import Runtime
from tallystick._settings import API, Settings
from tallystick._telemetry.export import configure as configure_tracing
from tallystick._telemetry.export import shutdown as shutdown_tracing
from tallystick._telemetry.logging import configure as configure_logging
from tallystick._telemetry.release import release_of
from tallystick.errors import TallystickError

log = structlog.get_logger()

_Running = Sequence[AbstractAsyncContextManager[Any]]


@dataclass(frozen=True)
class Composition:
    """The parts of a service; the command line reads it from `app.state.composition`."""

    settings: Settings
    router: Router
    runtime: Runtime


def service(
    settings: Settings,
    router: Router,
    api: APIRouter,
    *resources: AbstractAsyncContextManager[Any],
    admin: APIRouter | None = None,
) -> FastAPI:
    """Return the service as an ASGI app.

    `resources` are entered at start and exited at stop; handlers and routes get them by their type.
    If a resource has a method `stopping()`, it is called before running requests are awaited.
    `admin` are routes for people, by custom under `/admin`, on the admin port and under its token.
    Raises DeclarationError if a handler needs a resource that is not given, MissingExtra if
    spans are to be sent and `tallystick[otlp]` is not installed, and UnsupportedVersion.
    """
    check_version("uvicorn")
    if settings.otlp_endpoint is not None:
        require(settings.variable("otlp_endpoint"), "otlp")
    runtime = Runtime(assemble(settings, router, resources), resources)
    composition = Composition(settings, router, runtime)
    admins = [*_admin_routes(runtime.parts), *([admin] if admin else [])]

    def running() -> _Running:
        port = serve_admin(settings, runtime, *admins, resources=runtime.resources)
        return [port, *resources, runtime.running()]

    app = FastAPI(
        title=router.name, version=release_of(router.name), lifespan=_lifespan(settings, running)
    )
    if API in runtime.parts.roles:
        app.include_router(api)
    app.state.composition = composition
    app.state.resources = runtime.resources
    app.state.refuse = lambda _: None  # who serves it may want to know why it does not start
    install_problems(app)
    app.add_middleware(Edge, trust_traceparent=settings.trust_traceparent)
    return app


def _lifespan(
    settings: Settings, running: Callable[[], _Running]
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Return the lifespan of an app: what runs is entered in order, and exited in reverse."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        configure_logging(settings)
        configure_tracing(settings)
        for name, nearest in settings.unread(os.environ).items():
            log.warning("variable not read", variable=name, nearest=nearest)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(shutdown_tracing)
            try:
                for each in running():
                    await stack.enter_async_context(each)
            except TallystickError as error:
                app.state.refuse(error)
                raise
            yield

    return lifespan


def _admin_routes(parts: Parts) -> list[APIRouter]:
    """Return the routes that every service has on its admin port."""
    postgres, router = parts.postgres, parts.router
    return [
        topology_routes(router, parts.settings),
        Account(postgres, router).routes(),
        DeadLetters(postgres).routes(),
        DeferredMessages(postgres).routes(),
        Repairs(postgres, router).routes(),
        RefusedMessages(postgres, router.name).routes(),
        Messages(postgres, router, parts.replica, parts.slots.circuit_open).routes(),
    ]
