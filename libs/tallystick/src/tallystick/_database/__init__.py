"""A service's PostgreSQL: connections, group commits, reads, migrations."""
