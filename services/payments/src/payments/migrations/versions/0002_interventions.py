"""The decisions of people about parked payments."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("""
        alter table payments
            add column resolved text check (resolved in ('captured', 'declined')),
            add column resolved_why text
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
    op.execute("alter table payments drop column resolved, drop column resolved_why")
