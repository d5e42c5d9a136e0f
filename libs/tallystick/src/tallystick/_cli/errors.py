"""How commands end: an error is a line that says what to do, and an exit code."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import Never, ParamSpec, TypeVar

import typer

from tallystick.errors import InvalidSettings, TallystickError

FAILED = 1
"""It did not work, or what was looked at is not as it should be."""
USED_WRONGLY = 2
"""Something has to be said differently, or to be set."""
INTERRUPTED = 130

P = ParamSpec("P")
T = TypeVar("T")


class UsedWrongly(TallystickError):
    """What was asked for cannot be done so; the message says how."""


def reports_errors(command: Callable[P, T]) -> Callable[P, T]:
    """Turn an error of the library into one line on stderr instead of a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except (InvalidSettings, UsedWrongly) as error:
            fail(str(error), USED_WRONGLY)
        except TallystickError as error:
            fail(str(error), FAILED)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None

    return run


def fail(message: str, code: int) -> Never:
    """End with this line and exit code."""
    warn(message)
    raise typer.Exit(code)


def warn(message: str) -> None:
    """Say something that is no part of the answer."""
    typer.echo(f"tally: {message}", err=True)


def reason_of(error: BaseException) -> str:
    """Why a connection could not be made, in the system's words."""
    if isinstance(error, TimeoutError) and not error.errno:
        return "no answer in time"
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__


def example(*commands: str) -> str:
    """What a command's help ends in."""
    return "\b\nExample:\n" + "\n".join(f"  {command}" for command in commands)
