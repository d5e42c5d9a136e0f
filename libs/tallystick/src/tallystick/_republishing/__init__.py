"""Publish messages again that the broker may have lost."""
