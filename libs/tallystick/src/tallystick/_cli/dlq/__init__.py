"""Commands that show dead letters and repair them."""
