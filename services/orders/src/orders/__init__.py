"""The orders service: takes orders and follows each one to its end."""
