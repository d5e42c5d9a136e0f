"""The last webhook of the provider that was used, so that a second copy of it is recognized."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("alter table payments add column noticed text")


def downgrade() -> None:
    op.execute("alter table payments drop column noticed")
