import itertools
import socket

import pytest

from tallystick.testing import free_port, is_free
from tallystick_local.errors import BusyPortError, WrongSettingError
from tallystick_local.ports import DEFAULTS, asked, choose


def test_the_usual_ports_are_taken_when_they_are_free() -> None:
    assert choose(DEFAULTS, {}, lambda _: True, free_port) == DEFAULTS


def test_a_busy_usual_port_gives_way_to_a_free_one() -> None:
    chosen = choose({"nats": 4222}, {}, lambda port: port != 4222, lambda: 20_000)
    assert chosen == {"nats": 20_000}


def test_no_two_names_get_one_port() -> None:
    offers = itertools.chain([20_000] * 5, itertools.count(20_000))
    chosen = choose(dict.fromkeys("abc", 0), {}, lambda _: True, lambda: next(offers))
    assert sorted(chosen.values()) == [20_000, 20_001, 20_002]


def test_a_port_that_was_asked_for_is_taken() -> None:
    assert choose({"nats": 4222}, {"nats": 9}, lambda _: True, free_port) == {"nats": 9}


def test_a_busy_port_that_was_asked_for_is_refused_by_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BusyPortError, match=rf"{port} \(ORDERS_ADMIN_PORT\)"):
            choose(DEFAULTS, {"orders-admin": port}, is_free, free_port)


def test_ports_are_asked_for_by_the_environment() -> None:
    assert asked({"NATS_PORT": "5222", "ORDERS_ADMIN_PORT": "1"}) == {
        "orders-admin": 1,
        "nats": 5222,
    }


@pytest.mark.parametrize("text", ["", "x", "0", "65536", "-1"])
def test_what_is_no_port_is_refused_by_its_variable(text: str) -> None:
    with pytest.raises(WrongSettingError, match="NATS_PORT"):
        asked({"NATS_PORT": text})
