"""The handlers of Topology: a service's streams and durables."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import kopf

from tallystick import TallystickError
from tallystick_operator import reconciling
from tallystick_operator.cluster import GROUP, PLURAL, VERSION
from tallystick_operator.keeping import Keeping
from tallystick_operator.ownership import name_of
from tallystick_operator.resources import Body, deletes_streams

AGAIN_AFTER_S = 2.0


def register(registry: kopf.OperatorRegistry, keeping: Keeping, give_up_after_s: float) -> None:
    """Add the handlers of this kind."""

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def seen(event: kopf.RawEvent, **_: Any) -> None:
        body: Body = event["object"]
        is_going = event["type"] == "DELETED" or "deletionTimestamp" in body["metadata"]
        if is_going or not keeping.owns(body):
            keeping.gone(name_of(body))
        else:
            keeping.seen(body)

    def deletes(body: kopf.Body, **_: Any) -> bool:
        """Return whether a deletion waits for this operator."""
        return keeping.owns(body) and deletes_streams(body["spec"])

    @kopf.on.delete(GROUP, VERSION, PLURAL, registry=registry, when=deletes)
    async def deleted(body: kopf.Body, runtime: timedelta, **_: Any) -> None:
        keeping.gone(name_of(body))
        await keeping.settled()  # else a running round would create it again
        try:
            await reconciling.delete(keeping.broker, dict(body), keeping.bodies)
        except TallystickError as error:
            if runtime.total_seconds() < give_up_after_s:
                raise kopf.TemporaryError(
                    f"the streams are not deleted yet: {error}", AGAIN_AFTER_S
                ) from error
            kopf.warn(body, reason="StreamsKept", message=f"gave up deleting streams: {error}")
