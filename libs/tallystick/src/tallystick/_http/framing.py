"""Find what is wrong with a request's head, beyond what the parser refuses.

A proxy in front may read the same head in another way than this server. So a head that can be read
in two ways is refused.
"""

import re
from dataclasses import dataclass

_HOST = re.compile(rb"[\w.~!$&'()*+,;=%-]*(?::\d{0,5})?|\[[0-9A-Fa-f:.]+\](?::\d{0,5})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fault:
    """A refusal: its status, and a sentence for the client about what is wrong."""

    status: int
    detail: str


def fault_of(
    headers: list[tuple[bytes, bytes]], http_version: str, *, upgrades: bool
) -> Fault | None:
    """Return what is wrong with a head, or None; header names are in lower case."""
    hosts = [value for name, value in headers if name == b"host"]
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    lengths = [value for name, value in headers if name == b"content-length"]
    if len(hosts) > 1 or (not hosts and http_version == "1.1"):
        return Fault(400, "A request must have exactly one Host header.")
    if hosts and not _HOST.fullmatch(hosts[0]):
        return Fault(400, "The Host header must be a host, with or without a port.")
    if codings and http_version != "1.1":
        return Fault(400, "Transfer-Encoding needs HTTP/1.1.")
    if codings and codings != [b"chunked"]:
        return Fault(501, "The only Transfer-Encoding that is supported is chunked.")
    if upgrades and (codings or lengths not in ([], [b"0"])):
        # The parser would leave the body to the new protocol, and no other is supported.
        return Fault(400, "No other protocol is supported: send a body without Upgrade.")
    return None
