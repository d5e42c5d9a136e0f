"""The simulated mail house."""
