"""`tally dev`, as far as it goes without servers; tests/example runs it whole."""

from importlib import metadata

import pytest
from typer.testing import CliRunner

from tallystick._cli import app


def test_without_its_servers_it_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda _: ["no-such-server ; extra == 'testing'"])
    reports_errors = CliRunner().invoke(app, ["dev", "cafe"])
    assert reports_errors.exit_code == 1
    assert (
        reports_errors.stderr
        == "tally: tally dev needs no-such-server: pip install 'tallystick[testing]'\n"
    )
