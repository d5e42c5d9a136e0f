"""The app of the admin port: probes, metrics and administration."""

import asyncio
import hmac
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

import structlog
from fastapi import APIRouter, FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import SecretStr
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tallystick._http.body import Disconnected, read_head
from tallystick._http.edge import Answer
from tallystick._http.intake import take_in
from tallystick._http.problem import Problem, install_problems
from tallystick._http.server import Companion, bind, config
from tallystick._settings import Settings
from tallystick._telemetry.awaiting import note_unawaited

log = structlog.get_logger()

LARGEST = 8 * 1024 * 1024  # bytes of a request: an edited body of a message is a JSON string in it
OPEN = frozenset({"/livez", "/readyz", "/metrics"})


class Health(Protocol):
    """A service's answers to its probes."""

    def live(self) -> tuple[bool, dict[str, Any]]:
        """Return whether all loops run, and details; if not, the service should be restarted."""
        ...

    async def ready(self) -> tuple[bool, dict[str, Any]]:
        """Return whether HTTP can be served, and the state of database and broker."""
        ...


def admin_app(
    token: SecretStr | None,
    health: Health,
    *routers: APIRouter,
    resources: Mapping[type, Any],
    viewer: SecretStr | None = None,
) -> FastAPI:
    """Return the app; all paths but the probes and the metrics need the bearer token.

    GET does with `viewer`'s as well.

    The routes of `routers` get the service's `resources` as those of its API do.
    """
    app = FastAPI(title="admin", openapi_url="/admin/openapi.json", docs_url=None, redoc_url=None)
    app.state.resources = resources
    probes = APIRouter()

    @probes.get("/livez")
    async def livez() -> Response:
        return _probed(*health.live())

    @probes.get("/readyz")
    async def readyz() -> Response:
        return _probed(*await health.ready())

    @probes.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    for router in (probes, *routers):
        app.include_router(router)
    install_problems(app)
    app.add_middleware(_Guard, token=token, viewer=viewer)
    return app


@asynccontextmanager
async def serve_admin(
    settings: Settings, health: Health, *routers: APIRouter, resources: Mapping[type, Any]
) -> AsyncIterator[socket.socket]:
    """Serve the admin app in this loop; raises PortTaken."""
    bound = bind(settings.host, settings.admin_port, settings.variable("admin_port"))
    app = admin_app(
        settings.admin_token,
        health,
        *routers,
        resources=resources,
        viewer=settings.viewer_token,
    )
    server = Companion(config(app, lifespan=False, grace_s=1))
    serving = asyncio.create_task(server.serve(sockets=[bound]), name="admin")
    serving.add_done_callback(_ended)
    log.info("admin listening", address="{}:{}".format(*bound.getsockname()[:2]))
    try:
        await server.until_started(serving)
        yield bound
    finally:
        server.should_exit = True
        await asyncio.wait([serving])


def _ended(serving: "asyncio.Task[None]") -> None:
    if not serving.cancelled() and (error := serving.exception()) is not None:
        log.error("admin ended", exc_info=error)


def _probed(ok: bool, state: dict[str, Any]) -> Response:
    return JSONResponse({"ok": ok, **state}, 200 if ok else 503)


class _Guard:
    """Admits requests with a token that allows them, and those to OPEN paths.

    An admitted request passes the same checks as one to the API.
    """

    def __init__(self, app: ASGIApp, token: SecretStr | None, viewer: SecretStr | None) -> None:
        self._app = app
        self._admin, self._viewer = _bearer(token), _bearer(viewer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
            head = read_head(scope["headers"])
            scope, receive = await take_in(scope, head, receive, largest=LARGEST)
            await self._app(scope, receive, Answer(send, note_unawaited()))
        except Problem as problem:
            await problem.response(scope)(scope, receive, send)
        except Disconnected:
            log.debug("admin client gone", path=scope["path"])

    def _refusal(self) -> Problem:
        unset = "This service has no admin token and refuses requests: set <SERVICE>_ADMIN_TOKEN."
        detail = None if self._admin else unset
        return Problem(401, detail=detail, headers={"WWW-Authenticate": "Bearer"})

    def _check(self, scope: Scope) -> None:
        """Raise Problem for a request that its token does not allow."""
        given = dict(scope["headers"]).get(b"authorization", b"")
        if scope["path"] in OPEN or _is(given, self._admin):
            return
        if not _is(given, self._viewer):
            raise self._refusal()
        if scope["method"] != "GET":
            raise Problem(403, detail="This token only reads: acts need the admin token.")


def _bearer(token: SecretStr | None) -> bytes | None:
    return f"Bearer {token.get_secret_value()}".encode() if token else None


def _is(given: bytes, wanted: bytes | None) -> bool:
    return wanted is not None and hmac.compare_digest(given, wanted)
