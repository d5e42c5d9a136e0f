"""`tally timeline`: collects the story of one key and draws it."""

from tallystick._cli.timeline.command import register

__all__ = ["register"]
