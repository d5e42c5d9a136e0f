import stat
from pathlib import Path

from tallystick.testing import OURS
from tallystick_local import tally_env
from tallystick_local.plan import Facts
from tallystick_local.settings import Settings

NAMES = ("orders", "payments", "payments-2", "shipping", "sandbox")
FACTS = Facts(
    ports={"nats": 4222, **{f"{name}-admin": 9001 + n for n, name in enumerate(NAMES)}},
    passwords={"admin": "secret"},
    account=OURS,
)
WRITTEN = """\
TALLY_NATS_URL=nats://127.0.0.1:4222
TALLY_ADMIN=orders=http://127.0.0.1:9001,payments=http://127.0.0.1:9002,\
payments=http://127.0.0.1:9003,shipping=http://127.0.0.1:9004
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
