"""Deadlines: when the time of an order started, and what people did about parked orders.

The time starts when the order is placed and again with each retry; only the last retry is stored.
"""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("alter table orders add column awaited_since timestamptz")
    op.execute("""
        create index orders_awaited on orders (coalesce(awaited_since, placed_at))
        where ended_at is null and parked is null
    """)
    op.execute("""
        create table interventions (
            id uuid primary key,
            order_id uuid not null,
            action text not null,
            actor text not null,
            reason text not null,
            happened_at timestamptz not null default now()
        )
    """)
    op.execute("create index interventions_by_order on interventions (order_id)")


def downgrade() -> None:
    op.execute("drop table interventions")
    op.execute("drop index orders_awaited")
    op.execute("alter table orders drop column awaited_since")
