#!/bin/bash
# Gives each service a database and a role that owns it and may enter no other. Runs whenever the
# server starts, so that a service that is added, or a password that is changed, needs no person.
set -euo pipefail
export PGHOST=127.0.0.1 PGUSER=postgres PGPASSWORD=$POSTGRES_PASSWORD PGDATABASE=postgres

until pg_isready --quiet; do sleep 0.2; done # only the server that stays listens on TCP

for role in $ROLES; do
  password=PASSWORD_${role^^}
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set role="$role" --set password="${!password}" <<'SQL'
select format('create role %I login', :'role')
where not exists (select from pg_roles where rolname = :'role') \gexec
alter role :"role" login nosuperuser nocreatedb nocreaterole password :'password';
select format('create database %I owner %I', :'role', :'role')
where not exists (select from pg_database where datname = :'role') \gexec
revoke all on database :"role" from public;
SQL
done
