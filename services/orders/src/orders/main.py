"""The composition root of the orders service."""

from __future__ import annotations

from fastapi import FastAPI

from orders.admin import admin
from orders.api import api
from orders.ends import Ends
from orders.handlers import router
from orders.settings import Settings
from tallystick import service


def app(settings: Settings | None = None) -> FastAPI:
    """Return the service as an application; without `settings` they come from the environment."""
    return service(settings or Settings(), router, api, Ends(), admin=admin)
