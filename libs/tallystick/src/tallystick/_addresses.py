"""The address in a URL, without user info and query, which may contain passwords: for logs."""

import re
from urllib.parse import urlsplit

HIDDEN = "(an address that is not shown: its URL is ambiguous)"  # what logs show in its place

_HOST = r"(?:[\w.-]*|\[[0-9A-Fa-f:.]+\])(?::\d*)?"
_HOSTS = re.compile(rf"{_HOST}(?:,{_HOST})*", re.ASCII)
_PATH = re.compile(r"[\w./%~+:-]*", re.ASCII)
_NEXT = re.compile(r",\s*(?=[a-z+]+://)", re.IGNORECASE)


def scheme_of(url: str) -> str:
    """Return the text before `://` in lower case; empty if there is none."""
    scheme, found, _ = url.strip().partition("://")
    return scheme.lower() if found else ""


def is_plain(url: str) -> bool:
    """Return whether it is certain which part of a URL is its host.

    It is not certain if a password contains `/`, `?`, `#` or `[` that is not percent-encoded.
    """
    try:
        urlsplit(url)
    except ValueError:  # it is not shown or chained: its text may quote the password
        return False
    return _HOSTS.fullmatch(_parts(url)[0]) is not None


def address_of(urls: str) -> str:
    """Return only host, port and path of a URL, or of several that are separated by commas.

    Returns `HIDDEN` for an ambiguous URL, and for one with an `@` in its path or query: half of a
    password may stand beside it.
    """
    return ",".join(_address(url) for url in _NEXT.split(urls))


def _address(url: str) -> str:
    hosts, path, query = _parts(url)
    if not is_plain(url) or "@" in path + query or not _PATH.fullmatch(path):
        return HIDDEN
    return hosts + path.rstrip("/")


def _parts(url: str) -> tuple[str, str, str]:
    """Return the hosts without user info, the path, and the rest."""
    text = url.strip()
    start = text.find("://") + 3 if "://" in text else 0
    match = re.match(r"([^/?#]*)([^?#]*)(.*)", text[start:], re.DOTALL)
    authority, path, rest = match.groups() if match else ("", "", "")
    return authority.rpartition("@")[2], path, rest
