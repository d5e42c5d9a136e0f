from pathlib import Path

import pytest
from typer.testing import CliRunner

from tallystick_local import up
from tallystick_local.cli import app
from tallystick_local.settings import Settings


@pytest.mark.parametrize(("said", "examples"), [({}, False), ({"EXAMPLES": "1"}, True)])
def test_the_environment_asks_for_the_examples(
    said: dict[str, str], examples: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Settings] = []

    async def note(settings: Settings) -> None:
        asked.append(settings)

    monkeypatch.setattr(up, "up", note)
    done = CliRunner().invoke(app, ["up", "--state", str(tmp_path)], env=said)
    assert done.exit_code == 0, done.output
    assert [settings.examples for settings in asked] == [examples]
    assert ("newsletter" in asked[0].services) is examples
