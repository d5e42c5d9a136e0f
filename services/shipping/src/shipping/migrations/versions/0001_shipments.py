"""Shipments, stored from the first event of their order on."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("""
        create table shipments (
            order_id uuid primary key,
            version integer not null,
            state text not null check (state in
                ('awaiting payment', 'awaiting order', 'booking', 'booking (stop)', 'booked',
                 'labelled', 'cancelling', 'dispatched', 'cancelled', 'failed')),
            address jsonb,
            tracking text,
            reason text,
            parked text,
            opened_at timestamptz not null default now(),
            check (address is not null or state in ('awaiting order', 'cancelled'))
        ) with (fillfactor = 70)
    """)
    op.execute("create index shipments_parked on shipments (order_id) where parked is not null")


def downgrade() -> None:
    op.execute("drop table shipments")
