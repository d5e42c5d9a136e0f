"""The commands. Those that start services import what they need themselves: it takes a second."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from tallystick_local import holds, ports, remote
from tallystick_local import state as states
from tallystick_local.errors import AlreadyRunningError, PlatformError
from tallystick_local.services import ALL
from tallystick_local.settings import Settings, replicas

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

State = Annotated[Path, typer.Option(help="the folder of data, logs and process ids")]


def _known(service: str) -> str:
    if service not in ALL:
        raise typer.BadParameter(f"{service} is not one of {', '.join(ALL)}")
    return service


Service = Annotated[str, typer.Argument(metavar="SERVICE", callback=_known)]

DEFAULT_STATE = Path(".state")
INTERRUPTED = 130


@app.callback()
def local() -> None:
    """Run the whole of Tallystick on this machine."""


@app.command()
def up(
    state: State = DEFAULT_STATE,
    free_ports: Annotated[
        bool, typer.Option("--free-ports", help="use any free ports, not the usual ones")
    ] = False,
    examples: Annotated[
        bool, typer.Option("--examples", envvar="EXAMPLES", help="run the examples as well")
    ] = False,
) -> None:
    """Run the platform here until Ctrl-C.

    REPLICAS_PAYMENTS=3 runs three replicas of a service. ORDERS_PORT, ORDERS_ADMIN_PORT,
    NATS_PORT, POSTGRES_PORT and so on choose ports.
    """
    from tallystick_local.up import up as run  # noqa: PLC0415

    with _explained():
        settings = Settings(
            state=state.absolute(),
            free_ports=free_ports,
            ports=ports.asked(os.environ),
            replicas=replicas(os.environ),
            examples=examples,
        )
        asyncio.run(run(settings))


@app.command()
def down(state: State = DEFAULT_STATE) -> None:
    """Stop the platform that runs in another terminal, or the processes that one left behind."""
    with _explained():
        ended = remote.end(state.absolute(), lambda _, text: typer.echo(text))
    typer.echo("stopped" if ended else "no platform runs here")


@app.command()
def status(state: State = DEFAULT_STATE) -> None:
    """Show addresses and processes of the running platform."""
    with _explained():
        record = states.running(state.absolute())
        typer.echo(remote.describe(state.absolute(), record))


@app.command()
def stop(service: Service, state: State = DEFAULT_STATE) -> None:
    """Stop a service of the running platform, all its replicas, until `start`."""
    with _explained():
        holds.hold(state.absolute(), service)


@app.command()
def start(service: Service, state: State = DEFAULT_STATE) -> None:
    """Start a service that was stopped."""
    with _explained():
        holds.release(state.absolute(), service)


@app.command()
def demo(
    orders: Annotated[int, typer.Option(min=1, help="how many orders to place")] = 200,
    seed: Annotated[int, typer.Option(help="decides what the customers do")] = 1,
    within: Annotated[
        float, typer.Option(min=0, help="seconds for all orders to end; 0: 60, and 1 for each 20")
    ] = 0,
) -> None:
    """Run a separate platform, place orders, and check every one of them.

    The exit code is 1 if an order has not ended, or if databases and ledgers disagree.
    """
    from tallystick_local.demo import Demo, perform  # noqa: PLC0415

    with _explained():
        counts = replicas(os.environ)
        limit = within or 60 + orders / 20
        account = perform(Demo(orders=orders, seed=seed, within=limit, replicas=counts))
    typer.echo("\n".join(account.lines()))
    if account.wrong:
        raise typer.Exit(1)


@app.command()
def load(
    rate: Annotated[float, typer.Option(min=0.1, max=10_000, help="orders a second")] = 20,
    state: State = DEFAULT_STATE,
) -> None:
    """Send customers at the running platform until Ctrl-C."""
    from tallystick_local.load import load as run  # noqa: PLC0415

    with _explained():
        figures = asyncio.run(run(state.absolute(), rate))
    typer.echo(f"load: {figures.result()}")


@contextmanager
def _explained() -> Iterator[None]:
    """Turn an error that a person can correct into a message and exit code 1."""
    try:
        yield
    except AlreadyRunningError as error:
        record = states.read(error.folder)
        _fail(f"{error}\n\n{remote.describe(error.folder, record) if record else ''}")
    except PlatformError as error:
        _fail(str(error))
    except asyncio.CancelledError:
        raise typer.Exit(INTERRUPTED) from None


def _fail(text: str) -> None:
    typer.secho(text, err=True, fg="red")
    raise typer.Exit(1)
