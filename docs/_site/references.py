"""Where names and links lead: public names to their description, runbooks to their section.

The page of the runbooks has a section for each file of `deploy/runbooks`.
"""

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

OURS = "tallystick"
RUNBOOKS = Path(__file__).parents[2] / "deploy" / "runbooks"
_RUNBOOK = re.compile(r"\]\(\.\./deploy/runbooks/(\w+)\.md\)")
MODULES = (
    "tallystick",
    "tallystick.errors",
    "tallystick.outside",
    "tallystick.topology",
    "tallystick.testing",
    "tallystick.cli",
    "tallystick.limiter",
    "tallystick.tasks",
)


def resolve(
    app: Sphinx, env: BuildEnvironment, node: Any, text: nodes.TextElement
) -> nodes.Node | None:
    """Lead `tallystick._broker.broker.Broker` to `tallystick.Broker`.

    A public name that is described nowhere stays unresolved, which fails the build; what is
    private or another project's is shown as text.
    """
    if node.get("refdomain") != "py":
        return None
    target: str = node["reftarget"]
    last = target.rpartition(".")[2]
    python: Any = env.domains["py"]
    for module in MODULES:
        if (name := f"{module}.{last}") in python.objects:
            return python.resolve_xref(  # type: ignore[no-any-return]
                env, node["refdoc"], app.builder, "obj", name, node, text
            )
    is_public = target.partition(".")[0] == OURS and "._" not in target
    return None if is_public else text


def lead_to_runbooks(_: Sphinx, __: str, source: list[str]) -> None:
    """Lead links to a runbook's file, as the repository has them, to its section of the site."""
    source[0] = _RUNBOOK.sub(lambda found: f"](runbooks.md#{found[1].lower()})", source[0])


def include_runbooks(_: Sphinx, page: str, source: list[str]) -> None:
    """Add a section for each runbook, so that none can be forgotten."""
    if page == "runbooks":
        source[0] += "".join(_section(file.stem) for file in sorted(RUNBOOKS.glob("*.md")))


def _section(alert: str) -> str:
    include = f"```{{include}} /../deploy/runbooks/{alert}.md\n:heading-offset: 1\n```"
    return f"\n({alert.lower()})=\n\n{include}\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Listen for names that Sphinx does not find, for links to runbooks, and for their page."""
    app.connect("missing-reference", resolve)
    app.connect("source-read", lead_to_runbooks)
    app.connect("source-read", include_runbooks)
    return {"parallel_read_safe": True}
