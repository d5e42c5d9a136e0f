"""A service put together, run and drained."""
