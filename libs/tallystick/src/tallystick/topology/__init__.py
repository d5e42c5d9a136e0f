"""Streams, durables and permissions that follow from a service's declarations."""

from tallystick._broker.connection import Connection
from tallystick.errors import Refused
from tallystick.topology._differences import Difference, differences
from tallystick.topology._document import document_of, permissions_of, topology_of, written
from tallystick.topology._observe import DurableFound, Observed, StreamFound, observe
from tallystick.topology._permissions import (
    Permissions,
    permissions,
    reconciler_permissions,
)
from tallystick.topology._positions import pause, resume, rewind, sequence_at
from tallystick.topology._reconcile import (
    change,
    is_idle,
    lag,
    reconcile,
    remove,
    title,
    verify,
    verify_durable,
)
from tallystick.topology._snapshots import NotRestored, Saved, restore, save
from tallystick.topology._spec import (
    EVENTS_KEPT,
    Durable,
    Item,
    Stream,
    Topology,
    declared,
    durable_of,
    stream_of,
)
from tallystick.topology._trim import Trimmed, trim

__all__ = [
    "EVENTS_KEPT",
    "Connection",
    "Difference",
    "Durable",
    "DurableFound",
    "Item",
    "NotRestored",
    "Observed",
    "Permissions",
    "Refused",
    "Saved",
    "Stream",
    "StreamFound",
    "Topology",
    "Trimmed",
    "change",
    "declared",
    "differences",
    "document_of",
    "durable_of",
    "is_idle",
    "lag",
    "observe",
    "pause",
    "permissions",
    "permissions_of",
    "reconcile",
    "reconciler_permissions",
    "remove",
    "restore",
    "resume",
    "rewind",
    "save",
    "sequence_at",
    "stream_of",
    "title",
    "topology_of",
    "trim",
    "verify",
    "verify_durable",
    "written",
]
