"""Find the methods of a path; Starlette names only those of the first route that matches it."""

from fastapi import FastAPI
from starlette.routing import Match
from starlette.types import Scope

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def allowed_methods(app: FastAPI, scope: Scope) -> list[str]:
    """Return the methods that some route of `app` has for the path of `scope`, HEAD with GET."""
    found = [method for method in _METHODS if _has(app, {**scope, "method": method})]
    return ["GET", "HEAD", *found[1:]] if "GET" in found else found


def _has(app: FastAPI, scope: Scope) -> bool:
    return any(route.matches(scope)[0] is Match.FULL for route in app.router.routes)
