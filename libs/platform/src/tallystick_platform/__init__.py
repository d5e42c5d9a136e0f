"""What the services of the order platform share beside their messages."""
