"""A whole server is set back: source and reader have forgotten the same, and the stream tells."""

from __future__ import annotations

import json
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from libs.tallystick.tests.account.site import ALL, Site, books, sell, shop
from tallystick.testing import PostgresServer, eventually
from tallystick.topology import rewind

SET_BACK = "exists (select from tallystick.accounts where set_back is not null)"
WHOLE = "exists (select from tallystick.accounts where set_back is null and witnessed >= {0})"
UNKNOWN = "(select count(*) = {0} from tallystick.unknown)"
LABELS = {"durable": "books-sales", "source": "shop"}
READ = (shop(), books())


async def forgotten_by(site: Site) -> dict[str, Any]:
    """Return what the reader's database says is forgotten."""
    rows = await site.sql("books", "select set_back::text from tallystick.accounts")
    shown: dict[str, Any] = json.loads(rows[0][0])
    return shown


async def places_of(site: Site, items: range) -> dict[str, int]:
    """Return where the stream has what was sold, by id, in order."""
    sold = """select id::text, stream_sequence from tallystick.outbox
        where key::int = any($1) order by stream_sequence"""
    return dict(map(tuple, await site.sql("shop", sold, list(items))))


async def last_place(site: Site) -> int:
    state = (await site.client.jetstream().stream_info("SHOP")).state
    return int(state.last_seq)


def gauge(name: str) -> float | None:
    return REGISTRY.get_sample_value(f"messaging_database_set_back_{name}", LABELS)


@pytest.fixture
async def lost(site: Site, postgres: PostgresServer) -> dict[str, int]:
    """Both databases are as they were before 30 of 50 were sold; return the places of the 30."""
    seller, reader = READ
    await site.declare(seller, reader)
    async with site.runs(seller) as runtime, site.runs(reader):
        await sell(runtime, range(20))
        await site.until("books", ALL.format(20))
        await site.until("books", WHOLE.format(await last_place(site)))
    then = {name: await site.set_back(postgres, name) for name in ("shop", "books")}
    async with site.runs(seller) as runtime, site.runs(reader):
        await sell(runtime, range(20, 50))
        await site.until("books", ALL.format(50))
    lost = await places_of(site, range(20, 50))
    site.urls |= then
    return lost


async def test_what_both_sides_forgot_is_found_in_the_stream_at_the_next_look(
    site: Site, lost: dict[str, int]
) -> None:
    seller, reader = READ
    with capture_logs() as logs:
        async with site.runs(seller) as runtime, site.runs(reader):
            await sell(runtime, range(50, 60))  # what is new is above what is forgotten
            await site.until("books", ALL.format(30))
            await site.until("books", SET_BACK)
            shown = await forgotten_by(site)
            assert {each["id"]: each["stream_sequence"] for each in shown["messages"]} == lost
            assert sorted(int(each["key"]) for each in shown["messages"]) == list(range(20, 50))
            assert (shown["first"], shown["at_most"]) == (min(lost.values()), 30)
            assert shown["since"] == min(int(id_.replace("-", "")[:12], 16) for id_ in lost)
            await eventually(lambda: gauge("messages") == 30)
            assert gauge("timestamp_seconds") == shown["since"] / 1000
            overview = await site.overview("books", "books-sales")
            assert (overview["missing"], overview["unknown"]) == (0, 0)
    told = [line for line in logs if line["event"] == "database set back"]
    assert [(line["at_most"], line["first"]) for line in told] == [(30, min(lost.values()))]


async def test_a_durable_that_is_rewound_receives_what_was_forgotten_and_names_it_unknown(
    site: Site, lost: dict[str, int]
) -> None:
    seller, reader = READ
    async with site.runs(seller) as runtime, site.runs(reader):
        await sell(runtime, range(50, 60))
        await site.until("books", SET_BACK)
        start = (await forgotten_by(site))["rewind_to"]
        await rewind(site.client, "SHOP", "books-sales", start)
        await site.until("books", ALL.format(60))
        await site.until("books", UNKNOWN.format(30), within=150)  # once their periods are closed
        unknown = await site.sql("books", "select id::text from tallystick.unknown")
        assert sorted(row[0] for row in unknown) == sorted(lost)
        await site.until("books", WHOLE.format(await last_place(site)))
        await eventually(lambda: gauge("messages") == 0)
        assert gauge("timestamp_seconds") is None


async def test_what_the_source_knows_is_missing_and_no_database_was_set_back(site: Site) -> None:
    """A person moves a durable forward: the account has what was passed by published again."""
    seller, reader = READ
    await site.declare(seller, reader)
    async with site.runs(seller) as runtime:
        async with site.runs(reader):
            await sell(runtime, range(20))
            await site.until("books", ALL.format(20))
            await site.until("books", WHOLE.format(await last_place(site)))
        await sell(runtime, range(20, 50))
        await site.until("shop", "not exists (select from tallystick.outbox where sent_at is null)")
        await rewind(site.client, "SHOP", "books-sales", await last_place(site) + 1)
        with capture_logs() as logs:
            async with site.runs(reader):
                await site.until("books", ALL.format(50))
                await site.until("books", WHOLE.format(await last_place(site)))
        assert "database set back" not in [line["event"] for line in logs]
