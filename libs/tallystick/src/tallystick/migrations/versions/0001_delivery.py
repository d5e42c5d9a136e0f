"""What the library keeps: inbox, deferred messages, attempts, outbox, repairs and replicas."""

from alembic import op

revision = "0001"
down_revision = None

# Partitions of `inbox` and `outbox` are made by the service, from the clock of this database.
TABLES = """
create table tallystick.owner (
    id uuid not null default gen_random_uuid(),
    service text,
    alone boolean primary key default true check (alone)
);

create table tallystick.readers (
    number integer primary key,
    durable text not null,
    source text not null,
    source_database uuid,
    unique (durable, source)
);

create table tallystick.reads (
    reader integer not null,
    type text not null,
    since_sequence bigint not null,
    since_at bigint not null,
    primary key (reader, type)
);

create table tallystick.settled (
    reader integer not null,
    start bigint not null,
    length bigint not null,
    closed boolean not null,
    types text[] not null,
    counts bigint[] not null,
    xors bigint[] not null,
    primary key (reader, start, length)
);

create table tallystick.kept_sums (
    start bigint not null,
    length bigint not null,
    types text[] not null,
    counts bigint[] not null,
    xors bigint[] not null,
    primary key (start, length)
);

create table tallystick.accounts (
    reader integer primary key,
    looked_at timestamptz not null default clock_timestamp(),
    overview jsonb not null,
    witnessed bigint not null default 0,
    set_back jsonb
);

create table tallystick.accepted (
    reader integer not null,
    id uuid not null,
    actor text not null,
    reason text not null,
    accepted_at timestamptz not null default now(),
    primary key (reader, id)
);

create table tallystick.unknown (
    reader integer not null,
    id uuid not null,
    primary key (reader, id)
);

create table tallystick.leases (
    name text primary key,
    replica text not null,
    until timestamptz not null
);

create table tallystick.kept (
    since bigint not null,
    announced_at timestamptz not null default clock_timestamp(),
    alone boolean primary key default true check (alone)
);

create table tallystick.inbox (
    reader integer not null,
    id uuid not null,
    taken_at timestamptz not null default now(),
    primary key (reader, id)
) partition by range (id);

create table tallystick.foreign_inbox (
    reader integer not null,
    digest uuid not null,
    taken_at timestamptz not null default now(),
    primary key (reader, digest)
);
create index foreign_inbox_age on tallystick.foreign_inbox (taken_at);

create table tallystick.effects (
    durable text not null,
    key text not null,
    stored_at timestamptz not null default now(),
    ended_at timestamptz,
    primary key (durable, key)
);
create index effects_age on tallystick.effects (stored_at);

create table tallystick.deferred (
    durable text not null,
    source text not null,
    id text not null,
    subject text not null,
    headers bytea not null,
    body bytea not null,
    stream text,
    stream_sequence bigint,
    state text not null check (state in ('waiting', 'dead', 'discarded')),
    reason text,
    due_at timestamptz not null default now(),
    give_up_at timestamptz not null,
    attempts integer not null default 0,
    starts integer not null default 0,
    expired_leases integer not null default 0,
    crashes integer not null default 0,
    lease bigint not null default 0,
    replica text,
    error_type text,
    error text,
    place text,
    trace text,
    fingerprint text,
    deferred_at timestamptz not null default now(),
    primary key (durable, source, id)
);
create index deferred_due on tallystick.deferred (durable, due_at)
    where state = 'waiting' and replica is null;
create index deferred_leased on tallystick.deferred (replica) where replica is not null;
create index deferred_dead on tallystick.deferred (due_at) where state = 'dead';
create index deferred_counts on tallystick.deferred (durable, source, state);
create index deferred_quarantined on tallystick.deferred (durable, due_at)
    where state = 'waiting' and replica is null and expired_leases > 0;

create table tallystick.attempts (
    durable text not null,
    source text not null,
    id text not null,
    lease bigint not null,
    ended_at timestamptz not null default now(),
    replica text not null,
    version text not null,
    outcome text not null,
    error text,
    primary key (durable, source, id, lease)
);
create index attempts_age on tallystick.attempts (ended_at);

create table tallystick.outbox (
    id uuid not null,
    type text not null,
    subject text not null,
    headers bytea not null,
    body bytea not null,
    correlation_id text not null,
    key text not null,
    republication integer not null default 0,
    stream_sequence bigint,
    stored_at timestamptz not null default now(),
    queued_at timestamptz not null default now(),
    due_at timestamptz not null default now() + interval '2 seconds',
    sent_at timestamptz,
    refused text,
    discarded_at timestamptz,
    primary key (id) include (type)
) partition by range (id);
create index outbox_unsent on tallystick.outbox (due_at) include (queued_at)
    where sent_at is null and refused is null;
create index outbox_refused on tallystick.outbox (id)
    where refused is not null and discarded_at is null;
create index outbox_discarded on tallystick.outbox (id) include (type)
    where discarded_at is not null;
create index outbox_key on tallystick.outbox (key);

create table tallystick.replicas (
    name text primary key,
    reads jsonb not null default '{}',
    started_at timestamptz not null default clock_timestamp(),
    seen_at timestamptz not null default clock_timestamp()
);

create table tallystick.actions (
    id uuid primary key,
    run uuid not null default gen_random_uuid(),
    durable text not null,
    source text not null,
    message_id text not null,
    action text not null,
    actor text not null,
    reason text not null,
    letter jsonb,
    headers bytea,
    before bytea,
    happened_at timestamptz not null default now()
);
create index actions_run on tallystick.actions (run);
create index actions_letter on tallystick.actions (durable, source, message_id);

create table tallystick.idempotency (
    scope text not null,
    key text not null,
    request bytea not null,
    status integer not null,
    headers jsonb not null,
    body bytea not null,
    created_at timestamptz not null default now(),
    primary key (scope, key)
);
create index idempotency_age on tallystick.idempotency (created_at);
"""
NAMES = (
    "idempotency",
    "actions",
    "replicas",
    "outbox",
    "attempts",
    "deferred",
    "effects",
    "foreign_inbox",
    "inbox",
    "kept",
    *("leases", "unknown", "accepted", "accounts", "kept_sums", "settled", "reads"),
    "readers",
    "owner",
)


def upgrade() -> None:
    for statement in filter(str.strip, TABLES.split(";\n")):
        op.execute(statement)


def downgrade() -> None:
    for name in NAMES:
        op.execute(f"drop table tallystick.{name}")
