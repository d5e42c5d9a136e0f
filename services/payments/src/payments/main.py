"""The composition root of the payments service."""

from __future__ import annotations

from fastapi import FastAPI

from payments.admin import admin
from payments.api import api
from payments.handlers import router
from payments.provider import Provider
from payments.settings import Settings
from tallystick import service


def app(settings: Settings | None = None) -> FastAPI:
    """Return the service as an application; without `settings` they come from the environment."""
    settings = settings or Settings()
    provider = Provider(settings.provider_url, timeout_s=settings.call_timeout_s)
    return service(settings, router, api, provider, admin=admin)
