"""The command `tally`: runs services, and looks into a platform from outside.

It asks services on their admin ports and the broker, and never a database. `app` has the commands
of the library, `command_line()` those that other packages add, too.
"""

from tallystick._cli.app import app, command_line, main

__all__ = ["app", "command_line", "main"]
