"""Makes the secrets of a release that are missing; what exists is kept, whatever its age.

Reads what is wanted from the file that it is given:

    {"random":   {secret: [key, ...]},           # a password each
     "derived":  {secret: {key: template}},      # `${secret/key}` stands for a password of above
     "required": [{"secret", "key", "value"}]}   # somebody else's; `value` is where its name is set

A derived key follows its template, so that a new address reaches those who use it.
Needs Python alone.
"""

import base64
import json
import os
import re
import secrets
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PASSWORD_LENGTH = 48
_REFERENCE = re.compile(r"\$\{([^/}]+)/([^}]+)\}")

Data = dict[str, str]


class Cluster:
    """The secrets of one namespace, over the Kubernetes API."""

    def __init__(
        self, url: str, token: str, namespace: str, trust: ssl.SSLContext | None = None
    ) -> None:
        self.namespace = namespace
        self._url = f"{url}/api/v1/namespaces/{namespace}/secrets"
        self._token = token
        self._trust = trust

    def read(self, name: str) -> Data | None:
        """Return a secret's data, None if there is no such secret."""
        try:
            found = self._ask("GET", f"/{name}")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise
        data: Data = found.get("data") or {}
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def create(self, name: str, data: Data, labels: Data) -> None:
        """Make a secret that does not exist."""
        metadata = {"name": name, "labels": labels}
        self._ask("POST", "", {"metadata": metadata, "type": "Opaque", "stringData": data})

    def change(self, name: str, data: Data) -> None:
        """Set these keys of a secret; the others stay."""
        self._ask("PATCH", f"/{name}", {"stringData": data})

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(  # noqa: S310  # the cluster's own API
            self._url + path,
            method=method,
            data=json.dumps(body).encode() if body else None,
            headers={
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/merge-patch+json"
                if method == "PATCH"
                else "application/json",
            },
        )
        with urllib.request.urlopen(request, context=self._trust, timeout=10) as answer:  # noqa: S310
            return json.load(answer)


def password() -> str:
    """Return a password that needs no quoting in an URL, a shell or a configuration file.

    It can be read as base64, too, which keys for signatures are written in.
    """
    return ("p" + secrets.token_hex(PASSWORD_LENGTH))[:PASSWORD_LENGTH]


def derived(templates: Data, known: dict[str, Data]) -> Data:
    """Return each template with its references replaced."""
    return {
        key: _REFERENCE.sub(lambda found: known[found[1]][found[2]], template)
        for key, template in templates.items()
    }


def complaint(need: Data, found: Data | None, namespace: str) -> str | None:
    """Return what is wrong with somebody else's secret and the command that mends it, if any."""
    if found is not None and need["key"] in found:
        return None
    what = "does not exist" if found is None else f"has no key {need['key']}"
    make = f"kubectl -n {namespace} create secret generic {need['secret']}"
    how = f"{make} --from-literal={need['key']}=..."
    return f"the secret {need['secret']}, named by {need['value']}, {what}: {how}"


def ensure(cluster: Cluster, name: str, wanted: Data, labels: Data) -> None:
    """Let a secret have these values; say so if that took something."""
    found = cluster.read(name)
    if found is None:
        cluster.create(name, wanted, labels)
        print(f"created {name}")
    elif changed := {key: value for key, value in wanted.items() if found.get(key) != value}:
        cluster.change(name, changed)
        print(f"changed {name}: {', '.join(sorted(changed))}")


def run(cluster: Cluster, spec: dict[str, Any]) -> list[str]:
    """Make what is missing; return complaints about what others should have made."""
    needs = [(need, cluster.read(need["secret"])) for need in spec["required"]]
    if complaints := [
        text for need, found in needs if (text := complaint(need, found, cluster.namespace))
    ]:
        return complaints
    known: dict[str, Data] = {}
    for name, keys in spec["random"].items():
        found = cluster.read(name) or {}
        known[name] = {key: found.get(key) or password() for key in keys}
        ensure(cluster, name, known[name], spec["labels"])
    for name, templates in spec["derived"].items():
        ensure(cluster, name, derived(templates, known), spec["labels"])
    return []


def trust(authority: Path) -> ssl.SSLContext:
    """Return whom the cluster trusts; many a cluster's own authority is older than strictness."""
    context = ssl.create_default_context(cafile=str(authority))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def main() -> None:
    """Run with the pod's own account."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    cluster = Cluster(
        f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        (ACCOUNT / "token").read_text(),
        (ACCOUNT / "namespace").read_text(),
        trust(ACCOUNT / "ca.crt"),
    )
    try:
        complaints = run(cluster, json.loads(Path(sys.argv[1]).read_text()))
    except urllib.error.HTTPError as error:
        sys.exit(f"secrets: the cluster refuses: {json.load(error).get('message', error)}")
    except OSError as error:
        sys.exit(f"secrets: the cluster's API does not answer: {error}")
    if complaints:
        sys.exit("\n".join(f"secrets: {text}" for text in complaints))
    print("secrets: all there")


if __name__ == "__main__":
    main()
