"""Every sabotage can be loaded, and what it replaces is there."""

from importlib import import_module
from types import ModuleType

import pytest

from tallystick._account import statements  # inside: what sabotages replace
from tests.drill.faults import KINDS, Fault
from tests.drill.replacing import without
from tests.drill.run import BREAKS, Drill, sabotaged


def module_of(name: str) -> ModuleType:
    return import_module(f"tests.drill.sabotage.{name.replace('-', '_')}")


@pytest.mark.parametrize("name", BREAKS)
def test_a_sabotage_brings_faults_that_exist(name: str) -> None:
    drill = sabotaged(Drill(sabotage=name))
    planned = [*(drill.exactly or ()), *(Fault(0, *each) for each in drill.given or ())]
    assert planned
    assert all(fault.target in KINDS[fault.kind].targets for fault in planned)
    assert all(fault.at + fault.duration < drill.span for fault in planned)


@pytest.mark.parametrize("name", BREAKS)
def test_a_sabotage_says_in_one_sentence_what_is_broken(name: str) -> None:
    first, *_ = (module_of(name).__doc__ or "").splitlines()
    assert first.endswith(".")


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("no-compare-and-set", "o.republication = seen_republication"),
        ("unsent-lost", "o.stream_sequence is not null"),
    ],
)
def test_a_sabotage_of_a_statement_takes_a_condition_out(
    name: str, gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gone in statements.REPUBLISH
    monkeypatch.setattr(statements, "REPUBLISH", statements.REPUBLISH)
    from tallystick._account.comparison import Comparison  # noqa: PLC0415  # inside: what is patched

    monkeypatch.setattr(Comparison, "_fates", Comparison._fates)
    module_of(name).sabotage()
    assert gone not in statements.REPUBLISH


def test_a_part_that_a_statement_has_no_more_is_an_error() -> None:
    with pytest.raises(ValueError, match="'where' is not in 'select 1'"):
        without("where", "select 1")
