"""What people did about parked shipments."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
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
