"""The charts in every shape, against helm and Kubernetes' own schemas: `make check-charts`."""

from collections import Counter

import pytest

from tests.charts.kubernetes import violations
from tests.charts.rendering import HELM, REPOSITORY, Refused, helm, render
from tests.charts.shapes import EVERY, FILES

pytestmark = pytest.mark.helm

OTHERS = ("monitoring.coreos.com/v1", "tallystick.dev/v1alpha1")
"""Resources that are not Kubernetes' own."""


@pytest.mark.parametrize("kubernetes", ["1.33", "1.37"])
@pytest.mark.parametrize(("chart", "flags"), EVERY)
def test_every_shape_is_valid(chart: str, flags: list[str], kubernetes: str) -> None:
    documents = render(chart, *flags, kubernetes=kubernetes)
    ours = [each for each in documents if each["apiVersion"] not in OTHERS]
    assert [found for each in ours for found in violations(each, kubernetes)] == []


@pytest.mark.parametrize("kubernetes", [f"1.{minor}" for minor in range(33, 38)])
@pytest.mark.parametrize("files", FILES.values(), ids=FILES)
def test_the_values_that_are_given_are_valid_on_every_kubernetes(
    files: list[str], kubernetes: str
) -> None:
    values = [f"--values={REPOSITORY / 'deploy' / file}" for file in files]
    documents = render("tallystick", *values, kubernetes=kubernetes)
    ours = [each for each in documents if each["apiVersion"] not in OTHERS]
    assert [found for each in ours for found in violations(each, kubernetes)] == []


@pytest.mark.parametrize(("chart", "flags"), EVERY)
def test_every_object_is_made_once(chart: str, flags: list[str]) -> None:
    made = Counter((each["kind"], each["metadata"]["name"]) for each in render(chart, *flags))
    assert [name for name, times in made.items() if times > 1] == []


@pytest.mark.parametrize(("chart", "flags"), EVERY)
def test_every_shape_passes_lint(chart: str, flags: list[str]) -> None:
    helm("lint", "--strict", str(HELM / chart), *flags)


@pytest.mark.parametrize(
    "flag",
    ["ordres.enabled=false", "orders.replica=2", "nats.replica=3", "sandbox.customers.rat=1"],
)
def test_a_misspelt_key_is_refused(flag: str) -> None:
    with pytest.raises(Refused, match=r"additional properties '.*' not allowed"):
        render("tallystick", f"--set={flag}")
