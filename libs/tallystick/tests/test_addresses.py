"""An address that is shown contains no part of a password, however its URL was written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick._addresses import HIDDEN, address_of  # inside: one function that every wing uses
from tallystick._settings import Settings  # inside: one function that every wing uses
from tallystick.errors import InvalidSettings


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("postgresql://me:secret@host:5432/shop", "host:5432/shop"),
        ("postgresql://host/shop?password=secret", "host/shop"),
        ("postgresql://host/shop?user=me&password=secret#x", "host/shop"),
        ("postgresql://me:se%40cret@host/shop?sslmode=require", "host/shop"),
        ("postgresql://me:se@cret@host/shop", "host/shop"),
        ("postgresql://me@host", "host"),
        ("postgresql://a:1,b:2/shop", "a:1,b:2/shop"),
        ("postgresql:///shop?host=/run&password=secret", "/shop"),
        ("postgresql://[::1]:5432/shop", "[::1]:5432/shop"),
        ("nats://token-secret@a:4222, tls://me:secret@b:4222", "a:4222,b:4222"),
        ("nats://a:4222,b:4222", "a:4222,b:4222"),
        ("http://me:secret@collector:4318/v1?token=secret", "collector:4318/v1"),
        ("http://collector/", "collector"),
        ("host:4222", "host:4222"),
        # Which part is the password? It is not certain, so nothing is shown.
        ("postgresql://me:sec/ret@host/shop", HIDDEN),
        ("postgresql://me:sec?ret@host/shop", HIDDEN),
        ("postgresql://me:sec#ret@host/shop", HIDDEN),
        ("postgresql://me:s@sec/ret@host/shop", HIDDEN),
        ("postgresql://host/shop?password=sec@ret", HIDDEN),
        ("postgresql://me:secret", HIDDEN),
        ("postgresql://me:s\u2100ret@ho\u2100st/shop", HIDDEN),
        ("http://ho\nst/", HIDDEN),
        ("http://host/a\x1b[2Jb", HIDDEN),
        ("host=db password=secret", HIDDEN),
    ],
)
def test_an_address_is_host_port_and_path(url: str, address: str) -> None:
    assert address_of(url) == address


@given(st.text(min_size=1), st.sampled_from(["", "/shop", "/shop?a=b", "?password={}", "/x#{}"]))
def test_no_password_is_shown_however_it_is_written(noise: str, tail: str) -> None:
    password = f"Sw{noise}fish"
    shown = address_of(f"postgresql://me:{password}@host:5432{tail.format(password)}")
    assert shown in ("host:5432", "host:5432/shop", "host:5432/x", HIDDEN)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("database_url", "mysql://me:xyzzy@host/shop"),
        ("database_url", "postgresql://me:xy/zzy@host/shop"),
        ("database_url", "postgresql://me:xy#zzy@host/shop"),
        ("database_url", "postgresql://me:xy\u2100zzy@ho\u2100st/shop"),
        ("database_url", "postgresql://[me:xyzzy@host"),
        ("nats_url", "http://me:xyzzy@host"),
        ("nats_url", "nats://me:xy/zzy@host"),
        ("nats_url", "nats://me:xyzzy@ho\u2100st"),
        ("otlp_endpoint", "ftp://me:xyzzy@host"),
        ("otlp_endpoint", "http://me:xy#zzy@host"),
    ],
)
def test_a_wrong_url_is_refused_without_a_word_of_it(field: str, value: str) -> None:
    values = {"database_url": "postgresql://db", field: value}
    with pytest.raises(InvalidSettings) as raised:
        Settings(**values)
    assert "xy" not in str(raised.value)
    assert "zzy" not in str(raised.value)
    assert field.upper() in str(raised.value)


def test_no_url_is_shown_among_the_settings() -> None:
    shown = repr(
        Settings(
            database_url="postgresql://me:xyzzy@db",
            nats_url="nats://me:xyzzy@db",
            otlp_endpoint="http://me:xyzzy@db",
        )
    )
    assert "xyzzy" not in shown
