"""The calls to the Kubernetes API beside kopf's: list resources, and set a resource's status."""

from __future__ import annotations

import ssl
from dataclasses import fields
from typing import Any

import aiohttp
import kopf

from tallystick_operator.resources import Body
from tallystick_operator.status import Status

GROUP, VERSION, PLURAL = "tallystick.dev", "v1alpha1", "topologies"
ANSWER_WITHIN = aiohttp.ClientTimeout(total=10)
CRD = f"{PLURAL}.{GROUP}"


class ClusterError(Exception):
    """Kubernetes refused a request or did not answer."""


class Login(kopf.ConnectionInfo):
    """Credentials that trust a cluster's own authority, even one that Python finds too old."""

    def as_ssl_context(self) -> ssl.SSLContext:
        """Return a context without the strict checks of Python 3.13 and later.

        They would refuse an authority whose certificate has no key usage.
        """
        context = super().as_ssl_context()
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context


class Cluster:
    """A client with the credentials of the pod's service account, or of a kubeconfig."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._session: aiohttp.ClientSession | None = None
        self._settings = kopf.OperatorSettings()

    def login(self, **_: Any) -> kopf.ConnectionInfo:
        """Return the credentials as they are now, because a pod's token is renewed every hour."""
        arguments: dict[str, Any] = {"settings": self._settings}
        found = kopf.login_with_service_account(**arguments)
        found = found or kopf.login_with_kubeconfig(**arguments)
        if found is None:
            raise kopf.LoginError("there is neither a service account nor a kubeconfig")
        return Login(**{one.name: getattr(found, one.name) for one in fields(found)})

    async def topologies(self) -> list[Body]:
        """Return all resources of the namespace; raise ClusterError, also without their CRD."""
        answer = await self._ask("get", self._path())
        items: list[Body] = answer["items"]
        return items

    async def set_status(self, name: str, status: Status) -> Body | None:
        """Return the resource with its new status, or None if it is gone; raise ClusterError."""
        path = f"{self._path()}/{name}/status"
        patched: Body | None = await self._ask("patch", path, {"status": status}, may_be_gone=True)
        return patched

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _path(self) -> str:
        return f"/apis/{GROUP}/{VERSION}/namespaces/{self._namespace}/{PLURAL}"

    async def _ask(
        self, method: str, path: str, body: Status | None = None, *, may_be_gone: bool = False
    ) -> Any:
        login = self.login()
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=login.as_ssl_context())
            self._session = aiohttp.ClientSession(connector=connector, timeout=ANSWER_WITHIN)
        headers = login.as_http_headers() | {"Content-Type": "application/merge-patch+json"}
        url = login.server.rstrip("/") + path
        try:
            async with self._session.request(method, url, json=body, headers=headers) as answer:
                if answer.status == 404 and may_be_gone:
                    return None
                if answer.status == 404:
                    raise ClusterError(f"there is no kind {CRD}: apply the chart's crds/ first")
                if answer.status >= 400:
                    raise ClusterError(f"{method} {path}: {answer.status} {await answer.text()}")
                return await answer.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ClusterError(f"{method} {path}: {error!r}") from error
