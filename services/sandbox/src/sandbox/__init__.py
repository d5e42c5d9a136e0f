"""A simulated payment provider and carrier with faults on request."""
