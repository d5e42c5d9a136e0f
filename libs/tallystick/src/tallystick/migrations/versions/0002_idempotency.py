"""The answers given under an Idempotency-Key."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("""
        create table tallystick.idempotency (
            scope text not null,
            key text not null,
            request bytea not null,
            status integer not null,
            headers jsonb not null,
            body bytea not null,
            created_at timestamptz not null default now(),
            primary key (scope, key)
        )
    """)
    op.execute("create index idempotency_age on tallystick.idempotency (created_at)")


def downgrade() -> None:
    op.execute("drop table tallystick.idempotency")
