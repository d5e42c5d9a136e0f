"""Inboxes: the subjects on which a service receives answers.

The broker lets a user subscribe to its own inbox only, and publish a request only under its own
name. It does not look at the reply subject, which may be any. So whoever answers checks that it is
in the inbox of the requester that the subject of the request names; otherwise a requester could
have an answer stored in a stream that it may not publish to.
"""

from __future__ import annotations

from tallystick._broker.wire import MAX_SUBJECT

ANY_INBOX = "_INBOX.*.>"
"""What a user that answers may publish to."""


def inbox_of(service: str) -> str:
    """Return the prefix of the subjects on which a service receives answers."""
    return f"_INBOX.{service}"


def is_in_inbox(reply: bytes, requester: bytes) -> bool:
    """Return whether a reply subject is in the inbox of a requester, and short enough to send."""
    return reply.startswith(b"_INBOX.%b." % requester) and len(reply) <= MAX_SUBJECT
