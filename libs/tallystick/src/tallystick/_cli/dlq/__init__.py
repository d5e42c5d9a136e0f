"""Commands that look at dead letters and repair them."""
