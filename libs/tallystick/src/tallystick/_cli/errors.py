"""How commands end: an error becomes one line that says what to do, and an exit code."""

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
"""Something failed, or is not as it should be."""
USED_WRONGLY = 2
"""The command line or a setting has to be corrected."""
INTERRUPTED = 130
NOBODY_READS = 141
"""The reader of the output has gone, as `head` does: the shells' code for a broken pipe."""

P = ParamSpec("P")
T = TypeVar("T")


class UsedWrongly(TallystickError):
    """The command is used in a wrong way; the message says how it is used."""


def reports_errors(command: Callable[P, T]) -> Callable[P, T]:
    """Turn an error of the library into one line on stderr instead of a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except BaseException as error:  # raised again unless it is expected
            _end(_innermost(error))
            raise

    return run


def _innermost(error: BaseException) -> BaseException:
    """Return the first error of a group of tasks: the one by which all ended."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _end(error: BaseException) -> None:
    """End the command with the exit code of this error; return if it is unexpected."""
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
    """End without output: what the end of the process flushes goes to the null device."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    raise typer.Exit(NOBODY_READS) from None


def fail(message: str, code: int) -> Never:
    """Print this line on stderr and end with this exit code."""
    warn(message)
    raise typer.Exit(code)


def warn(message: str) -> None:
    """Print a line on stderr, beside the output."""
    typer.echo(f"tally: {message}", err=True)


def reason_of(error: BaseException) -> str:
    """Return why a connection failed, in the words of the operating system."""
    if isinstance(error, TimeoutError) and not error.errno:
        return "no answer in time"
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__


def example(*commands: str) -> str:
    """Return the example with which the help of a command ends."""
    return "\b\nExample:\n" + "\n".join(f"  {command}" for command in commands)
