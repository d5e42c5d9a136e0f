"""`python -m tallystick_local`."""

from tallystick_local.cli import app

app(prog_name="tallystick_local")
