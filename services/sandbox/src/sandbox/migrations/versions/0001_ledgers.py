"""The provider's and the carrier's ledgers: rows are added, never changed or removed."""

from alembic import op

revision = "0001"
down_revision = None

PROVIDER = """
create table provider_ledger (
    key text primary key,
    position bigint generated always as identity unique,
    entered_at timestamptz not null default clock_timestamp(),
    call text not null check (call in ('capture', 'refund')),
    reference text not null,
    amount bigint not null check (amount > 0),
    currency text not null,
    token text,
    outcome text not null check (outcome in ('captured', 'declined', 'refunded', 'refused')),
    reason text
)
"""

CARRIER = """
create table carrier_ledger (
    key text primary key,
    position bigint generated always as identity unique,
    entered_at timestamptz not null default clock_timestamp(),
    call text not null check (call in ('book', 'cancel')),
    reference text not null,
    address text,
    tracking text,
    outcome text not null check (outcome in ('booked', 'cancelled', 'refused')),
    reason text
)
"""


def upgrade() -> None:
    op.execute(PROVIDER)
    op.execute("create index provider_ledger_reference on provider_ledger (reference)")
    op.execute(CARRIER)
    op.execute("create index carrier_ledger_reference on carrier_ledger (reference)")


def downgrade() -> None:
    op.execute("drop table carrier_ledger")
    op.execute("drop table provider_ledger")
