"""The composition root: registers the handlers and runs until it is stopped."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import AsyncExitStack

import kopf
import structlog

from tallystick import TallystickError
from tallystick.topology import Connection
from tallystick_operator import logs, settings
from tallystick_operator.admin import served
from tallystick_operator.cluster import GROUP, Cluster, ClusterError
from tallystick_operator.handlers import topology
from tallystick_operator.keeping import Keeping
from tallystick_operator.settings import InvalidSettings, Settings

log = structlog.get_logger()

USER = "operator"
"""The operator's user at the broker, and the name of its connection."""


def main() -> None:
    """Run the operator; exit with 0 when stopped, or with 1 and a line that says why it failed."""
    try:
        read = settings.read()
    except InvalidSettings as error:
        sys.exit(f"tallystick-operator: {error}")
    logs.configure(read)
    try:
        asyncio.run(run(read, Cluster(read.namespace)))
    except (ClusterError, TallystickError) as error:
        log.critical("the operator ends", error=str(error))
        sys.exit(1)


async def run(settings: Settings, cluster: Cluster, stop: asyncio.Event | None = None) -> None:
    """Run until stopped; raise ClusterError, or BrokerUnavailable if that cannot be retried."""
    stop = stop or asyncio.Event()
    broker = Connection(settings.nats_url, USER)
    keeping = Keeping(broker, cluster, settings.every_s, settings.store, settings.instance)
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(cluster.login)
    topology.register(registry, keeping, settings.give_up_after_s)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(cluster.close)
        stack.push_async_callback(broker.close)
        stack.push_async_callback(keeping.close)
        await keeping.load()
        await stack.enter_async_context(served(keeping, settings.host, settings.admin_port))
        log.info("started", namespace=settings.namespace, topologies=len(keeping.bodies))
        connecting = asyncio.create_task(_connected(broker, stop))
        try:
            await kopf.operator(
                registry=registry,
                settings=_of_kopf(),
                namespaces=[settings.namespace],
                standalone=True,
                # By default kopf asks for the user's name, and in a pod the user has none.
                identity=socket.gethostname(),  # type: ignore[arg-type]  # a str by another name
                stop_flag=stop,
            )
        finally:
            connecting.cancel()
        if connecting.done() and not connecting.cancelled():
            connecting.result()
    log.info("stopped")


async def _connected(broker: Connection, stop: asyncio.Event) -> None:
    """Connect and reconnect; set `stop` once the connection is closed and not retried."""
    try:
        await broker.connect()
        await broker.until_closed()
    finally:
        stop.set()


def _of_kopf() -> kopf.OperatorSettings:
    """Return kopf's settings: it marks resources with our name and watches only our kinds."""
    chosen = kopf.OperatorSettings()
    chosen.scanning.disabled = True
    chosen.posting.reporting_component = "tallystick-operator"
    chosen.posting.event_name_prefix = "tallystick-"
    chosen.persistence.finalizer = f"{GROUP}/streams"
    chosen.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    chosen.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=GROUP)
    return chosen
