"""`tally timeline`: the story of one key, asked for everywhere and drawn."""

from tallystick._cli.timeline.command import register

__all__ = ["register"]
