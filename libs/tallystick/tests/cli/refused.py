"""Lets a message of the shop look as if the broker had refused it for good."""

from __future__ import annotations

from tallystick import Database

_SOLD = "key = $1 and subject like 'evt.shop.sold.%'"
REFUSE = f"""update tallystick.outbox
set sent_at = null, stream_sequence = null, refused = 'message size exceeds maximum allowed'
where {_SOLD} returning id"""
MEND = f"""update tallystick.outbox set sent_at = now(), refused = null, discarded_at = null
where {_SOLD} and sent_at is null"""


async def refuse(database: Database, item: str) -> str:
    """Refuse the message that an item was sold; return its id."""
    return str((await database.fetch(REFUSE, item))[0][0])


async def mend(database: Database, item: str) -> None:
    """Let it be as it was before."""
    await database.fetch(MEND, item)
