"""The connection to NATS, and what goes over it."""
