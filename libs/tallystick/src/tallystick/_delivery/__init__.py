"""Incoming messages: delivered, attempted, settled."""
