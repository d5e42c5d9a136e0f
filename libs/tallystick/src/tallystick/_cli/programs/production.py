"""`tally serve` and `tally migrate`: they run where a service is installed."""

from __future__ import annotations

import importlib
import sys
from typing import Annotated, Any

import typer
from fastapi import FastAPI

from tallystick._cli.errors import USED_WRONGLY, example, fail, reports_errors
from tallystick._cli.output import AsJson, say_json
from tallystick._database.migrate import migrate as migrate_database
from tallystick._database.scripts import scripts_of
from tallystick._messages.router import Router
from tallystick._telemetry import logging

Name = Annotated[str, typer.Argument(help="A package with a function app() in its module main.")]
SETTING = "export ORDERS_DATABASE_URL=postgresql://orders@localhost/orders"


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(epilog=example(SETTING, "tally serve orders"))(serve)
    app.command(epilog=example(SETTING, "tally migrate orders"))(migrate)


def application(name: str) -> FastAPI:
    """Return the service of this name, made by its own `app()`, which reads its settings."""
    composed: FastAPI = _root(name).app()
    made = composed.state.composition.router.name
    if made != name:
        fail(
            f'{name}.main makes "{made}": the package, the router and the prefix of the settings'
            " have one name",
            USED_WRONGLY,
        )
    return composed


def router_of(name: str) -> Router:
    """Return what a service declares; if its module `main` has a `router`, no setting is read."""
    router = getattr(_root(name), "router", None)
    if isinstance(router, Router):
        return router
    composed: Router = application(name).state.composition.router
    return composed


def _root(name: str) -> Any:
    """Import the module `main` of a service, which has a function app()."""
    module = f"{name}.main"
    sys.path.insert(0, "")  # a service in the current folder need not be installed
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in (name, module):
            raise
        fail(f'there is no service "{name}": no module {module} can be imported', USED_WRONGLY)
    if not callable(getattr(found, "app", None)):
        fail(f"{module} has no function app() that returns the service", USED_WRONGLY)
    return found


@reports_errors
def serve(name: Name) -> None:
    """Serve a service until SIGTERM.

    That is its HTTP API, its handlers, and probes and metrics on the admin port. Settings come from
    the environment, with the service's name as prefix. SIGTERM drains the service: nothing new
    begins, and what runs may end.
    """
    from tallystick._service.serve import serve as serve_app  # noqa: PLC0415  # others start without it

    composed = application(name)
    settings = composed.state.composition.settings
    logging.configure(settings)
    serve_app(composed, settings)


@reports_errors
def migrate(name: Name, as_json: AsJson = False) -> None:
    """Bring a service's database to this release.

    It waits for a database that is away. Several at once are safe: one works, the others wait and
    find nothing left to do. It is safe to interrupt and to repeat.
    """
    settings = application(name).state.composition.settings
    logging.configure(settings)
    migrate_database(name, settings.database_url)
    if as_json:
        reached = {scripts.owner: sorted(scripts.heads) for scripts in scripts_of(name)}
        say_json({"service": name, "revisions": reached})
