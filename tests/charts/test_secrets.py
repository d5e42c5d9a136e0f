"""The job that makes the secrets of a release, against an API of our own."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from helm.tallystick.files import make_secrets
from tests.charts.api import TOKEN, Secrets, serving

SPEC: dict[str, Any] = {
    "random": {"shop-nats": ["orders"], "shop-admin": ["token"]},
    "derived": {"shop-orders": {"nats-url": "nats://orders:${shop-nats/orders}@shop-nats:4222"}},
    "required": [],
    "labels": {"app.kubernetes.io/instance": "shop"},
}
THEIRS = {"secret": "db", "key": "url", "value": "orders.database.secret"}


@pytest.fixture
def kept() -> Iterator[Secrets]:
    with serving() as secrets:
        yield secrets


def run(kept: Secrets, **changes: Any) -> list[str]:
    return make_secrets.run(make_secrets.Cluster(kept.url, TOKEN, "test"), SPEC | changes)


def test_what_is_missing_is_made(kept: Secrets) -> None:
    assert run(kept) == []
    assert set(kept.data) == {"shop-nats", "shop-admin", "shop-orders"}
    assert kept.labels["shop-orders"] == SPEC["labels"]


def test_passwords_differ_and_need_no_quoting(kept: Secrets) -> None:
    run(kept)
    passwords = [kept.data["shop-nats"]["orders"], kept.data["shop-admin"]["token"]]
    assert len(set(passwords)) == 2
    assert all(password.isalnum() and len(password) > 40 for password in passwords)
    assert all(len(base64.b64decode(password, validate=True)) == 36 for password in passwords)


def test_an_address_carries_the_password_it_needs(kept: Secrets) -> None:
    run(kept)
    password = kept.data["shop-nats"]["orders"]
    assert kept.data["shop-orders"] == {"nats-url": f"nats://orders:{password}@shop-nats:4222"}


def test_a_second_run_changes_nothing(kept: Secrets) -> None:
    run(kept)
    before, kept.changes = {name: dict(data) for name, data in kept.data.items()}, []
    run(kept)
    assert (kept.data, kept.changes) == (before, [])


def test_a_key_that_is_new_is_added_and_the_others_stay(kept: Secrets) -> None:
    run(kept)
    password = kept.data["shop-nats"]["orders"]
    run(kept, random=SPEC["random"] | {"shop-nats": ["orders", "payments"]})
    assert kept.data["shop-nats"]["orders"] == password
    assert set(kept.data["shop-nats"]) == {"orders", "payments"}


def test_a_new_address_is_told_with_the_old_password(kept: Secrets) -> None:
    run(kept)
    password = kept.data["shop-nats"]["orders"]
    moved = {"shop-orders": {"nats-url": "tls://orders:${shop-nats/orders}@other:4222"}}
    run(kept, derived=moved)
    assert kept.data["shop-orders"]["nats-url"] == f"tls://orders:{password}@other:4222"


def test_somebody_elses_secret_that_is_missing_is_told_with_the_command_that_makes_it(
    kept: Secrets,
) -> None:
    [complaint] = run(kept, required=[THEIRS])
    assert "the secret db, named by orders.database.secret, does not exist" in complaint
    assert "kubectl -n test create secret generic db --from-literal=url=..." in complaint
    assert kept.data == {}


def test_a_key_that_is_missing_is_told_too(kept: Secrets) -> None:
    kept.data["db"] = {"uri": "postgresql://"}
    assert "has no key url" in run(kept, required=[THEIRS])[0]
