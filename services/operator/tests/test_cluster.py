"""Whom the operator trusts, and what it says when Kubernetes does not answer as it should."""

from __future__ import annotations

import ssl

import pytest

from services.operator.tests.conftest import AtUrl, Kubernetes
from tallystick.testing import free_port
from tallystick_operator.cluster import ClusterError, Login


def test_an_authority_that_is_older_than_strictness_is_trusted() -> None:
    context = Login(server="https://kubernetes.default.svc").as_ssl_context()
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_mode == ssl.CERT_REQUIRED


async def test_a_cluster_without_our_kind_is_told_what_to_apply(kmock: object) -> None:
    cluster = AtUrl(str(kmock.url))  # type: ignore[attr-defined]
    with pytest.raises(ClusterError, match=r"no kind topologies\.tallystick\.dev: apply"):
        await cluster.topologies()
    await cluster.close()


async def test_a_cluster_that_is_away_is_an_error_that_says_so() -> None:
    cluster = AtUrl(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ClusterError, match=r"get /apis/tallystick\.dev"):
        await cluster.topologies()
    await cluster.close()


async def test_the_status_of_a_resource_that_is_gone_is_nobodys(kubernetes: Kubernetes) -> None:
    cluster = AtUrl(str(kubernetes.api.url))
    assert await cluster.set_status("nobody", {"messages": 1}) is None
    await cluster.close()
