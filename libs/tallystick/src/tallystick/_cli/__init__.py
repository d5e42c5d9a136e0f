"""The command `tally`: runs services, and shows and repairs a platform from outside.

It asks the services on their admin ports and the broker, and never a database. `app` has the
commands of the library; `command_line()` has those that other packages add as well.
"""

from tallystick._cli.app import app, command_line, main

__all__ = ["app", "command_line", "main"]
