"""Labels as they were printed, one for each shipment."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("""
        create table labels (
            order_id uuid primary key,
            zpl text not null,
            printed_at timestamptz not null default now()
        )
    """)


def downgrade() -> None:
    op.execute("drop table labels")
