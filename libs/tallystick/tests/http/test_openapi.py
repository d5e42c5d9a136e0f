from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from tallystick._http.problem import install_problems


class Parcel(BaseModel):
    name: str


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    app = FastAPI()
    install_problems(app)

    @app.post("/parcels", responses={409: {"description": "It has left"}})
    async def post(body: Parcel) -> Parcel:
        return body

    return app.openapi()


def test_every_operation_may_answer_with_a_problem(description: dict[str, Any]) -> None:
    responses = description["paths"]["/parcels"]["post"]["responses"]
    assert set(responses) == {"200", "409", "4XX", "5XX"}
    assert set(responses["4XX"]["content"]) == {"application/problem+json"}


def test_the_shapes_of_fastapi_are_gone(description: dict[str, Any]) -> None:
    assert set(description["components"]["schemas"]) == {"Parcel", "Problem"}
    assert "HTTPValidationError" not in str(description)
