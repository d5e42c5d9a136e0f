"""The command `tally`: runs services, and looks into a platform from outside.

It asks services on their admin ports and the broker, and never a database.
"""

from tallystick._cli.app import app, main

__all__ = ["app", "main"]
