"""A database has a name of its own, by which the broker knows whose messages are whose."""

from alembic import op

revision = "0005"
down_revision = "0004"

# Replicas share it with their database; so does one that was restored from a backup.
TABLE = """create table tallystick.owner (
    id uuid not null default gen_random_uuid(),
    service text,
    alone boolean primary key default true check (alone)
)"""


def upgrade() -> None:
    op.execute(TABLE)


def downgrade() -> None:
    op.execute("drop table tallystick.owner")
