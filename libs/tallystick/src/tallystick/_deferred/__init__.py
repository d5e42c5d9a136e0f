"""Deferred messages: their rows, leases and limits."""
