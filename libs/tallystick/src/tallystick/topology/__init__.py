"""Streams and durables as they follow from a service's declarations."""

from tallystick.topology._differences import Difference, differences
from tallystick.topology._positions import pause, resume, rewind, sequence_at
from tallystick.topology._reconcile import lag, reconcile, verify, verify_durable
from tallystick.topology._room import Room, make_room
from tallystick.topology._spec import Durable, Stream, Topology, declared

__all__ = [
    "Difference",
    "Durable",
    "Room",
    "Stream",
    "Topology",
    "declared",
    "differences",
    "lag",
    "make_room",
    "pause",
    "reconcile",
    "resume",
    "rewind",
    "sequence_at",
    "verify",
    "verify_durable",
]
