"""The samples of the documentation run; their commands are in tests/flow/test_readme.py."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
SAMPLE = re.compile(r"(?ms)^```python\n(.*?)^```")
SAMPLES = [
    pytest.param(code, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, code in enumerate(SAMPLE.findall(page.read_text()))
]


def test_there_are_samples() -> None:
    assert SAMPLES


@pytest.mark.parametrize("code", SAMPLES)
def test_a_sample_runs_as_a_module(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("sample")
    monkeypatch.setitem(sys.modules, "sample", module)
    monkeypatch.chdir(ROOT)
    exec(compile(code, "sample", "exec"), vars(module))


def test_a_sample_of_the_shell_is_marked_as_one() -> None:
    fences = {f for page in PAGES for f in re.findall(r"(?m)^```([a-z]\S*)$", page.read_text())}
    assert fences <= {"sh", "python", "text", "mermaid"}
