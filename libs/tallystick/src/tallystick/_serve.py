"""Serves a composed service until it is told to stop."""

import asyncio

import structlog
import uvloop
from fastapi import FastAPI

from tallystick._listen import Server, bind, config
from tallystick._settings import Settings

log = structlog.get_logger()


def serve(app: FastAPI, settings: Settings) -> None:
    """Return after SIGTERM or Ctrl-C and the drain; raises PortTaken."""
    stopping = app.state.composition.runtime.stopping
    server = Server(config(app, lifespan=True, grace_s=settings.deadline_s), stopping)
    with bind(settings.host, settings.port, settings.variable("port")) as bound:
        bind(settings.host, settings.admin_port, settings.variable("admin_port")).close()
        bound.listen(server.config.backlog)  # who comes early waits instead of being refused
        log.info("listening", address="{}:{}".format(*bound.getsockname()[:2]))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(server.serve(sockets=[bound]))
    log.info("stopped")
