"""Which connections NetworkPolicies allow, as Kubernetes defines it, judged from manifests."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from tests.charts.rendering import Document


@dataclass(frozen=True)
class End:
    """A pod, with the ports that have names; or, without a namespace, an address outside."""

    name: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    ports: Mapping[str, int] = field(default_factory=dict, hash=False)
    address: str = ""


@dataclass(frozen=True)
class Connection:
    """A connection that is tried; `port` is the target's own."""

    source: End
    target: End
    port: int
    protocol: str = "TCP"


def allowed(policies: Iterable[Document], tried: Connection, namespace: str) -> bool:
    """Return whether the policies, all of one namespace, let it out and in."""
    both = (("egress", tried.source, tried.target), ("ingress", tried.target, tried.source))
    return all(_passes(policies, tried, namespace, *side) for side in both)


def _passes(
    policies: Iterable[Document], tried: Connection, namespace: str, side: str, own: End, other: End
) -> bool:
    specs = [
        policy["spec"]
        for policy in policies
        if own.namespace == namespace and _selects(policy["spec"]["podSelector"], own.labels)
        if side.capitalize() in policy["spec"]["policyTypes"]
    ]
    rules = [rule for spec in specs for rule in spec.get(side) or []]
    peers = {"ingress": "from", "egress": "to"}[side]
    return not specs or any(
        _any(rule.get("ports"), lambda port: _is_port(port, tried))
        and _any(rule.get(peers), lambda peer: _is_peer(peer, other, namespace))
        for rule in rules
    )


def _any(said: list[Any] | None, matches: Callable[[Any], bool]) -> bool:
    return not said or any(matches(one) for one in said)


def _is_port(said: Mapping[str, Any], tried: Connection) -> bool:
    assert set(said) <= {"port", "protocol"}, said
    number = said["port"] if isinstance(said["port"], int) else tried.target.ports.get(said["port"])
    return number == tried.port and said.get("protocol", "TCP") == tried.protocol


def _is_peer(peer: Mapping[str, Any], other: End, namespace: str) -> bool:
    assert peer, "an empty peer is refused by Kubernetes"
    if block := peer.get("ipBlock"):
        return bool(other.address) and _is_in(other.address, block)
    if not other.namespace:
        return False
    named = {"kubernetes.io/metadata.name": other.namespace}
    if "namespaceSelector" in peer:
        here = _selects(peer["namespaceSelector"], named)
    else:
        here = other.namespace == namespace
    return here and _selects(peer.get("podSelector", {}), other.labels)


def _is_in(address: str, block: Mapping[str, Any]) -> bool:
    found = ip_address(address)
    without = (ip_network(one) for one in block.get("except", ()))
    return found in ip_network(block["cidr"]) and not any(found in one for one in without)


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    assert set(selector) <= {"matchLabels"}, selector
    wanted: Mapping[str, str] = selector.get("matchLabels", {})
    return wanted.items() <= labels.items()
