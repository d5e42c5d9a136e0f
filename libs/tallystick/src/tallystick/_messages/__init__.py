"""What a message is, and what a service declares about it."""
