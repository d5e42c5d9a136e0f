"""The HTTP side of a service: server, edge, problems, idempotency."""
