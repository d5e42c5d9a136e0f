"""Where names and links lead: public names to their description, runbooks to their section."""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

OURS = "tallystick"
_RUNBOOK = re.compile(r"\]\(\.\./deploy/runbooks/(\w+)\.md\)")
MODULES = (
    "tallystick",
    "tallystick.errors",
    "tallystick.outside",
    "tallystick.topology",
    "tallystick.testing",
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


def setup(app: Sphinx) -> dict[str, bool]:
    """Listen for names that Sphinx does not find, and for links to runbooks."""
    app.connect("missing-reference", resolve)
    app.connect("source-read", lead_to_runbooks)
    return {"parallel_read_safe": True}
