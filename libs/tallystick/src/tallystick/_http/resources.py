"""What a service was given, found by its type from a route."""

from __future__ import annotations

from typing import Any, TypeVar

from fastapi import Depends, Request

T = TypeVar("T")


def resource(kind: type[T]) -> Any:
    """A FastAPI dependency: what the service was given of this type, the database included."""

    async def given(request: Request) -> T:  # async: no thread for a look-up
        found: T = request.app.state.resources[kind]
        return found

    return Depends(given)
