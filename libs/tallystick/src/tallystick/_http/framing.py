"""What is wrong with a request's head, beyond what the parser refuses: two readers must not differ.

A proxy in front may read the same head in another way. What can be read in two ways is refused.
"""

import re
from dataclasses import dataclass

_HOST = re.compile(rb"[\w.~!$&'()*+,;=%-]*(?::\d{0,5})?|\[[0-9A-Fa-f:.]+\](?::\d{0,5})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fault:
    """The status of the refusal and what to do about it."""

    status: int
    detail: str


def fault_of(
    headers: list[tuple[bytes, bytes]], http_version: str, *, upgrades: bool
) -> Fault | None:
    """Return what is wrong with a head; header names are in lower case."""
    hosts = [value for name, value in headers if name == b"host"]
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    lengths = [value for name, value in headers if name == b"content-length"]
    if len(hosts) > 1 or (not hosts and http_version == "1.1"):
        return Fault(400, "A request has one Host header.")
    if hosts and not _HOST.fullmatch(hosts[0]):
        return Fault(400, "The Host header is not a host and a port.")
    if codings and http_version != "1.1":
        return Fault(400, "Transfer-Encoding is of HTTP/1.1.")
    if codings and codings != [b"chunked"]:
        return Fault(501, "Only chunked is taken as Transfer-Encoding.")
    if upgrades and (codings or lengths not in ([], [b"0"])):
        # The parser leaves the body to the protocol that was asked for, and there is none.
        return Fault(400, "No other protocol is spoken here: send a body without Upgrade.")
    return None
