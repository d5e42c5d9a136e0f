from pathlib import Path

import pytest

from tallystick_skeleton.naming import Refused, check

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ["zebra", "zebra2", "order", "a" * 30])
def test_a_plain_word_is_a_name(name: str) -> None:
    check(name, ROOT)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "make service NAME=loyalty"),
        ("Loyalty", "a-z and 0-9"),
        ("2nd", "beginning with a letter"),
        ("gift-cards", "a-z and 0-9"),
        ("gift_cards", "a-z and 0-9"),
        ("gift cards", "a-z and 0-9"),
        ("loyalty\n", "a-z and 0-9"),
        ("../loyalty", "a-z and 0-9"),
        ("a" * 31, "1 to 30"),
        ("class", "a keyword of Python"),
        ("json", "a module that Python finds here"),
        ("fastapi", "a module that Python finds here"),
        ("tests", "a module that Python finds here"),
        ("orders", "a service that there is already"),
        ("operator", "a service that there is already"),
        ("money", "a module of the contracts"),
        ("grafana", "another part of the platform"),
        ("webhook", "another part of the platform"),
        ("dashboards", "taken by the package tallystick-dashboards"),
    ],
)
def test_a_name_that_cannot_be_had_is_refused_with_its_reason(name: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        check(name, ROOT)
