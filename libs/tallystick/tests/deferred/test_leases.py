"""How the rows to lease are found."""

from collections.abc import Awaitable, Callable
from typing import Any

from tallystick._deferred.leases import _LEASE_QUARANTINED

WAIT = """insert into tallystick.deferred (durable, source, id, subject, headers, body, state,
    due_at, give_up_at)
select 'test-many', 's', n, '', '', '', 'waiting', now() - interval '1 minute', now()
from generate_series(1, 5000) n"""


async def test_what_waits_for_a_slot_is_not_read_to_find_what_is_quarantined(
    sql: Callable[..., Awaitable[list[Any]]],
) -> None:
    """Not by a generic plan either, which knows no argument."""
    await sql(WAIT)
    await sql("analyze tallystick.deferred")
    await sql(f"prepare quarantined as {_LEASE_QUARANTINED}")
    await sql("set plan_cache_mode = force_generic_plan")
    plan = await sql("explain execute quarantined ('me', array['test-many'], 2, 16)")
    await sql("delete from tallystick.deferred where durable = 'test-many'")
    assert any("deferred_quarantined" in row[0] for row in plan), plan
