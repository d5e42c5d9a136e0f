"""What runs is told by the service's own version, and by the library's where it has none."""

import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tallystick._telemetry.release import LIBRARY, release_of


@pytest.fixture(autouse=True)
def _asked_anew() -> None:
    release_of.cache_clear()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder from which packages are imported, with their distributions."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def install(site: Path, files: str, **more: str) -> None:
    about = site / "the_tea_house-3.1.4.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: the-tea-house\nVersion: 3.1.4\n")
    (about / "RECORD").write_text(files)
    for name, text in more.items():
        (about / f"{name}.json").write_text(text)


def test_an_installed_service_has_the_version_of_its_distribution(site: Path) -> None:
    install(site, "tea_house/__init__.py,,\ntea_house/main.py,,\n")
    assert release_of("tea-house") == "3.1.4"


def test_one_that_is_installed_where_it_is_written_as_well(site: Path, tmp_path: Path) -> None:
    source = tmp_path / "a source"
    (source / "tea_house").mkdir(parents=True)
    (source / "tea_house" / "__init__.py").touch()
    sys.path.insert(0, str(source))
    url = source.as_uri()
    install(site, "x.pth,,\n", direct_url=f'{{"url": "{url}", "dir_info": {{"editable": true}}}}')
    try:
        assert release_of("tea-house") == "3.1.4"
    finally:
        sys.path.remove(str(source))


def test_one_that_nobody_installed_has_the_librarys_and_says_so(site: Path) -> None:
    (site / "tea_house").mkdir()
    assert release_of("tea-house") == LIBRARY == f"tallystick-{version('tallystick')}"


def test_a_distribution_of_the_same_name_that_brings_something_else_does_not_count() -> None:
    assert release_of("uv-build") != LIBRARY  # this one is what it is called
    assert release_of("pytest-asyncio") == version("pytest-asyncio")
    assert release_of("types-pyyaml") == LIBRARY
