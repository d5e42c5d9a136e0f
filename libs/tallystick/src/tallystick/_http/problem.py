"""Errors over HTTP as RFC 9457 `application/problem+json`."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.client import responses
from typing import Any

import msgspec
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from tallystick._http.allowed import allowed_methods
from tallystick._http.openapi import MEDIA_TYPE, describe_problems
from tallystick._telemetry import metrics, traceparent, tracing
from tallystick.errors import (
    BrokerUnavailable,
    Conflict,
    DatabaseUnavailable,
    InDoubt,
    TemporaryError,
)

INVALID = "Request is not valid"
MOST_ERRORS = 20
LONGEST_FIELD = 200
_NO_ERRORS = range(200, 400)
_ERRORS = range(400, 600)

log = structlog.get_logger()


class Problem(Exception):
    """An answer that says what went wrong; other keywords become members of its body.

    `raise Problem(409, "Order already shipped", detail="...", state="shipped")`
    `status` is a number from 400 to 599, and `detail` is text or other JSON. Raises ValueError for
    another status.
    """

    def __init__(
        self,
        status: int,
        title: str = "",
        *,
        detail: Any = None,
        type: str | None = None,  # noqa: A002  # the member's name in RFC 9457
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        if status not in _ERRORS:
            raise ValueError(
                f"A problem's status is a whole number from 400 to 599, not {status!r}"
            )
        phrase = _phrase(status)
        self.status = status
        self.title = title or phrase
        self.detail = detail
        self.type = type or _type_of(self.title, phrase)
        self.headers = dict(headers or {})
        self.members = members
        super().__init__(f"{status} {self.title}{f': {detail}' if detail else ''}")

    def response(self, scope: Scope) -> Response:
        """Return the answer to the request of `scope`."""
        body: dict[str, Any] = {"type": self.type, "title": self.title, "status": self.status}
        if self.detail is not None:
            body["detail"] = self.detail
        body["instance"] = _path(scope)
        return Response(
            msgspec.json.encode(body | self.members), self.status, self.headers, MEDIA_TYPE
        )


def install_problems(app: FastAPI) -> None:
    """Answer every error of `app` with a problem, and describe that in its OpenAPI description.

    A path with a slash too many or too few is such an error, too. A redirect would name the host
    and the scheme that the service sees, and behind a proxy the client uses others.
    """
    app.router.redirect_slashes = False
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Conflict, _conflict)
    for away in (DatabaseUnavailable, InDoubt, BrokerUnavailable, TemporaryError):
        app.add_exception_handler(away, _unavailable)
    app.add_exception_handler(Exception, _unexpected)
    describe_problems(app)


def unexpected(error: Exception, scope: Scope) -> Response:
    """Log and count an unexpected error; return an answer that contains only the trace id."""
    metrics.child(metrics.HTTP_SERVER_ERRORS, type(error).__qualname__).inc()
    log.error("request failed", method=scope["method"], path=_path(scope), exc_info=error)
    context = tracing.current()
    problem = Problem(500)
    if context:
        problem.members["trace_id"] = traceparent.trace_id(context)
    return problem.response(scope)


async def _unexpected(request: Request, error: Exception) -> Response:
    return unexpected(error, request.scope)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101  # as installed
    return error.response(request.scope)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    return invalid(error.errors()).response(request.scope)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    status = error.status_code
    if status in _NO_ERRORS:  # a redirect or "not modified" that a route raised as an exception
        return Response(status_code=status, headers=error.headers)
    headers = dict(error.headers or {})
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(allowed_methods(request.app, request.scope))
    detail = None if error.detail in ("", _phrase(status)) else error.detail
    return Problem(status, detail=detail, headers=headers).response(request.scope)


async def _conflict(request: Request, error: Exception) -> Response:
    log.info("request conflicted", path=_path(request.scope), reason=str(error))
    detail = "Another request changed it at the same time: read it again, then decide again."
    return Problem(409, "Changed meanwhile", detail=detail).response(request.scope)


async def _unavailable(request: Request, error: Exception) -> Response:
    log.warning("request unavailable", path=_path(request.scope), reason=str(error))
    in_doubt = isinstance(error, InDoubt | BrokerUnavailable)
    detail = (
        "It may have been stored or not: send the request again with the same Idempotency-Key."
        if in_doubt
        else "Nothing was stored: send the request again."
    )
    problem = Problem(503, detail=detail, headers={"Retry-After": "1"})
    return problem.response(request.scope)


def invalid(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """Return the problem of pydantic's errors: 400 for malformed JSON, else 422 with the fields."""
    if any(error["type"] == "json_invalid" for error in errors):
        return Problem(400, "Malformed JSON", detail=str(errors[0].get("ctx", {}).get("error", "")))
    members: dict[str, Any] = {"errors": [_field_error(error) for error in errors[:MOST_ERRORS]]}
    if len(errors) > MOST_ERRORS:
        members["more_errors"] = len(errors) - MOST_ERRORS
    return Problem(422, INVALID, **members)


def field_problem(field: str, detail: str, place: str = "body") -> Problem:
    """Return the problem of one field."""
    errors = [{"field": field[:LONGEST_FIELD], "in": place, "detail": detail}]
    return Problem(422, INVALID, errors=errors)


def _field_error(error: Mapping[str, Any]) -> dict[str, str]:
    place, *path = error["loc"]
    field = "/".join(str(part) for part in path) or str(place)
    return {
        "field": field[:LONGEST_FIELD],
        "in": str(place),
        "detail": str(error["msg"]).removeprefix("Value error, "),
    }


def _phrase(status: int) -> str:
    """Return the title of a status, or of its class if the status is not registered."""
    known = status in responses
    return responses[status] if known else "Client Error" if status < 500 else "Server Error"


def _type_of(title: str, phrase: str) -> str:
    if title == phrase:
        return "about:blank"
    return "urn:tallystick:problem:" + re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _path(scope: Scope) -> str:
    """Return the request's path as it was sent, percent-encoded."""
    raw: bytes | None = scope.get("raw_path")
    return raw.decode("ascii", "replace")[:1024] if raw else "/"
