"""Give a route one of the service's resources, found by its type."""

from __future__ import annotations

from typing import Any, TypeVar

from fastapi import Depends, Request

T = TypeVar("T")


def resource(kind: type[T]) -> Any:
    """Return a FastAPI dependency on the service's resource of this type, or on its database."""

    async def given(request: Request) -> T:  # async, because FastAPI runs others in a thread
        found: T = request.app.state.resources[kind]
        return found

    return Depends(given)
