"""Orders, from the moment they are placed."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("""
        create table orders (
            order_id uuid primary key,
            customer_id text not null,
            version integer not null,
            state text not null check (state in
                ('placed', 'paid', 'cancelling', 'shipped', 'declined', 'cancelled')),
            lines jsonb not null,
            total bigint not null check (total > 0),
            currency text not null,
            address jsonb not null,
            reason text,
            parked text,
            placed_at timestamptz not null default now(),
            ended_at timestamptz,
            check ((ended_at is not null) = (state in ('shipped', 'declined', 'cancelled')))
        ) with (fillfactor = 70)
    """)
    op.execute("create index orders_by_customer on orders (customer_id, order_id desc)")
    op.execute("create index orders_open on orders (order_id) where ended_at is null")
    op.execute("create index orders_parked on orders (order_id) where parked is not null")


def downgrade() -> None:
    op.execute("drop table orders")
