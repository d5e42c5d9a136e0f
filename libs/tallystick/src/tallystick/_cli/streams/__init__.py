"""Commands that look at streams and durables."""
