"""What docs/recovery.md says of a lost disk and of backups, on a platform of processes."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from sandbox.customers import Customers
from tallystick.testing import cluster
from tallystick_local import tally_env
from tallystick_local.plan import TALLY
from tallystick_local.platform import Platform
from tallystick_local.services import ALL
from tallystick_local.settings import Settings

pytestmark = [pytest.mark.siege, pytest.mark.timeout(300)]

FEW = 5
WITHIN = 90.0
KEEPS = ("orders", "payments", "shipping", "newsletter")
REWIND = re.compile(r"tally durable rewind \S+ --to \d+")
TIMES = {"ACCOUNT_PERIOD_S": "1", "ACK_WAIT_S": "2", "SWEEP_S": "0.5"}
READERS_OF_ORDERS = ("newsletter-orders", "payments-open", "shipping-orders")
WELL = "Nothing is missing, and nothing is unknown."
ACCEPT = (
    "tally account accept orders newsletter-orders --reason 'orders was restored; all compared'"
)
LETTERS = "select count(*), count(distinct order_id) from letters where posted_at is not null"


class Site:
    """The platform with the newsletter, the commands of a person, and the dumps of last night."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self.platform = platform
        self._folder = folder
        self.placed = 0

    async def order(self) -> None:
        """Place a few orders, and wait until each has ended and its letter is posted."""
        self.placed += FEW
        await Customers(self.platform.facts.url("orders"), total=FEW).run()
        await self.until_posted(self.placed)

    async def until_posted(self, count: int) -> None:
        """Return when so many letters are posted, each once."""
        async with asyncio.timeout(WITHIN):
            while await self.letters() != (count, count):
                await asyncio.sleep(0.2)

    async def letters(self) -> tuple[int, int]:
        connection = await asyncpg.connect(self.platform.facts.database("newsletter"))
        try:
            (row,) = await connection.fetch(LETTERS)
            return row[0], row[1]
        finally:
            await connection.close()

    async def tally(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a command line of the page."""
        config = str(self._folder / "state" / tally_env.FILE)
        return await asyncio.to_thread(
            subprocess.run,
            [TALLY, *shlex.split(line)[1:]],
            env={**os.environ, "TALLY_CONFIG": config, "COLUMNS": "150", "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    async def until_told(self, line: str, text: str) -> str:
        """Run a command until it says this; return all that it says."""
        said = ""
        try:
            async with asyncio.timeout(WITHIN):
                while text not in said:
                    await asyncio.sleep(0.5)
                    said = (await self.tally(line)).stdout
        except TimeoutError:
            raise AssertionError(f"{line} never said {text!r}:\n{said}") from None
        return said

    async def dump(self, *services: str) -> None:
        for name in services:
            await self._run("pg_dump", "--format=custom", f"--file={self._dump(name)}", name)

    @asynccontextmanager
    async def down(self, *names: str) -> AsyncIterator[None]:
        """Hold processes down until the block ends."""
        keepers = [self.platform.supervisor[name] for name in names]
        for keeper in keepers:
            keeper.hold()
        async with asyncio.timeout(WITHIN):
            while any(keeper.pid for keeper in keepers):
                await asyncio.sleep(0.05)
        yield
        for keeper in keepers:
            keeper.release()

    async def restore(self, *services: str) -> None:
        """Set databases back to what was dumped, while their services are down."""
        async with self.down(*services):
            for name in services:
                await self._run("dropdb", "--force", name)
                await self._run("createdb", f"--owner={name}", name)
                await self._run("pg_restore", f"--dbname={name}", str(self._dump(name)))

    async def _run(self, program: str, *arguments: str) -> None:
        server = urlsplit(self.platform.facts.database("postgres"))
        where = ["--host=127.0.0.1", f"--port={server.port}", f"--username={server.username}"]
        done = await asyncio.to_thread(
            subprocess.run,
            [str(cluster.programs() / program), *where, *arguments],
            env={**os.environ, "PGPASSWORD": server.password or ""},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def _dump(self, name: str) -> Path:
        return self._folder / f"{name}.dump"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    environment = {
        name: {f"{name.upper()}_{key}": value for key, value in TIMES.items()} for name in ALL
    }
    settings = Settings(
        state=tmp_path / "state",
        free_ports=True,
        environment=environment,
        examples=True,
        log_level="error",
    )
    platform = Platform(settings, lambda _name, _text: None)
    async with platform.running():
        yield Site(platform, tmp_path)


async def test_what_is_lost_with_the_brokers_disk_is_published_again(site: Site) -> None:
    await site.order()
    async with site.down("newsletter"):
        await Customers(site.platform.facts.url("orders"), total=FEW).run()
        async with site.down("nats"):
            shutil.rmtree(site.platform.settings.state / "nats" / "jetstream")
    await site.until_posted(2 * FEW)
    await site.until_told("tally account", WELL)


async def test_a_reader_that_was_restored_receives_again_what_it_forgot(site: Site) -> None:
    await site.order()
    await site.dump("newsletter")
    await site.order()
    await site.restore("newsletter")
    await site.until_posted(2 * FEW)
    await site.until_told("tally account", WELL)


async def test_what_a_restored_source_forgot_is_named_until_a_person_accepts_it(site: Site) -> None:
    await site.order()
    await site.dump("orders")
    await site.order()
    await site.restore("orders")
    await site.until_told("tally account", f"{FEW} unknown to orders")
    said = await site.until_told("tally account show newsletter-orders", "UNKNOWN")
    unknown = re.findall(r"[0-9a-f-]{36}", said)
    assert len(unknown) == FEW
    streamed = (await site.tally("tally tail 'evt.orders.>' --since 2h --json")).stdout
    assert [id_ for id_ in unknown if id_ not in streamed] == []
    for reader in READERS_OF_ORDERS:
        await site.until_told(f"tally account show {reader}", "UNKNOWN")
        done = await site.tally(ACCEPT.replace("newsletter-orders", reader))
        assert re.match(rf"{reader}: \d+ accepted that orders denies", done.stdout), done.stderr
    await site.until_told("tally account", WELL)


async def test_what_a_whole_restored_server_forgot_is_received_again_from_the_streams(
    site: Site,
) -> None:
    await site.order()
    await site.until_told("tally account", WELL)
    await site.dump(*KEEPS)
    await site.order()
    await site.restore(*KEEPS)
    await site.until_told("tally account", "database set back")
    said = await site.until_told("tally account show newsletter-orders", "tally durable rewind")
    (command,) = set(REWIND.findall(said))
    done = await site.tally(f"{command} --yes")
    assert done.stdout.startswith("newsletter-orders reads again from "), done.stderr
    await site.until_posted(2 * FEW)
    await site.until_told("tally account", f"{FEW} unknown to orders")
