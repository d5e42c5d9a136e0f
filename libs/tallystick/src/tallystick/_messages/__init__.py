"""Messages, and what a service declares about them."""
