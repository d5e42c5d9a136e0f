"""Every service against its own description: right content, right statuses, never a 5xx."""

import asyncio
import sys
from pathlib import Path

import pytest

from tallystick_local.services import SERVICES
from tests.platform import Platform

ROOT = Path(__file__).parents[2]
EXAMPLES = 200  # of each service


@pytest.fixture(scope="module")
async def known(platform: Platform) -> list[str]:
    """An order that everybody knows, by the names that paths give it."""
    order = await platform.place()
    assert await order.end() == ("shipped", None)
    return [f"order_id={order.id}", f"reference={order.id}"]


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_answers_as_its_description_says(
    platform: Platform, known: list[str], service: str
) -> None:
    command = ["-m", "tests.hostile.exploring", platform.url(service), str(EXAMPLES), *known]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=ROOT, stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
