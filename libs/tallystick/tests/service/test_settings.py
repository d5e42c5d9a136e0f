import os

import pytest
from pydantic import AnyHttpUrl
from pydantic_settings import SettingsConfigDict

from tallystick._settings import Settings
from tallystick.errors import InvalidSettings


class PaymentSettings(Settings):
    model_config = SettingsConfigDict(env_prefix="PAYMENTS_")
    provider_url: AnyHttpUrl


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("PAYMENTS_DATABASE_URL", "postgresql://me:swordfish@db/payments")
    monkeypatch.setenv("PAYMENTS_PROVIDER_URL", "http://provider")
    return monkeypatch


def test_settings_come_from_the_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PAYMENTS_PORT", "8123")
    environment.setenv("PAYMENTS_NATS_URL", "nats://a:4222,nats://b:4222")
    settings = PaymentSettings()
    assert settings.port == 8123
    assert settings.nats_url == "nats://a:4222,nats://b:4222"
    assert settings.service() == "payments"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "tcp://10.0.0.7:80"),
        ("PORT_80_TCP", "tcp://10.0.0.7:80"),
        ("PORT_80_TCP_ADDR", "10.0.0.7"),
        ("SERVICE_HOST", "10.0.0.7"),
        ("SERVICE_PORT", "80"),
        ("SERVICE_PORT_HTTP", "80"),
        ("ADMIN_PORT", "tcp://10.0.0.7:9000"),
        ("NATS_SERVICE_HOST", "10.0.0.7"),
        ("NATS_PORT_4222_TCP_PROTO", "tcp"),
    ],
)
def test_variables_that_kubernetes_sets_for_a_service_are_no_settings(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(f"PAYMENTS_{name}", value)
    settings = PaymentSettings()
    assert (settings.port, settings.admin_port) == (8000, 9000)
    assert settings.unread({f"PAYMENTS_{name}": value}) == {}


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("PAYMENTS_NATS_ULR", "PAYMENTS_NATS_URL"),
        ("PAYMENTS_DEADLINE", "PAYMENTS_DEADLINE_S"),
        ("PAYMENTS_ZZZZZZZZZZZZZZZZ", ""),
    ],
)
def test_a_variable_that_is_no_setting_is_named_with_the_nearest_one(
    environment: pytest.MonkeyPatch, name: str, nearest: str
) -> None:
    environment.setenv(name, "1")
    assert PaymentSettings.unread(os.environ) == {name: nearest}


def test_secrets_are_not_shown(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PAYMENTS_ADMIN_TOKEN", "swordfish-swordfish")
    assert "swordfish" not in repr(PaymentSettings())


@pytest.mark.usefixtures("environment")
def test_replicas_of_a_process_have_different_names() -> None:
    assert PaymentSettings().replica.split("-")[-1].isdigit()


@pytest.mark.parametrize("url", ["me:swordfish@host", "ftp:/h?key=swordfish", "http://[swordfish@"])
def test_an_url_that_may_hold_a_password_is_not_repeated(
    environment: pytest.MonkeyPatch, url: str
) -> None:
    environment.setenv("PAYMENTS_PROVIDER_URL", url)
    with pytest.raises(InvalidSettings, match="PAYMENTS_PROVIDER_URL is") as raised:
        PaymentSettings()
    assert "swordfish" not in str(raised.value)


def test_all_wrong_settings_are_in_one_message(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("PAYMENTS_DATABASE_URL")
    environment.setenv("PAYMENTS_PORT", "abc")
    with pytest.raises(InvalidSettings) as raised:
        PaymentSettings()
    assert str(raised.value) == (
        'payments: PAYMENTS_DATABASE_URL is missing; PAYMENTS_PORT is "abc": not a whole number'
    )


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("PORT", "70000", 'is "70000": not less than or equal to 65535'),
        ("PORT", "", 'is "": not a whole number'),
        ("SWEEP_S", "0", 'is "0": not greater than 0'),
        ("SWEEP_S", "inf", 'is "inf": not'),
        ("TRACE_RATIO", "nan", 'is "nan": not'),
        ("LOG_FORMAT", "xml", "not 'auto', 'json' or 'text'"),
        ("ADMIN_TOKEN", "secret", "is shorter than 16 characters"),
        ("DATABASE_URL", "mysql://me:secret@db", "is not a URL that starts with postgresql://"),
        ("NATS_URL", "http://me:secret@nats", "is not a comma-separated list of URLs"),
        ("REPLICA", "a b", 'is "a b": not 1 to 128 letters'),
        ("PROVIDER_URL", "nowhere", 'is "nowhere": not a valid URL'),
    ],
)
def test_a_wrong_setting_is_named_with_its_reason(
    environment: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    environment.setenv(f"PAYMENTS_{name}", value)
    with pytest.raises(InvalidSettings) as raised:
        PaymentSettings()
    assert str(raised.value).startswith(f"payments: PAYMENTS_{name} is ")
    assert reason in str(raised.value)
    assert "secret" not in str(raised.value)
