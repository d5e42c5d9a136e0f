"""The carrier's ledger in SQL."""

from sandbox.carrier.domain import Entry
from sandbox.ledger import Ledger

LEDGER = Ledger(
    entry=Entry,
    enter="""
        insert into carrier_ledger (key, call, reference, address, tracking, outcome, reason)
        values ($1, $2, $3, $4, $5, $6, $7)
        on conflict (key) do nothing returning key
        """,
    by_key="""
        select key, call, reference, address, tracking, outcome, reason
        from carrier_ledger where key = $1
        """,
    by_reference="""
        select key, call, reference, address, tracking, outcome, reason
        from carrier_ledger where reference = $1 order by position
        """,
    page="""
        select position, entered_at, key, call, reference, tracking, outcome, reason
        from carrier_ledger
        where position > $1 and ($2::text is null or reference = $2)
        order by position limit $3
        """,
    totals="""
        select call, outcome, count(*) as count
        from carrier_ledger group by call, outcome order by call, outcome
        """,
)
