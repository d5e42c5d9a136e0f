"""`tally dev`, as far as it goes without servers; tests/example runs it whole."""

import pytest
from typer.testing import CliRunner

from tallystick._cli import app


def test_without_its_servers_it_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "tallystick._cli.programs.development.SERVERS", ("a-server-that-nobody-installed",)
    )
    reports_errors = CliRunner().invoke(app, ["dev", "cafe"])
    assert reports_errors.exit_code == 1
    assert "pip install 'tallystick[testing]'" in reports_errors.output
