"""Where an URL leads, as it may be logged: its user info and its query hold passwords."""

import re
from urllib.parse import urlsplit

HIDDEN = "(an address that is not shown: its URL is ambiguous)"

_HOST = r"(?:[\w.-]*|\[[0-9A-Fa-f:.]+\])(?::\d*)?"
_HOSTS = re.compile(rf"{_HOST}(?:,{_HOST})*", re.ASCII)
_PATH = re.compile(r"[\w./%~+:-]*", re.ASCII)
_NEXT = re.compile(r",\s*(?=[a-z+]+://)", re.IGNORECASE)


def scheme_of(url: str) -> str:
    """Return what stands before `://`, in lower case; empty if nothing does."""
    scheme, found, _ = url.strip().partition("://")
    return scheme.lower() if found else ""


def is_plain(url: str) -> bool:
    """Return whether it is certain which part of an URL is its host.

    It is not if a password has `/`, `?`, `#` or `[` in it that is not percent-encoded.
    """
    try:
        urlsplit(url)
    except ValueError:  # whose text may quote the password
        return False
    return _HOSTS.fullmatch(_parts(url)[0]) is not None


def address_of(urls: str) -> str:
    """Return host, port and path of an URL, or of several with commas between, and nothing else.

    What follows an `@` in a place where none should be may be half of a password: all is hidden.
    """
    return ",".join(_address(url) for url in _NEXT.split(urls))


def _address(url: str) -> str:
    hosts, path, query = _parts(url)
    if not is_plain(url) or "@" in path + query or not _PATH.fullmatch(path):
        return HIDDEN
    return hosts + path.rstrip("/")


def _parts(url: str) -> tuple[str, str, str]:
    """Return hosts, path and the rest; the hosts without user info."""
    text = url.strip()
    start = text.find("://") + 3 if "://" in text else 0
    match = re.match(r"([^/?#]*)([^?#]*)(.*)", text[start:], re.DOTALL)
    authority, path, rest = match.groups() if match else ("", "", "")
    return authority.rpartition("@")[2], path, rest
