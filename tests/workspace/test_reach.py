"""Tests reach the library by its public face; those that must look inside say why."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "libs" / "tallystick" / "tests"
WINGS = {path for path in TESTS.iterdir() if path.is_dir()}
"""A folder here is named after a wing of the library: what is in it looks into that wing."""


def _tests() -> list[Path]:
    folders = (ROOT / "tests", TESTS, *ROOT.glob("*/*/tests"), ROOT / "examples")
    found = {path for folder in folders for path in folder.rglob("*.py")}
    return sorted(path for path in found if not WINGS & set(path.parents))


def _private(node: ast.AST) -> bool:
    match node:
        case ast.ImportFrom(module=str(module), names=names):
            inside = module == "tallystick" and any(a.name.startswith("_") for a in names)
            return inside or module.startswith("tallystick._")
        case ast.Import(names=names):
            return any(alias.name.startswith("tallystick._") for alias in names)
    return False


def test_a_test_that_looks_inside_the_library_says_why() -> None:
    silent = []
    for path in _tests():
        lines = path.read_text().splitlines()
        for node in ast.walk(ast.parse("\n".join(lines))):
            if _private(node):
                said = lines[node.lineno - 1 : node.end_lineno]  # type: ignore[attr-defined]
                if not any("# inside: " in line for line in said):
                    silent.append(f"{path.relative_to(ROOT)}:{node.lineno}")  # type: ignore[attr-defined]
    assert silent == []
