import stat
from pathlib import Path

from tallystick.testing import OURS
from tallystick_local import tally_env
from tallystick_local.plan import Facts
from tallystick_local.services import MESSAGING
from tallystick_local.settings import Settings

PORTS = {f"{name}-admin": 9001 + number for number, name in enumerate([*MESSAGING, "payments-2"])}
FACTS = Facts(ports={"nats": 4222, **PORTS}, passwords={"admin": "secret"}, account=OURS)


def admin(service: str, name: str = "") -> str:
    return f"{service}=http://127.0.0.1:{PORTS[f'{name or service}-admin']}"


ADMINS = [
    *(admin("orders"), admin("payments"), admin("payments", "payments-2")),
    *(admin(service) for service in MESSAGING if service not in ("orders", "payments")),
]
WRITTEN = f"""\
TALLY_NATS_URL=nats://127.0.0.1:4222
TALLY_ADMIN={",".join(ADMINS)}
TALLY_ADMIN_TOKEN=secret
"""


def settings(state: Path) -> Settings:
    return Settings(state=state, replicas={"payments": 2})


def test_it_names_the_broker_every_replica_and_the_token(tmp_path: Path) -> None:
    tally_env.write(settings(tmp_path), FACTS)
    assert (tmp_path / "tally.env").read_text() == WRITTEN


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    tally_env.write(settings(tmp_path), FACTS)
    assert stat.S_IMODE((tmp_path / "tally.env").stat().st_mode) == 0o600


def test_it_goes_with_the_platform_and_need_not_have_been_there(tmp_path: Path) -> None:
    tally_env.write(settings(tmp_path), FACTS)
    tally_env.forget(tmp_path)
    tally_env.forget(tmp_path)
    assert list(tmp_path.iterdir()) == []
