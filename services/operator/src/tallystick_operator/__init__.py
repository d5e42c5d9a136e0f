"""Keeps NATS as Kubernetes resources declare it."""
