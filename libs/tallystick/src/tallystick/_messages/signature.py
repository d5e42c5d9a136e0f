"""Checks a handler's signature when it is declared, so that no message has to find a fault."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from types import FunctionType, MethodType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from tallystick.errors import DeclarationError


class Given:
    """What a handler is given beside its message; the wing above has the class."""

    __slots__ = ()


def check_handler(handler: Callable[..., Any], *leading: Sequence[type] | None) -> None:
    """Raise DeclarationError if the handler cannot be called with the arguments it will get.

    It must have one parameter for each of `leading`, which accepts every one of those types (None:
    a delivery), and then parameters of resources, which are found by class.
    """
    name = getattr(handler, "__qualname__", repr(handler))
    if wrong := _wrong_kind(handler) or _wrong_parameters(handler, leading):
        raise DeclarationError(f"{name} {wrong}")


def _wrong_kind(handler: Callable[..., Any]) -> str:
    if inspect.isasyncgenfunction(handler) or inspect.isgeneratorfunction(handler):
        return "yields: write a handler that returns once, when it is done"
    if not isinstance(handler, FunctionType | MethodType):
        return "is not a function: write async def"
    return "" if inspect.iscoroutinefunction(handler) else "is a plain def: write async def"


def _wrong_parameters(handler: Callable[..., Any], leading: Sequence[Sequence[type] | None]) -> str:
    parameters = list(inspect.signature(handler).parameters.values())
    if len(parameters) < len(leading):
        return f"has {len(parameters)} parameters, but needs {len(leading)} or more"
    try:
        hints = get_type_hints(handler)
    except (NameError, TypeError) as error:
        return f"has an annotation that cannot be resolved where it is declared: {error}"
    wanted = [*leading, *([()] * (len(parameters) - len(leading)))]
    found = (
        _wrong_parameter(one, hints, types) for one, types in zip(parameters, wanted, strict=True)
    )
    return next(filter(None, found), "")


def _wrong_parameter(
    parameter: inspect.Parameter, hints: dict[str, Any], types: Sequence[type] | None
) -> str:
    name = parameter.name
    if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
        return f"has the parameter {parameter}, but all parameters must be positional"
    if name not in hints:
        return f"has the parameter {name} without an annotation: annotate it with its class"
    if types is None:
        wrong = "" if _takes_delivery(hints[name]) else "Delivery"
    elif types:
        wrong = next((cls.__name__ for cls in types if not accepts(hints[name], cls)), "")
    else:
        is_class = isinstance(hints[name], type)
        return "" if is_class else f"has the resource {name}: {hints[name]}, which is not a class"
    return f"takes {name}: {_shown(hints[name], wrong)}, and is given a {wrong}" if wrong else ""


def _takes_delivery(annotation: Any) -> bool:
    if get_origin(annotation) in (Union, UnionType):
        return any(_takes_delivery(one) for one in get_args(annotation))
    is_one = isinstance(annotation, type) and issubclass(annotation, Given)
    return is_one or accepts(annotation, Given)


def _shown(annotation: Any, other: str) -> str:
    """An annotation as it is written; with its module where only that tells it from the other."""
    if not isinstance(annotation, type):
        return str(annotation)
    name = annotation.__qualname__
    return f"{annotation.__module__}.{name}" if name == other else name


def accepts(annotation: Any, cls: type) -> bool:
    """Return whether a parameter with this annotation may be an instance of a class."""
    if annotation is Any:
        return True
    if get_origin(annotation) in (Union, UnionType):
        return any(accepts(one, cls) for one in get_args(annotation))
    return isinstance(annotation, type) and issubclass(cls, annotation)
