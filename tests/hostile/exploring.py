"""Asks a service all that its description allows and forbids: hundreds of requests.

    python -m tests.hostile.exploring URL EXAMPLES [NAME=VALUE ...]

The pairs are what paths may name. A process of its own: Hypothesis takes over its random numbers.
"""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case
from schemathesis.checks import positive_data_acceptance
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

UNCHECKED = [
    positive_data_acceptance  # a schema cannot say that a total is affordable, a cursor ours
]


def explore(url: str, examples: int, known: Mapping[str, str]) -> None:
    """Ask every operation what its description allows, then what it forbids."""
    found = list(operations(url))
    for operation in found:
        for mode in GenerationMode:
            ask(operation, mode, known, examples // (2 * len(found)))


def operations(url: str) -> Iterator[APIOperation[Any, Any, Any, Any]]:
    """All operations; what makes others fail on purpose comes last, and is healed."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    found = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    assert len(found) == schema.statistic.operations.total
    yield from sorted(found, key=lambda operation: operation.path == "/faults")


def ask(
    operation: APIOperation[Any, Any, Any, Any],
    mode: GenerationMode,
    known: Mapping[str, str],
    examples: int,
) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def answers_well(case: Case[Any]) -> None:
        case.headers.pop("sandbox-fault", None)
        if mode is GenerationMode.POSITIVE and case.path_parameters:
            case.path_parameters.update({n: known[n] for n in known.keys() & case.path_parameters})
        case.call_and_validate(excluded_checks=UNCHECKED, timeout=30)

    try:
        answers_well()
    except Unsatisfiable:
        assert not list(operation.iter_parameters()), (
            "what takes nothing can be asked nothing wrong"
        )


if __name__ == "__main__":
    address, number, *pairs = sys.argv[1:]
    explore(address, int(number), dict(pair.split("=") for pair in pairs))
