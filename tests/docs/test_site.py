"""The site as it was built: `make docs` builds it and runs this."""

import importlib
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytestmark = pytest.mark.docs

SITE = Path(__file__).parents[2] / "build" / "docs"
PAGES = sorted(SITE.rglob("*.html"))
LOADED = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("link", "href")}
NEVER_LOADED = {"canonical", "index", "search", "next", "prev", "author", "copyright"}
REMOTE = re.compile(r"(?i)^(?:https?:)?//")
STYLE_LOADS = re.compile(r"""(?i)(?:url\(\s*['"]?|@import\s+['"])((?:https?:)?//[^'")\s]+)""")
SCRIPT_LOADS = re.compile(r"""(?:fetch|import|sendBeacon|open)\(\s*['"`]((?:https?:)?//[^'"`]+)""")
NAMED = ("cli", "errors", "limiter", "outside", "tasks", "testing", "topology")
PUBLIC = ["tallystick", *(f"tallystick.{name}" for name in NAMED)]
LIBRARY = Path(__file__).parents[2] / "libs" / "tallystick" / "src" / "tallystick"
RUNBOOKS = Path(__file__).parents[2] / "deploy" / "runbooks"


class Page(HTMLParser):
    """What a page loads, where its links lead, and what can be linked to in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids.add(given.get("id", ""))
        self.links += [given["href"]] if tag == "a" and "href" in given else []
        if tag == "link" and given.get("rel") in NEVER_LOADED:
            return
        self.loads += [value for name, value in given.items() if (tag, name) in LOADED]


@cache
def page(path: Path) -> Page:
    return Page(path.read_text())


def test_the_site_is_there() -> None:
    assert {"index.html", "start.html", "glossary.html"} <= {path.name for path in PAGES}


def test_a_page_loads_nothing_from_elsewhere() -> None:
    assert [url for path in PAGES for url in page(path).loads if REMOTE.match(url)] == []


def test_a_style_loads_nothing_from_elsewhere() -> None:
    texts = [path.read_text() for path in [*SITE.rglob("*.css"), *PAGES]]
    assert [url for text in texts for url in STYLE_LOADS.findall(text)] == []


def test_a_script_asks_nobody_elsewhere() -> None:
    texts = [path.read_text() for path in [*SITE.rglob("*.js"), *PAGES]]
    assert [url for text in texts for url in SCRIPT_LOADS.findall(text)] == []


def test_what_a_page_loads_and_links_to_is_there() -> None:
    broken = [
        f"{path.name}: {url}"
        for path in PAGES
        for url in [*page(path).loads, *page(path).links]
        if not leads_somewhere(path, url)
    ]
    assert broken == []


def leads_somewhere(path: Path, url: str) -> bool:
    """Whether a link within the site leads to a file, and to a place in it if it names one."""
    parts = urlsplit(url)
    if parts.scheme or parts.netloc:
        return True
    target = (path.parent / unquote(parts.path)) if parts.path else path
    if not target.is_file():
        return False
    return not parts.fragment or target.suffix != ".html" or parts.fragment in page(target).ids


def test_every_runbook_has_its_section() -> None:
    alerts = {file.stem.lower() for file in RUNBOOKS.glob("*.md")}
    assert alerts
    assert alerts - page(SITE / "runbooks.html").ids == set()


def test_every_public_module_has_its_page() -> None:
    found = {path.stem for path in LIBRARY.glob("[a-z]*.py")} | {
        path.parent.name for path in LIBRARY.glob("[a-z]*/__init__.py")
    }
    lacking = found - {"migrations"} - {path.stem for path in SITE.glob("reference/*.html")}
    assert not lacking, f"write docs/reference/<name>.md and list it in docs/index.md: {lacking}"


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_is_described(module: str) -> None:
    described = {name for path in PAGES for name in page(path).ids}
    missing = [
        name
        for name in names_of(module)
        if not any(f"{home}.{name}" in described for home in [module, *PUBLIC])
    ]
    assert missing == []


def names_of(module: str) -> list[str]:
    """What a module lists as public, or else what is made in it under a public name."""
    found = vars(importlib.import_module(module))
    made = [n for n, one in found.items() if getattr(one, "__module__", None) == module]
    return list(found.get("__all__") or [name for name in made if name[0] != "_"])
