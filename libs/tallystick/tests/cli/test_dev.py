"""`tally dev`, as far as it goes without servers; tests/example runs it whole."""

import signal
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tallystick._cli import app
from tallystick.testing import cluster


def test_without_its_servers_it_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda _: ["no-such-server ; extra == 'testing'"])
    reports_errors = CliRunner().invoke(app, ["dev", "cafe"])
    assert reports_errors.exit_code == 1
    assert (
        reports_errors.stderr
        == "tally: tally dev needs no-such-server: pip install 'tallystick[testing]'\n"
    )


def test_a_database_that_cannot_be_made_is_a_line_that_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "initdb").write_text("#!/bin/sh\necho 'No space left on device' >&2\nexit 1\n")
    (tmp_path / "initdb").chmod(0o755)
    monkeypatch.setattr(cluster, "programs", lambda: tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the session's own stays
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["dev", "cafe"])
    assert result.exit_code == 1
    assert result.stderr.startswith("tally: initdb cannot make a database in ")
    assert result.stderr.endswith("postgres.new\nNo space left on device\n")


def test_a_folder_that_cannot_be_made_is_a_line_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".state").write_text("in the way")
    result = CliRunner().invoke(app, ["dev", "cafe"])
    assert result.exit_code == 1
    folder = tmp_path / ".state" / "dev" / "cafe"
    assert result.stderr == f"tally: tally dev keeps its data in {folder}: Not a directory\n"
