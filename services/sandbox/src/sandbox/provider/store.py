"""The provider's ledger in SQL."""

from sandbox.ledger import Ledger
from sandbox.provider.domain import Entry

LEDGER = Ledger(
    entry=Entry,
    enter="""
        insert into provider_ledger
            (key, call, reference, amount, currency, token, outcome, reason)
        values ($1, $2, $3, $4, $5, $6, $7, $8)
        on conflict (key) do nothing returning key
        """,
    by_key="""
        select key, call, reference, amount, currency, token, outcome, reason
        from provider_ledger where key = $1
        """,
    by_reference="""
        select key, call, reference, amount, currency, token, outcome, reason
        from provider_ledger where reference = $1 order by position
        """,
    page="""
        select position, entered_at, key, call, reference, amount, currency, outcome, reason
        from provider_ledger
        where position > $1 and ($2::text is null or reference = $2)
        order by position limit $3
        """,
    totals="""
        select call, outcome, currency, count(*) as count, sum(amount)::bigint as amount
        from provider_ledger group by call, outcome, currency order by call, outcome, currency
        """,
)
