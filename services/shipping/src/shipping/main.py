"""The composition root of the shipping service."""

from __future__ import annotations

from fastapi import FastAPI

from shipping.admin import admin
from shipping.api import api
from shipping.carrier import Carrier
from shipping.handlers import router
from shipping.settings import Settings
from tallystick import service


def app(settings: Settings | None = None) -> FastAPI:
    """Return the service as an application; without `settings` they come from the environment."""
    settings = settings or Settings()
    carrier = Carrier(settings.carrier_url, timeout_s=settings.call_timeout_s)
    return service(settings, router, api, carrier, admin=admin)
