"""What a repair did is kept with the letter as it was, and acts that were one are found as one."""

from alembic import op

revision = "0004"
down_revision = "0003"

# A replayed letter's row is gone once it is done: from then on this is all that is left of it.
CHANGES = """
alter table tallystick.actions
    add column run uuid not null default gen_random_uuid(),
    add column letter jsonb,
    add column headers bytea;
create index actions_run on tallystick.actions (run);
create index actions_letter on tallystick.actions (durable, source, message_id);
create index held_dead on tallystick.held (due_at) where state = 'dead';
"""


def upgrade() -> None:
    for statement in filter(str.strip, CHANGES.split(";\n")):
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop index tallystick.held_dead")
    op.execute("drop index tallystick.actions_letter")
    op.execute("""alter table tallystick.actions
        drop column run, drop column letter, drop column headers""")
