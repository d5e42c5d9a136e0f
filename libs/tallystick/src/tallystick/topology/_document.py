"""A service's topology as a document: it is committed, charts read it, an operator reconciles it.

{"service": "shop",
 "streams": [{"name", "subjects", "retention", "discard", "maxBytes", "maxAgeSeconds",
              "duplicateWindowSeconds", "replicas"}],
 "durables": [{"stream", "name", "filterSubjects", "ackWaitSeconds", "maxAckPending"}],
 "permissions": {"publish", "subscribe"}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tallystick.topology._permissions import Permissions
from tallystick.topology._spec import Durable, Stream, Topology, durable_of, stream_of

Document = dict[str, Any]
NANOSECONDS = 10**9


def document_of(topology: Topology) -> Document:
    """Return the topology in the style of Kubernetes: camelCase names, seconds, bytes."""
    return {
        "service": topology.service,
        "streams": [_stream(stream) for stream in topology.streams],
        "durables": [_durable(durable) for durable in topology.durables],
    }


def topology_of(document: Mapping[str, Any]) -> Topology:
    """Return the topology of a document; all members must be there and have the right type."""
    streams = tuple(
        stream_of(
            stream["name"],
            stream["subjects"],
            retention=stream["retention"],
            discard=stream["discard"],
            max_bytes=stream["maxBytes"],
            max_age=timedelta(seconds=stream["maxAgeSeconds"]),
            duplicate_window=timedelta(seconds=stream["duplicateWindowSeconds"]),
            replicas=stream["replicas"],
        )
        for stream in document["streams"]
    )
    durables = tuple(
        durable_of(
            durable["stream"],
            durable["name"],
            durable["filterSubjects"],
            ack_wait=timedelta(seconds=durable["ackWaitSeconds"]),
            max_ack_pending=durable["maxAckPending"],
        )
        for durable in document["durables"]
    )
    return Topology(document["service"], streams, durables)


def permissions_of(permissions: Permissions) -> Document:
    """Return the permissions in the same style."""
    return {
        "publish": list(permissions.publish),
        "subscribe": list(permissions.subscribe),
    }


def written(document: Document) -> str:
    """Return the text of a document's file."""
    return json.dumps(document, indent=2) + "\n"


def _stream(stream: Stream) -> Document:
    config = stream.config
    return {
        "name": stream.name,
        "subjects": list(config["subjects"]),
        "retention": config["retention"],
        "discard": config["discard"],
        "maxBytes": config["max_bytes"],
        "maxAgeSeconds": _seconds(config["max_age"]),
        "duplicateWindowSeconds": _seconds(config["duplicate_window"]),
        "replicas": config.get("num_replicas", 1),
    }


def _durable(durable: Durable) -> Document:
    config = durable.config
    return {
        "stream": durable.stream,
        "name": durable.name,
        "filterSubjects": list(config["filter_subjects"]),
        "ackWaitSeconds": _seconds(config["ack_wait"]),
        "maxAckPending": config["max_ack_pending"],
    }


def _seconds(nanoseconds: int) -> float:
    """Return seconds: an int if they are whole, else a float."""
    whole, rest = divmod(nanoseconds, NANOSECONDS)
    return nanoseconds / NANOSECONDS if rest else whole
