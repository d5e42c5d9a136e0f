from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("create table coffees (id uuid primary key, drink text, served timestamptz)")


def downgrade() -> None:
    op.execute("drop table coffees")
