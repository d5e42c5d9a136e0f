"""The connection to NATS, and all traffic on it."""
