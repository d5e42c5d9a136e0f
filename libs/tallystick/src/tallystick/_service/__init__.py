"""Assembles, runs and drains a service."""
