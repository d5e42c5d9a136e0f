"""The admin port of a service."""
