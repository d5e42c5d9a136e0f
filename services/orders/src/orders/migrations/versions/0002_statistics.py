"""A projection of our own events, with one row for each order: repeated events change nothing."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("""
        create table statistics (
            order_id uuid primary key,
            placed_at timestamptz not null,
            currency text,
            total bigint,
            outcome text
        ) with (fillfactor = 70)
    """)


def downgrade() -> None:
    op.execute("drop table statistics")
