"""Streams and durables as they follow from a service's declarations."""

from tallystick.topology._differences import Difference, differences
from tallystick.topology._document import document_of, permissions_of, topology_of, written
from tallystick.topology._permissions import (
    Permissions,
    permissions,
    reconciler_permissions,
)
from tallystick.topology._positions import pause, resume, rewind, sequence_at
from tallystick.topology._reconcile import is_idle, lag, reconcile, verify, verify_durable
from tallystick.topology._room import Room, make_room
from tallystick.topology._spec import Durable, Stream, Topology, declared

__all__ = [
    "Difference",
    "Durable",
    "Permissions",
    "Room",
    "Stream",
    "Topology",
    "declared",
    "differences",
    "document_of",
    "is_idle",
    "lag",
    "make_room",
    "pause",
    "permissions",
    "permissions_of",
    "reconcile",
    "reconciler_permissions",
    "resume",
    "rewind",
    "sequence_at",
    "topology_of",
    "verify",
    "verify_durable",
    "written",
]
