"""What is published again because the broker may have lost it."""
