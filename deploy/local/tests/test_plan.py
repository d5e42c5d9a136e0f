import signal
from pathlib import Path
from typing import Any

import pytest

from payments.signature import keys
from tallystick.testing import Account
from tallystick_local.errors import WrongSettingError
from tallystick_local.plan import Facts, names, plan
from tallystick_local.platform import Platform
from tallystick_local.services import ALL, EXAMPLES, SERVICES
from tallystick_local.settings import Settings, replicas
from tallystick_local.spec import HttpOk, ProcessSpec, Stage

PORTS = {
    name: 10_000 + number
    for number, name in enumerate(
        ["nats", "postgres"]
        + [f"{s}{r}{k}" for s in ALL for r in ("", "-2", "-3") for k in ("", "-admin")]
    )
}
PASSWORDS = {
    name: f"{name}-password-of-some-length" for name in ("postgres", "admin", "webhook", *ALL)
}
FACTS = Facts(ports=PORTS, passwords=PASSWORDS, account=Account(65534, 65534))


def planned(**settings: Any) -> dict[str, ProcessSpec]:
    return {spec.name: spec for spec in plan(Settings(state=Path("/s"), **settings), FACTS)}


def test_the_servers_start_before_the_services() -> None:
    stages = {name: spec.stage for name, spec in planned().items()}
    assert stages == {
        "nats": Stage.SERVERS,
        "postgres": Stage.SERVERS,
        **dict.fromkeys(SERVICES, Stage.SERVICES),
    }


def test_a_service_gets_its_own_database_and_its_neighbours() -> None:
    environment = planned()["payments"].environment
    assert environment["PAYMENTS_DATABASE_URL"] == (
        f"postgresql://payments:payments-password-of-some-length@127.0.0.1:{PORTS['postgres']}/payments"
    )
    assert environment["PAYMENTS_NATS_URL"] == f"nats://127.0.0.1:{PORTS['nats']}"
    assert environment["PAYMENTS_PROVIDER_URL"] == f"http://127.0.0.1:{PORTS['sandbox']}"
    assert environment["PAYMENTS_ADMIN_TOKEN"] == "admin-password-of-some-length"


def test_an_example_runs_with_its_neighbours_if_it_is_asked_for() -> None:
    assert planned().keys() & EXAMPLES.keys() == set()
    environment = planned(examples=True)["newsletter"].environment
    assert environment["NEWSLETTER_NATS_URL"] == f"nats://127.0.0.1:{PORTS['nats']}"
    assert environment["NEWSLETTER_MAILER_URL"] == f"http://127.0.0.1:{PORTS['sandbox']}"
    assert environment["NEWSLETTER_DATABASE_URL"].endswith("/newsletter")


def test_the_sandbox_tells_payments_by_webhooks_under_one_secret() -> None:
    sandbox, payments = planned()["sandbox"].environment, planned()["payments"].environment
    url = f"http://127.0.0.1:{PORTS['payments']}/webhooks/provider"
    assert sandbox["SANDBOX_WEBHOOK_URL"] == url
    assert sandbox["SANDBOX_WEBHOOK_SECRET"] == payments["PAYMENTS_WEBHOOK_SECRETS"]
    assert keys(payments["PAYMENTS_WEBHOOK_SECRETS"]) == [b"webhook-password-of-some-length"]


def test_the_sandbox_knows_no_broker() -> None:
    assert not any("NATS" in name for name in planned()["sandbox"].environment)


def test_replicas_have_ports_of_their_own_and_the_first_is_the_public_one() -> None:
    specs = planned(replicas={"orders": 3})
    addresses = [specs[name].address for name in names("orders", 3)]
    assert addresses[0] == f"http://127.0.0.1:{PORTS['orders']}"
    assert len(set(addresses)) == 3
    assert specs["orders-2"].alive == HttpOk(f"http://127.0.0.1:{PORTS['orders-2-admin']}/livez")


def test_no_replica_is_a_choice() -> None:
    assert "payments" not in planned(replicas={"payments": 0})


def test_more_environment_wins() -> None:
    more = {"payments": {"PAYMENTS_NATS_URL": "nats://127.0.0.1:1"}}
    assert planned(environment=more)["payments"].environment["PAYMENTS_NATS_URL"].endswith(":1")


def test_the_database_ends_by_a_fast_shutdown_and_as_its_own_user() -> None:
    spec = planned()["postgres"]
    assert spec.stop_signal == signal.SIGINT
    assert spec.account == Account(65534, 65534)


def test_the_environment_asks_for_replicas() -> None:
    assert replicas({"REPLICAS_PAYMENTS": "3", "REPLICAS_NOBODY": "9"}) == {"payments": 3}


@pytest.mark.parametrize("text", ["", "many", "-1", "17"])
def test_a_wrong_number_of_replicas_is_refused_by_its_variable(text: str) -> None:
    with pytest.raises(WrongSettingError, match="REPLICAS_ORDERS"):
        replicas({"REPLICAS_ORDERS": text})


def test_the_addresses_of_a_platform_name_every_admin_port(tmp_path: Path) -> None:
    platform = Platform(Settings(state=tmp_path, free_ports=True), lambda *_: None)
    found = platform.addresses()
    admins = [f"http://127.0.0.1:{platform.facts.ports[f'{name}-admin']}" for name in SERVICES]
    assert [found[f"{name}-admin"] for name in SERVICES] == admins
