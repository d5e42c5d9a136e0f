"""What was sent lately, for a service that looks whether its own messages have reached it."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("create index outbox_sent on tallystick.outbox using brin (sent_at)")


def downgrade() -> None:
    op.execute("drop index tallystick.outbox_sent")
