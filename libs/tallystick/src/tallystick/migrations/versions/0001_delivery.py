"""What the delivery protocol keeps: inbox, held messages and their attempts, outbox, replicas."""

from alembic import op

revision = "0001"
down_revision = None

TABLES = """
create table tallystick.inbox (
    durable text not null,
    source text not null,
    id text not null,
    state text not null check (state in ('done', 'held')),
    taken_at timestamptz not null default now(),
    done_at timestamptz,
    primary key (durable, source, id)
);

create table tallystick.held (
    durable text not null,
    source text not null,
    id text not null,
    subject text not null,
    headers bytea not null,
    body bytea not null,
    stream text,
    stream_sequence bigint,
    state text not null check (state in ('retry', 'suspect', 'dead', 'discarded')),
    reason text,
    due_at timestamptz not null default now(),
    patient_until timestamptz not null,
    attempts integer not null default 0,
    lapses integer not null default 0,
    deaths integer not null default 0,
    claim bigint not null default 0,
    replica text,
    error_type text,
    error text,
    place text,
    trace text,
    fingerprint text,
    held_at timestamptz not null default now(),
    primary key (durable, source, id)
);
create index held_due on tallystick.held (durable, due_at)
    where state in ('retry', 'suspect') and replica is null;
create index held_claimed on tallystick.held (replica) where replica is not null;

create table tallystick.attempts (
    durable text not null,
    source text not null,
    id text not null,
    claim bigint not null,
    ended_at timestamptz not null default now(),
    replica text not null,
    version text not null,
    outcome text not null,
    error text,
    primary key (durable, source, id, claim)
);

create table tallystick.outbox (
    id text primary key,
    subject text not null,
    headers bytea not null,
    body bytea not null,
    cause text not null,
    key text not null,
    emission integer not null default 0,
    stored_at timestamptz not null default now(),
    queued_at timestamptz not null default now(),
    sent_at timestamptz
);
create index outbox_unsent on tallystick.outbox (queued_at) where sent_at is null;
create index outbox_cause on tallystick.outbox (cause);
create index outbox_key on tallystick.outbox (key);

create table tallystick.emissions (
    key text primary key,
    rounds integer not null,
    due_at timestamptz not null
);

create table tallystick.replicas (
    name text primary key,
    started_at timestamptz not null default clock_timestamp(),
    seen_at timestamptz not null default clock_timestamp()
);

create table tallystick.actions (
    id uuid primary key,
    durable text not null,
    source text not null,
    message_id text not null,
    action text not null,
    actor text not null,
    reason text not null,
    before bytea,
    happened_at timestamptz not null default now()
);
"""


def upgrade() -> None:
    for statement in filter(str.strip, TABLES.split(";\n")):
        op.execute(statement)


def downgrade() -> None:
    for table in ("actions", "replicas", "emissions", "outbox", "attempts", "held", "inbox"):
        op.execute(f"drop table tallystick.{table}")
