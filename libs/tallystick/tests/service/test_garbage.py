import gc
from collections.abc import Iterator

import pytest

from tallystick._service.garbage import NEW_OBJECTS, keep_what_is_loaded


@pytest.fixture
def _as_it_was() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


class Node:
    """Refers to itself, so that only the collector frees it."""

    def __init__(self, freed: list[str]) -> None:
        self.freed = freed
        self.itself = self

    def __del__(self) -> None:
        self.freed.append("new")


@pytest.mark.usefixtures("_as_it_was")
def test_what_is_loaded_is_kept_and_what_is_new_and_lost_is_still_freed() -> None:
    freed = list[str]()
    keep_what_is_loaded()
    assert gc.get_freeze_count() > NEW_OBJECTS
    Node(freed)
    kept = [[] for _ in range(2 * NEW_OBJECTS)]  # type: ignore[var-annotated]  # of nothing
    assert freed == ["new"]
    assert kept
