"""The composition root of the newsletter."""

from fastapi import FastAPI

from newsletter.api import api
from newsletter.handlers import router
from newsletter.mailer import Mailer
from newsletter.settings import Settings
from tallystick import service


def app(settings: Settings | None = None) -> FastAPI:
    """Return the service as an application; without `settings` they come from the environment."""
    settings = settings or Settings()
    mailer = Mailer(settings.mailer_url, timeout_s=settings.call_timeout_s)
    return service(settings, router, api, mailer)
