"""One call turns settings, declarations and routes into a service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, FastAPI, Request

from tallystick._admin import serve_admin
from tallystick._admin_dead_letters import DeadLetters
from tallystick._admin_messages import Messages
from tallystick._admin_repairs import Repairs
from tallystick._admin_topology import topology_routes
from tallystick._edge import Edge
from tallystick._logging import configure as configure_logging
from tallystick._problem import install_problems
from tallystick._router import Router
from tallystick._runtime import Runtime
from tallystick._settings import API, Settings
from tallystick._tracing import configure as configure_tracing
from tallystick._tracing import shutdown as shutdown_tracing

T = TypeVar("T")


@dataclass(frozen=True)
class Composition:
    """What a service was made of; the command line reads it from `app.state.composition`."""

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
    """The service as an ASGI app.

    `resources` are entered at start and left at stop; handlers and routes get them by their type.
    One with a method `stopping()` is told before the requests under way are waited for.
    `admin` are routes for people, by custom under `/admin`, on the admin port and under its token.
    Raises DeclarationError if a handler asks for a resource that is not given.
    """
    runtime = Runtime(settings, router, resources)
    composition = Composition(settings, router, runtime)
    admins = [*_admin_routes(runtime), *([admin] if admin else [])]

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        configure_logging(settings)
        configure_tracing(settings)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(shutdown_tracing)
            await stack.enter_async_context(
                serve_admin(settings, runtime, *admins, composition=composition)
            )
            for resource in resources:
                await stack.enter_async_context(resource)
            await stack.enter_async_context(runtime.running())
            yield

    app = FastAPI(title=router.name, lifespan=lifespan)
    if API in runtime.roles:
        app.include_router(api)
    app.state.composition = composition
    install_problems(app)
    app.add_middleware(Edge)
    return app


def _admin_routes(runtime: Runtime) -> list[APIRouter]:
    """What every service shows on its admin port."""
    database, router = runtime.database, runtime.router
    return [
        topology_routes(router, runtime.settings),
        DeadLetters(database).routes(),
        Repairs(database, router).routes(),
        Messages(database, router, runtime.replica).routes(),
    ]


def resource(kind: type[T]) -> Any:
    """A FastAPI dependency: what the service was given of this type, the database included."""

    async def given(request: Request) -> T:  # async: no thread for a look-up
        found: T = request.app.state.composition.runtime.resources[kind]
        return found

    return Depends(given)
