"""Dashboards and rules against what is really told."""
