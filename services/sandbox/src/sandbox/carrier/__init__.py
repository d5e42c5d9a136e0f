"""The simulated carrier."""
