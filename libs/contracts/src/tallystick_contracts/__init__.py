"""The events that the Tallystick services publish to each other."""
