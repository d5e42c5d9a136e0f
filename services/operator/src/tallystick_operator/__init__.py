"""The operator: keeps NATS as Kubernetes resources declare it."""
