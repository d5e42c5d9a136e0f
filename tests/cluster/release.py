"""The release that is tested, as the environment names it."""

import os

from tests.chaos.cluster import Cluster

NAMESPACE = os.environ.get("NAMESPACE", "tallystick")
RELEASE = os.environ.get("RELEASE", "tallystick")
CLUSTER = Cluster(NAMESPACE, RELEASE)
