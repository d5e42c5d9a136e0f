"""The local platform: every process of Tallystick on one machine."""
