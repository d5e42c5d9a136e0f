"""How the files that name every service come to name one more: always before the sandbox."""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tallystick_skeleton.naming import Refused

LIST: Final = "deploy/services.toml"

_VALUES: Final = """\
# The {name} service, likewise. # schema: {{additionalProperties: true}}
{name}:
  enabled: true

"""


@dataclass(frozen=True)
class Entry:
    """`text` is put before each of the `times` places that match `before` in a file."""

    file: str
    before: str
    text: str
    times: int = 1

    def made(self, content: str, given: Mapping[str, object]) -> str:
        """Return the content with the entry; raises Refused if it looks otherwise than expected."""
        new = self.text.format_map(given)
        made, times = re.subn(self.before, lambda at: new + at[0], content, flags=re.MULTILINE)
        if times != self.times:
            raise Refused(f"{self.file} has {times} places like {self.before!r}, not {self.times}.")
        return made


ENTRIES: Final = (
    Entry(LIST, r"^sandbox = ", "{name} = {{ port = {port}, messages = true }}\n"),
    Entry("pyproject.toml", r'^    "services/sandbox",$', '    "services/{name}",\n'),
    Entry("pyproject.toml", r'^    "services/sandbox/src",$', '    "services/{name}/src",\n'),
    Entry("pyproject.toml", r'^    "sandbox",$', '    "{name}",\n'),
    Entry("pyproject.toml", r"(?<=\| )sandbox(?= \|)", "{name} | "),
    Entry("pyproject.toml", r'(?<=", )"sandbox"', '"{name}", ', times=2),
    Entry(
        "deploy/local/pyproject.toml", r'^    "tallystick-sandbox",$', '    "tallystick-{name}",\n'
    ),
    Entry(
        "deploy/local/pyproject.toml",
        r"^tallystick-sandbox = ",
        "tallystick-{name} = {{ workspace = true }}\n",
    ),
    Entry(
        "helm/tallystick/Chart.yaml",
        r"^  - \{name: service, alias: sandbox,",
        "  - {{name: service, alias: {name}, version: {chart}, "
        'repository: "file://../service", condition: {name}.enabled}}\n',
    ),
    Entry("helm/tallystick/values.yaml", r"^(# .*\n)+sandbox:$", _VALUES),
    Entry("deploy/values-production.yaml", r"^sandbox:$", "{name}:\n  caSecret: authorities\n\n"),
)


def entered(name: str, read: Callable[[str], str]) -> dict[str, str]:
    """Return every file that names services with `name` among them; `read` gives what is there."""
    given = {
        "name": name,
        "port": free_port(read(LIST)),
        "chart": _version(read("helm/service/Chart.yaml")),
    }
    made: dict[str, str] = {}
    for entry in ENTRIES:
        made[entry.file] = entry.made(made.get(entry.file) or read(entry.file), given)
    return made


def free_port(services: str) -> int:
    """Return the port after the highest in the list of services."""
    return 1 + max(int(service["port"]) for service in tomllib.loads(services).values())


def enter(root: Path, name: str) -> None:
    """Enter a service in the files of a checkout; raises Refused."""
    for file, text in entered(name, lambda file: (root / file).read_text()).items():
        (root / file).write_text(text)


def _version(chart: str) -> str:
    found = re.search(r"^version: (\S+)$", chart, re.MULTILINE)
    if found is None:
        raise Refused("helm/service/Chart.yaml says no version.")
    return found[1]
