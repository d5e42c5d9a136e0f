"""The mail house's ledger: rows are added, never changed or removed."""

from alembic import op

revision = "0002"
down_revision = "0001"

MAIL = """
create table mail_ledger (
    key text primary key,
    position bigint generated always as identity unique,
    entered_at timestamptz not null default clock_timestamp(),
    reference text not null,
    subject text not null,
    text text not null
)
"""


def upgrade() -> None:
    op.execute(MAIL)
    op.execute("create index mail_ledger_reference on mail_ledger (reference)")


def downgrade() -> None:
    op.execute("drop table mail_ledger")
