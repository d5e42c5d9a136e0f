"""A letter for each order that has ended."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("""
        create table letters (
            order_id uuid primary key,
            outcome text not null check (outcome in ('shipped', 'declined', 'cancelled')),
            written_at timestamptz not null default now(),
            posted_at timestamptz
        )
    """)


def downgrade() -> None:
    op.execute("drop table letters")
