"""Serves a composed service until SIGTERM or Ctrl-C."""

import asyncio
import socket
from contextlib import AbstractAsyncContextManager

import structlog
import uvloop
from fastapi import FastAPI

from tallystick._http.server import Server, bind, config
from tallystick._service.garbage import keep_what_is_loaded
from tallystick._service.watchdog import Watchdog
from tallystick._settings import Settings

log = structlog.get_logger()


def serve(
    app: FastAPI, settings: Settings, watch: AbstractAsyncContextManager[None] | None = None
) -> None:
    """Serve until SIGTERM or Ctrl-C, drain and return.

    Raises PortTaken, InvalidSettings, or another TallystickError because of which it cannot start.

    `watch` watches the event loop; by default a Watchdog, which ends the process if it is blocked.
    """
    watch = watch or Watchdog(settings.blocked_after_s).watching()
    stopping = app.state.composition.runtime.stopping
    server = Server(config(app, lifespan=True, grace_s=settings.deadline_s), stopping)
    app.state.refuse = server.refuse
    with bind(settings.host, settings.port, settings.variable("port")) as bound:
        bind(settings.host, settings.admin_port, settings.variable("admin_port")).close()
        bound.listen(server.config.backlog)  # an early client waits instead of being refused
        log.info("service listening", address="{}:{}".format(*bound.getsockname()[:2]))
        keep_what_is_loaded()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_watched(server, bound, watch))
    log.info("service stopped")


async def _watched(
    server: Server, bound: socket.socket, watch: AbstractAsyncContextManager[None]
) -> None:
    async with watch:
        await server.serve(sockets=[bound])
