"""The committed documents say what the code declares; a chart only reads them."""

import json
from pathlib import Path

from typer.testing import CliRunner

from tallystick.cli import command_line
from tallystick.topology import topology_of
from tallystick_local.services import MESSAGING

FOLDER = Path(__file__).parents[2] / "helm" / "tallystick" / "topology"


def test_the_documents_are_as_the_code_declares(tmp_path: Path) -> None:
    written = CliRunner().invoke(command_line(), ["topology", *MESSAGING, "--write", str(tmp_path)])
    assert written.exit_code == 0, written.output
    assert texts(FOLDER) == texts(tmp_path), "make topology writes them again"


def test_every_durable_reads_a_stream_that_a_document_has() -> None:
    topologies = [
        topology_of(json.loads((FOLDER / f"{service}.json").read_text())) for service in MESSAGING
    ]
    streams = {stream.name for topology in topologies for stream in topology.streams}
    assert {durable.stream for one in topologies for durable in one.durables} <= streams


def texts(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}
