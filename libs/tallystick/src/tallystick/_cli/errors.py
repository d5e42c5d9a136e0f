"""How commands end: an error is a line that says what to do, and an exit code."""

from __future__ import annotations

import errno
import os
import sys
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
NOBODY_READS = 141
"""Who read the answer has gone, as `head` does: the code of shells for a broken pipe."""

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
        except BaseException as error:  # raised again unless it is foreseen
            _end(_innermost(error))
            raise

    return run


def _innermost(error: BaseException) -> BaseException:
    """The first error of a group of tasks, which all ended by it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _end(error: BaseException) -> None:
    """End the command as this error asks for; return if it is not foreseen."""
    match error:
        case InvalidSettings() | UsedWrongly():
            fail(str(error), USED_WRONGLY)
        case TallystickError():
            fail(str(error), FAILED)
        case KeyboardInterrupt():
            raise typer.Exit(INTERRUPTED) from None
        case OSError(errno=errno.EPIPE):
            _end_unread()


def _end_unread() -> Never:
    """End without a word: what is left to flush at the end of the process goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    raise typer.Exit(NOBODY_READS) from None


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
