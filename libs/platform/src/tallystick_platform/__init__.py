"""The code that the services of the order platform share, beside their messages."""
