"""What is derived from the charts' values is current, and says every value."""

import subprocess
import sys

from tests.charts.rendering import HELM
from tests.charts.shapes import EXAMPLES


def test_schemas_and_tables_are_current() -> None:
    command = [sys.executable, str(HELM / "document.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_example_of_ten_lines_is_the_one_that_is_rendered() -> None:
    example = (EXAMPLES / "cafe.yaml").read_text().partition("\n")[2]
    assert len(example.splitlines()) == 10
    assert f"```yaml\n{example}```" in (HELM / "service" / "README.md").read_text()
