from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from fastapi import APIRouter

from tallystick._admin.app import serve_admin
from tallystick._settings import Settings
from tallystick.errors import PortTaken

TOKEN, VIEWER = "a-token-of-enough-length", "another-token-of-enough-length"

router = APIRouter(prefix="/admin")


@router.get("/durables")
async def durables() -> list[str]:
    return ["payments-open"]


class Health:
    is_live = True
    is_ready = True

    def live(self) -> tuple[bool, dict[str, Any]]:
        return self.is_live, {"loops": 3}

    async def ready(self) -> tuple[bool, dict[str, Any]]:
        return self.is_ready, {"database": self.is_ready, "broker": False}


def settings(token: str | None = TOKEN, port: int = 0) -> Settings:
    viewer = VIEWER if token else None
    return Settings(
        database_url="postgresql://db", admin_port=port, admin_token=token, viewer_token=viewer
    )


class Served:
    """An admin server for the whole module, and the health that its service reports."""

    def __init__(self, token: str | None) -> None:
        self.token = token
        self.health = Health()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Served"]:
        async with serve_admin(settings(self.token), self.health, router, resources={}) as bound:
            address = f"http://127.0.0.1:{bound.getsockname()[1]}"
            async with aiohttp.ClientSession(address) as self.session:
                yield self

    async def ask(self, path: str, bearer: str = "", method: str = "GET") -> tuple[int, Any]:
        headers = {"authorization": bearer} if bearer else {}
        async with self.session.request(method, path, headers=headers) as answer:
            if "json" in answer.content_type:
                return answer.status, await answer.json(content_type=None)
            return answer.status, await answer.text()


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[Served]:
    async with Served(TOKEN).running() as running:
        yield running


@pytest.fixture(scope="module")
async def closed() -> AsyncIterator[Served]:
    async with Served(None).running() as running:
        yield running


async def test_a_live_process_is_200(served: Served) -> None:
    assert await served.ask("/livez") == (200, {"ok": True, "loops": 3})


async def test_a_viewer_reads_and_does_nothing(served: Served) -> None:
    assert await served.ask("/admin/durables", f"Bearer {VIEWER}") == (200, ["payments-open"])
    status, problem = await served.ask("/admin/durables", f"Bearer {VIEWER}", "POST")
    assert (status, problem["detail"][:22]) == (403, "This token only reads:")
    assert (await served.ask("/admin/durables", f"Bearer {TOKEN}", "POST"))[0] == 405


async def test_a_process_whose_loops_have_ended_is_503(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served.health, "is_live", False)
    assert (await served.ask("/livez"))[0] == 503


async def test_readiness_shows_database_and_broker(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = {"ok": True, "database": True, "broker": False}
    assert await served.ask("/readyz") == (200, state)
    monkeypatch.setattr(served.health, "is_ready", False)
    assert await served.ask("/readyz") == (503, state | {"ok": False, "database": False})


async def test_metrics_need_no_token(served: Served) -> None:
    status, text = await served.ask("/metrics")
    assert status == 200
    assert "# TYPE messaging_outbox_pending_messages gauge" in text


async def test_a_request_with_the_token_is_admitted(served: Served) -> None:
    durables = await served.ask("/admin/durables", f"Bearer {TOKEN}")
    assert durables == (200, ["payments-open"])


@pytest.mark.parametrize("bearer", ["", TOKEN, "Bearer", "Bearer wrong", f"Basic {TOKEN}"])
@pytest.mark.parametrize(
    "path", ["/admin/durables", "/admin/nowhere", "/admin", "/%61dmin/durables", "/", "/livez/"]
)
async def test_any_other_request_is_refused(served: Served, path: str, bearer: str) -> None:
    status, problem = await served.ask(path, bearer)
    assert (status, problem["title"]) == (401, "Unauthorized")


@pytest.mark.parametrize("bearer", ["Bearer None", "Bearer ", "Bearer"])
async def test_without_a_token_every_request_is_refused(closed: Served, bearer: str) -> None:
    assert (await closed.ask("/admin/durables", bearer))[0] == 401


async def test_a_taken_port_is_named_by_its_setting() -> None:
    async with serve_admin(settings(), Health(), resources={}) as bound:
        with pytest.raises(PortTaken, match="ADMIN_PORT"):
            async with serve_admin(settings(port=bound.getsockname()[1]), Health(), resources={}):
                pass
