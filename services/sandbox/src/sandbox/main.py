"""The composition root: the simulated provider and carrier as one service without messages."""

from fastapi import FastAPI

import sandbox
import tallystick
from sandbox.api import api
from sandbox.connection import Simulation
from sandbox.injection import Injector
from sandbox.settings import Settings
from tallystick import Router


def app(settings: Settings | None = None) -> FastAPI:
    """Make the sandbox from its settings, by default those of the environment."""
    settings = settings or Settings()
    injector = Injector(settings.faults, settings.silence_s)
    application = tallystick.service(settings, Router("sandbox"), api, injector)
    application.title = "Sandbox (simulation)"
    application.description = sandbox.__doc__ or ""
    application.add_middleware(Simulation)
    return application
