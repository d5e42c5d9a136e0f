"""The composition root: the simulated outsiders as one service without messages."""

from fastapi import FastAPI

import sandbox
import tallystick
from sandbox.api import api
from sandbox.connection import Simulation
from sandbox.handlers import router
from sandbox.injection import Injector
from sandbox.provider.webhooks import Subscriber
from sandbox.settings import Settings


def app(settings: Settings | None = None) -> FastAPI:
    """Return the sandbox as an application; without `settings` they come from the environment."""
    settings = settings or Settings()
    injector = Injector(settings.faults, settings.silence_s)
    subscriber = Subscriber(settings.webhook_url, settings.webhook_secret)
    application = tallystick.service(settings, router, api, injector, subscriber)
    application.title = "Sandbox (simulation)"
    application.description = sandbox.__doc__ or ""
    application.add_middleware(Simulation)
    return application
