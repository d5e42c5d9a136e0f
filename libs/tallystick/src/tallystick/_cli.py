"""The command `tally`: serves a service, migrates its database, shows its topology."""

import asyncio
import importlib
import sys
from collections.abc import Callable
from functools import wraps
from importlib.metadata import version
from typing import Annotated, Never, ParamSpec, TypeVar

import typer
from fastapi import FastAPI

from tallystick import _logging, _settings
from tallystick._errors import TallystickError

USER_ERROR = 2
FAILED = 1

P = ParamSpec("P")
T = TypeVar("T")

app = typer.Typer(
    name="tally",
    help="Run services that are built with Tallystick.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Name = Annotated[str, typer.Argument(help="A package with a function app() in its module main.")]


def _example(command: str) -> str:
    setting = "export ORDERS_DATABASE_URL=postgresql://orders@localhost/orders"
    return f"\b\nExample:\n  {setting}\n  {command}"


def main() -> None:
    """Run the command line."""
    app()


def _show_version(wanted: bool) -> None:  # as typer calls it
    if wanted:
        typer.echo(f"tally {version('tallystick')}")
        raise typer.Exit


@app.callback()
def tally(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Run services that are built with Tallystick."""


def _told(command: Callable[P, T]) -> Callable[P, T]:
    """Turn an error of the library into one line on stderr instead of a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except _settings.InvalidSettings as error:
            _fail(str(error), USER_ERROR)
        except TallystickError as error:
            _fail(str(error), FAILED)

    return run


def _fail(message: str, code: int) -> Never:
    typer.echo(f"tally: {message}", err=True)
    raise typer.Exit(code)


def _application(name: str) -> FastAPI:
    """Compose the service of this name, by its own composition root."""
    module = f"{name}.main"
    sys.path.insert(0, "")  # a service in the current folder need not be installed
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in (name, module):
            raise
        _fail(f'there is no service "{name}": no module {module} can be imported', USER_ERROR)
    if not callable(getattr(found, "app", None)):
        _fail(f"{module} has no function app() that returns the service", USER_ERROR)
    composed: FastAPI = found.app()
    return composed


@app.command(epilog=_example("tally serve orders"))
@_told
def serve(name: Name) -> None:
    """Serve a service until it is told to stop.

    That is its HTTP API, its handlers, and probes and metrics on the admin port. Settings come from
    the environment, with the service's name as prefix. SIGTERM drains it: what runs ends, nothing
    new begins.
    """
    from tallystick._serve import serve as serve_app  # noqa: PLC0415  # others start without it

    composed = _application(name)
    settings = composed.state.composition.settings
    _logging.configure(settings)
    serve_app(composed, settings)


@app.command(epilog=_example("tally migrate orders"))
@_told
def migrate(name: Name) -> None:
    """Bring a service's database to this release.

    A database that is away is waited for. Several at once are safe: one works, the others wait and
    find nothing left to do. It is safe to interrupt and to repeat.
    """
    from tallystick._migrate import migrate as migrate_database  # noqa: PLC0415

    settings = _application(name).state.composition.settings
    _logging.configure(settings)
    migrate_database(name, settings.database_url)


@app.command(epilog=_example("tally topology orders --json"))
@_told
def topology(
    name: Name,
    check: Annotated[
        bool, typer.Option("--check", help="Compare with the broker; exit 1 if it differs.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what the broker must hold for a service.

    These are the streams and durables that follow from the declarations of its messages and
    handlers.
    """
    from tallystick import _topology_text as text  # noqa: PLC0415

    composition = _application(name).state.composition
    wanted = text.topology_of(composition.settings, composition.router)
    if not check:
        typer.echo(text.topology_text(wanted, as_json=as_json))
        return
    differences = asyncio.run(text.find_differences(composition.settings.nats_url, wanted))
    typer.echo(text.differences_text(differences, as_json=as_json))
    if differences:
        raise typer.Exit(FAILED)
