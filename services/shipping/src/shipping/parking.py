"""Shipments that wait for a person."""

from __future__ import annotations

from typing import Final

from tallystick_platform.parking import Parking

SHIPMENTS: Final = Parking("shipments")
