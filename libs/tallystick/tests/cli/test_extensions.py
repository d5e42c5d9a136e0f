"""Packages add commands to `tally` by entry points; a broken one is a line and no more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = """\
import typer

def register(app: typer.Typer) -> None:
    @app.command()
    def {name}() -> None:
        "Say it."
        typer.echo("{name} was said")
"""


class Site:
    """A folder in which packages are installed, and `tally` with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, package: str, source: str, point: str = "register") -> None:
        (self.folder / f"{package}.py").write_text(source)
        about = self.folder / f"{package}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        entry = f"[tallystick.commands]\n{package} = {package}:{point}\n"
        (about / "entry_points.txt").write_text(entry)

    def tally(self, *words: str) -> "subprocess.CompletedProcess[str]":
        start = "from tallystick._cli import main; main()"
        env = {**os.environ, "PYTHONPATH": str(self.folder)}
        return subprocess.run(
            [sys.executable, "-c", start, *words],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_command_of_another_package_is_found(site: Site) -> None:
    site.install("aloud", COMMAND.format(name="shout"))
    assert site.tally("shout").stdout == "shout was said\n"


def test_added_commands_stand_in_the_order_of_their_entry_points(site: Site) -> None:
    for package in ("zebra", "aloud", "mouse"):
        site.install(package, COMMAND.format(name=f"{package}-speaks".replace("-", "_")))
    listed = [line.split() for line in site.tally("--help").stdout.splitlines()]
    speakers = [words[0] for words in listed if words and words[0].endswith("-speaks")]
    assert speakers == ["aloud-speaks", "mouse-speaks", "zebra-speaks"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named"),
        ("", "AttributeError: module 'broken' has no attribute 'register'"),
        ("def register(app): raise RuntimeError('out of order')", "RuntimeError: out of order"),
        (
            "def register(app):\n    @app.command()\n    def odd(of: int | str) -> None: ...",
            "broken",
        ),
        ("raise RuntimeError('one\\ntwo')", "RuntimeError: one two"),
    ],
)
def test_a_broken_one_is_one_line_and_keeps_nobody_from_the_others(
    site: Site, source: str, reason: str
) -> None:
    site.install("broken", source)
    site.install("sound", COMMAND.format(name="hum"))
    ended = site.tally("hum")
    assert (ended.returncode, ended.stdout) == (0, "hum was said\n")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("tally: no commands from broken, entry point broken = broken:register")
    assert reason in line


def test_a_command_of_the_library_is_not_replaced(site: Site) -> None:
    site.install("thief", COMMAND.format(name="serve"))
    ended = site.tally("serve", "--help")
    assert "Serve a service until SIGTERM." in ended.stdout
    assert "there is a command serve already" in ended.stderr


def test_the_librarys_own_help_speaks_of_keys_and_not_of_orders(site: Site) -> None:
    helps = [
        site.tally(*words, "--help").stdout for words in (("timeline",), (), ("dlq",), ("tail",))
    ]
    assert "such as an order's id" in helps[0]
    assert "order" not in helps[0].replace("such as an order's id", "")
    assert not [text for text in helps[2:] if " order " in text]
