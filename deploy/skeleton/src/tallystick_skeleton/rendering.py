"""The files of a new service, from the templates: `{{name}}` in a path or a text is its name."""

from pathlib import Path
from typing import Final

TEMPLATES: Final = Path(__file__).parent / "templates"
SUFFIX: Final = ".tmpl"
"""No tool takes a template for what it becomes."""


def rendered(name: str) -> dict[str, str]:
    """Return the text of each file by its path from the root of a checkout."""
    return {
        _filled(template.relative_to(TEMPLATES).as_posix(), name).removesuffix(SUFFIX): _filled(
            template.read_text(), name
        )
        for template in sorted(TEMPLATES.rglob(f"*{SUFFIX}"))
    }


def render(root: Path, name: str) -> list[Path]:
    """Write the files of a new service into a checkout and return their paths."""
    written = []
    for path, text in rendered(name).items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        written.append(file)
    return written


def _filled(text: str, name: str) -> str:
    return text.replace("{{name}}", name).replace("{{NAME}}", name.upper())
