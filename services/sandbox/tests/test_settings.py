"""Faults by configuration: as one JSON or one by one, and refused by the setting's name."""

import pytest

from sandbox.faults import Faults, Rates
from sandbox.settings import Settings
from tallystick import TallystickError


@pytest.fixture(autouse=True)
def _database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_DATABASE_URL", "postgresql://localhost/sandbox")


def test_nothing_goes_wrong_unless_told() -> None:
    assert Settings().faults == Faults(seed=1, provider=Rates(), carrier=Rates())


def test_faults_are_set_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_FAULTS", '{"seed": 7, "carrier": {"refusal": 0.1}}')
    assert Settings().faults == Faults(seed=7, carrier=Rates(refusal=0.1))


def test_faults_are_set_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_FAULTS__PROVIDER__RESET_AFTER", "0.05")
    monkeypatch.setenv("SANDBOX_FAULTS__SEED", "9")
    assert Settings().faults == Faults(seed=9, provider=Rates(reset_after=0.05))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SANDBOX_FAULTS__PROVIDER__LATE", "2"),
        ("SANDBOX_FAULTS__PROVIDER__TELEPORT", "0.1"),
        ("SANDBOX_FAULTS__WEBHOOKS__LATE", "2"),
        ("SANDBOX_SILENCE_S", "0"),
        ("SANDBOX_WEBHOOK_URL", "nowhere"),
        ("SANDBOX_WEBHOOK_SECRET", "hunter22"),
    ],
)
def test_nonsense_is_refused_by_the_name_of_its_setting(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(TallystickError, match=name.partition("__")[0]):
        Settings()


def test_webhooks_need_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_WEBHOOK_URL", "http://127.0.0.1:8002/webhooks/provider")
    with pytest.raises(TallystickError, match="SANDBOX_WEBHOOK_SECRET is missing"):
        Settings()
