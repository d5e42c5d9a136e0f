"""What a person does first."""

import asyncio

import pytest

from tests.cluster.release import CLUSTER, NAMESPACE, RELEASE

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


async def test_helm_test_places_an_order_and_sees_its_end() -> None:
    process = await asyncio.create_subprocess_exec(
        *("helm", "--namespace", NAMESPACE, "test", RELEASE, "--logs"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    assert "shipped after" in said


async def test_every_pod_is_ready() -> None:
    pods = await CLUSTER.pods()
    assert [pod.name for pod in pods if not pod.ready] == []


async def test_no_secret_is_in_the_release() -> None:
    passwords = [await CLUSTER.secret("postgres", name) for name in ("postgres", "orders")]
    passwords += [await CLUSTER.secret("nats", "orders"), await CLUSTER.secret("admin", "token")]
    process = await asyncio.create_subprocess_exec(
        *("helm", "--namespace", NAMESPACE, "get", "all", RELEASE),
        stdout=asyncio.subprocess.PIPE,
    )
    said = (await process.communicate())[0].decode()
    assert [password for password in passwords if password in said] == []
