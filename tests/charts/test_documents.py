"""What is derived from the charts' values is current, and says every value."""

import subprocess
import sys

from tests.charts.rendering import HELM


def test_schemas_and_tables_are_current() -> None:
    command = [sys.executable, str(HELM / "document.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
