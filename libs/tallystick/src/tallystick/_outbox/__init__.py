"""The outbox: store outgoing messages with a commit, publish them afterwards."""
