"""The platform on a broker whose users may do what the committed documents say, and no more."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from orders import statistics
from tallystick.testing import NatsServer, nats_server
from tallystick.topology import Permissions
from tallystick_local.services import SERVICES
from tests.platform import Platform, running

FOLDER = Path(__file__).parents[2] / "helm" / "tallystick" / "topology"
DECLINED = "tok_declined"


class Guarded(Platform):
    """Each service logs in as its own user."""

    def broker_url(self, service: str) -> str:
        return self.broker.url_of(service)


@pytest.fixture(scope="module")
def guarded() -> Iterator[NatsServer]:
    users = {file.stem: permissions(file) for file in FOLDER.glob("*.json")}
    with nats_server(users=users) as server:
        yield server


def permissions(file: Path) -> Permissions:
    said = json.loads(file.read_text())["permissions"]
    return Permissions(tuple(said["publish"]), tuple(said["subscribe"]))


@pytest.fixture
async def platform(guarded: NatsServer, databases: Mapping[str, str]) -> AsyncIterator[Platform]:
    async with running(guarded, databases, SERVICES, Guarded) as platform:
        yield platform


async def test_orders_end_and_quotes_are_given_and_nothing_is_refused(platform: Platform) -> None:
    with capture_logs() as logs:
        shipped, declined = await platform.place(), await platform.place(payment_token=DECLINED)
        assert (await shipped.end())[0] == "shipped"
        assert (await declined.end())[0] == "declined"
        assert (await quoted(platform))["estimated"] is False
        orders = platform.runtime("orders").parts
        assert (await statistics.rebuild(orders.database, orders.broker)).sequence > 0
    assert [line for line in logs if "ermissions" in str(line)] == []


async def quoted(platform: Platform) -> dict[str, object]:
    url = f"{platform.url('orders')}/shipping-quotes?country=GB&quantity=1"
    async with platform.http.get(url) as answer:
        body: dict[str, object] = await answer.json()
        return body
