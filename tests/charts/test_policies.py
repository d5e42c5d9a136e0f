"""The judge of NetworkPolicies itself, case by case as Kubernetes documents them."""

from typing import Any

import pytest

from tests.charts.policies import Connection, End, allowed

WEB = End("web", "here", {"app": "web"}, {"http": 8080})
CLIENT = End("client", "here", {"app": "client"})
FAR = End("far", "there", {"app": "client"})
HOST = End("host", address="10.1.2.3")


def policy(selector: dict[str, Any], **sides: Any) -> dict[str, Any]:
    types = [side.capitalize() for side in sides]
    return {"spec": {"podSelector": selector, "policyTypes": types, **sides}}


def ingress(*rules: dict[str, Any]) -> dict[str, Any]:
    return policy({"matchLabels": {"app": "web"}}, ingress=list(rules))


def reaches(source: End, *policies: dict[str, Any], port: int = 8080, target: End = WEB) -> bool:
    return allowed(policies, Connection(source, target, port), "here")


def test_a_pod_that_no_policy_selects_is_open() -> None:
    assert reaches(HOST, policy({"matchLabels": {"app": "client"}}, ingress=[]))


def test_a_pod_that_one_selects_is_closed_but_for_its_rules() -> None:
    assert not reaches(CLIENT, ingress())
    assert reaches(CLIENT, ingress({}))


def test_policies_add_up() -> None:
    assert reaches(CLIENT, policy({}, ingress=[], egress=[{}]), ingress({}))


def test_both_sides_must_allow_it() -> None:
    assert not reaches(CLIENT, ingress({}), policy({}, egress=[]))


def test_a_policy_of_one_side_leaves_the_other_open() -> None:
    assert reaches(CLIENT, policy({}, egress=[{}]))


def test_policies_of_a_namespace_are_for_its_pods_only() -> None:
    assert reaches(FAR, policy({}, egress=[]))


@pytest.mark.parametrize(("said", "port", "open_"), [("http", 8080, True), ("http", 80, False)])
def test_a_named_port_is_that_of_the_target(said: str, port: int, open_: bool) -> None:
    assert reaches(CLIENT, ingress({"ports": [{"port": said}]}), port=port) is open_


def test_a_port_is_of_one_protocol() -> None:
    assert not reaches(CLIENT, ingress({"ports": [{"port": 8080, "protocol": "UDP"}]}))


@pytest.mark.parametrize(
    ("peer", "who"),
    [
        ({"podSelector": {"matchLabels": {"app": "client"}}}, {CLIENT}),
        ({"podSelector": {}}, {CLIENT, WEB}),
        ({"namespaceSelector": {}}, {CLIENT, WEB, FAR}),
        (
            {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "client"}}},
            {CLIENT, FAR},
        ),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "there"}}}, {FAR}),
        ({"ipBlock": {"cidr": "10.0.0.0/8"}}, {HOST}),
        ({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}, set()),
    ],
)
def test_a_peer_is_pods_or_addresses(peer: dict[str, Any], who: set[End]) -> None:
    rule = ingress({"from": [peer]})
    assert {end for end in (CLIENT, WEB, FAR, HOST) if reaches(end, rule)} == who
