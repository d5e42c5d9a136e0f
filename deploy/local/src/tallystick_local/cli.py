"""The commands; each is one line of another module."""

import asyncio
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import structlog
import typer

from tallystick import TallystickError
from tallystick_local import holds, ports
from tallystick_local import settings as settings_of
from tallystick_local.demo import Demo, perform
from tallystick_local.down import down as end
from tallystick_local.down import status as describe
from tallystick_local.keeper import StartError
from tallystick_local.load import NotRunningError
from tallystick_local.load import load as run_load
from tallystick_local.ports import BusyPortError
from tallystick_local.settings import SERVICES, Settings
from tallystick_local.state import AlreadyRunningError
from tallystick_local.up import show
from tallystick_local.up import up as run

app = typer.Typer(no_args_is_help=True, add_completion=False)

State = Annotated[Path, typer.Option(help="the folder of data, logs and process ids")]
FreePorts = Annotated[bool, typer.Option("--free-ports", help="take any ports, not the usual")]
Service = Annotated[str, typer.Argument(help=", ".join(SERVICES))]

DEFAULT_STATE = Path(".state")


@app.callback()
def local() -> None:
    """Run the whole of Tallystick on this machine."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


@app.command()
def up(state: State = DEFAULT_STATE, free_ports: FreePorts = False) -> None:
    """Run the platform here until Ctrl-C.

    REPLICAS_PAYMENTS=3 runs three of a service; ORDERS_PORT, ORDERS_ADMIN_PORT, NATS_PORT,
    POSTGRES_PORT and their kin ask for ports.
    """
    with _explained():
        asyncio.run(run(_settings(state, free_ports)))


@app.command()
def down(state: State = DEFAULT_STATE) -> None:
    """End the platform that runs in another terminal, or what is left of one."""
    with _explained():
        ended = end(state.absolute(), show)
    typer.echo("stopped" if ended else "no platform runs here")


@app.command()
def status(state: State = DEFAULT_STATE) -> None:
    """Show addresses and processes of the running platform."""
    text = describe(state.absolute())
    if text is None:
        _fail("no platform runs here")
    typer.echo(text)


@app.command()
def stop(service: Service, state: State = DEFAULT_STATE) -> None:
    """Stop one service of the running platform, all its replicas, until `start`."""
    _check(service, state)
    holds.hold(state.absolute(), service)


@app.command()
def start(service: Service, state: State = DEFAULT_STATE) -> None:
    """Start a service that was stopped."""
    _check(service, state)
    holds.release(state.absolute(), service)


@app.command()
def demo(
    orders: Annotated[int, typer.Option(min=1, help="how many orders are placed")] = 200,
    seed: Annotated[int, typer.Option(help="decides what the customers want")] = 1,
    within: Annotated[
        float, typer.Option(min=0, help="seconds for all orders to end; 0: by their number")
    ] = 0,
) -> None:
    """Run a platform of its own, place orders, and account for every one of them.

    Exit code 1 if an order has not ended, or a database or a ledger disagrees with another.
    """
    wanted = Demo(
        orders=orders,
        seed=seed,
        within=within or 60 + orders / 20,
        replicas=settings_of.replicas(os.environ),
    )
    with _explained():
        account = perform(wanted)
    typer.echo("\n".join(account.lines()))
    if account.wrong:
        raise typer.Exit(1)


@app.command()
def load(
    rate: Annotated[float, typer.Option(min=0.1, max=10_000, help="orders a second")] = 20,
    state: State = DEFAULT_STATE,
) -> None:
    """Send customers at the running platform until Ctrl-C."""
    with _explained():
        figures = asyncio.run(run_load(state.absolute(), rate))
    typer.echo(f"load: {figures.result()}")


def _check(service: str, state: Path) -> None:
    if service not in SERVICES:
        _fail(f"not a service: {service}")
    if describe(state.absolute()) is None:
        _fail("no platform runs here")


def _settings(state: Path, free_ports: bool) -> Settings:
    return Settings(
        state=state.absolute(),
        free_ports=free_ports,
        ports=ports.asked(os.environ),
        replicas=settings_of.replicas(os.environ),
    )


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what a person can mend into a message and exit code 1."""
    try:
        yield
    except AlreadyRunningError as error:
        _fail(f"{error}:\n\n{describe(error.folder) or ''}")
    except (BusyPortError, NotRunningError, StartError, TallystickError, ValueError) as error:
        _fail(str(error))
    except asyncio.CancelledError:
        raise typer.Exit(130) from None


def _fail(text: str) -> None:
    typer.secho(text, err=True, fg="red")
    raise typer.Exit(1)
