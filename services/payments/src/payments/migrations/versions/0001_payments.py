"""Payments, the movements of money that the provider confirmed, and their sums by day."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("""
        create table payments (
            order_id uuid primary key,
            version integer not null,
            state text not null check (state in
                ('intent', 'capturing', 'capturing (stop)', 'unknown', 'unknown (stop)', 'captured',
                 'refunding', 'declined', 'voided', 'refunded')),
            amount bigint,
            currency text,
            token text,
            reference text,
            reason text,
            stop text,
            parked text,
            asked_at timestamptz,
            opened_at timestamptz not null default now(),
            check (amount is not null and currency is not null and token is not null
                or state = 'voided')
        ) with (fillfactor = 70)
    """)
    op.execute("create index payments_parked on payments (order_id) where parked is not null")
    op.execute("""
        create table operations (
            order_id uuid not null,
            purpose text not null check (purpose in ('capture', 'refund')),
            amount bigint not null check (amount > 0),
            currency text not null,
            announced boolean not null,
            confirmed_at timestamptz not null default now(),
            primary key (order_id, purpose)
        )
    """)
    op.execute("""
        create table daily_totals (
            currency text not null,
            day date not null,
            captured numeric(38) not null default 0,
            refunded numeric(38) not null default 0,
            primary key (currency, day)
        )
    """)


def downgrade() -> None:
    op.execute("drop table daily_totals")
    op.execute("drop table operations")
    op.execute("drop table payments")
