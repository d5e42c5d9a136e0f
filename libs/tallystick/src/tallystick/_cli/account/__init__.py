"""`tally account`: whether every message that was published is received."""
