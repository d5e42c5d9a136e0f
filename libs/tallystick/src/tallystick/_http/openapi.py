"""Describe errors in an app's OpenAPI description as problems, not in FastAPI's own shape."""

from typing import Any

from fastapi import FastAPI

MEDIA_TYPE = "application/problem+json"
_OLD_SCHEMAS = ("HTTPValidationError", "ValidationError")
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

FIELD_ERROR = {
    "type": "object",
    "required": ["field", "in", "detail"],
    "properties": {
        "field": {"type": "string", "description": "a path such as `lines/0/quantity`"},
        "in": {"type": "string", "enum": ["body", "query", "path", "header", "cookie"]},
        "detail": {"type": "string"},
    },
}
PROBLEM = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"description": "text, or other JSON where a service says so"},
        "instance": {"type": "string", "format": "uri-reference"},
        "errors": {"type": "array", "items": FIELD_ERROR},
    },
}


def describe_problems(app: FastAPI) -> None:
    """Make `app.openapi()` describe that every operation may answer with a problem."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = with_problems(plain())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI documents it


def with_problems(description: dict[str, Any]) -> dict[str, Any]:
    """Return the description with problems as the answers of every operation that fails."""
    schemas = description.setdefault("components", {}).setdefault("schemas", {})
    for name in _OLD_SCHEMAS:
        schemas.pop(name, None)
    schemas["Problem"] = PROBLEM
    answer = {
        "description": "A problem",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for path in description.get("paths", {}).values():
        for method in _METHODS:
            if method in path:
                _replace(path[method]["responses"], answer)
    return description


def _replace(responses: dict[str, Any], answer: dict[str, Any]) -> None:
    """Add the problem to an operation's answers, keep its own, and remove FastAPI's 422."""
    if responses.get("422", {}).get("description") == "Validation Error":
        del responses["422"]
    responses.setdefault("4XX", answer)
    responses.setdefault("5XX", answer)
