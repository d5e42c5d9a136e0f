"""The client that docs/outside.md shows behaves as that page describes."""

import ast
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tallystick.outside import CallRefused, NoAnswer
from tallystick.testing import http_reply, outsider

TEXT = (Path(__file__).parents[4] / "docs" / "outside.md").read_text()
CLIENT, HANDLER, TEST = re.findall(
    r"^```(?:python|text)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE
)
SHOWN: dict[str, Any] = {}
exec(CLIENT, SHOWN)  # a document of ours


async def send(status: int, body: Any) -> tuple[Any, list[str]]:
    async with outsider(http_reply(status, body)) as server, SHOWN["Gateway"](server.url) as client:
        return await client.send("r1", "+32 2 555 12 12", "Paid"), server.requests


async def test_a_yes_and_a_no_are_answers() -> None:
    sent, requests = await send(200, {"reference": "r1", "outcome": "sent"})
    assert sent == SHOWN["Sent"]()
    assert "Idempotency-Key: r1:send" in requests[0]
    no, _ = await send(200, {"reference": "r1", "outcome": "rejected", "reason": "no such number"})
    assert no == SHOWN["Rejected"]("no such number")


@pytest.mark.parametrize(
    ("status", "body"), [(503, b""), (429, b""), (200, b"<html>"), (200, {"reference": "r2"})]
)
async def test_what_is_not_understood_is_no_answer(status: int, body: Any) -> None:
    with pytest.raises(NoAnswer):
        await send(status, body)


async def test_a_wrong_call_is_refused() -> None:
    with pytest.raises(CallRefused):
        await send(422, {"title": "no such field"})


def test_its_handler_is_python() -> None:
    assert ast.parse(HANDLER)


async def test_its_test_passes() -> None:
    names = {**SHOWN, "pytest": pytest, "NoAnswer": NoAnswer}
    names |= {"outsider": outsider, "http_reply": http_reply}
    exec(f"async def shown():\n{textwrap.indent(TEST, '    ')}", names)  # of ours
    await names["shown"]()
