"""Every knob of the pods, and every section of the values that takes them."""

import json
from typing import Any

VOLUME = {"name": "extra", "emptyDir": {}}
KNOBS: dict[str, Any] = {
    "podLabels": {"team": "orders"},
    "podAnnotations": {"note": "kept"},
    "serviceAccountAnnotations": {"role": "arn:aws:iam::1:role/shop"},
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
    "extraVolumes": [VOLUME],
    "extraVolumeMounts": [{"name": "extra", "mountPath": "/extra"}],
    "imagePullSecrets": ["own"],
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "topologySpreadConstraints": [
        {"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    ],
    "priorityClassName": "high",
}
SECTIONS = (
    *("orders", "payments", "shipping", "sandbox", "sandbox.customers", "nats", "postgres"),
    *("operator", "prometheus", "grafana", "jaeger", "secrets", "test"),
)
FLAGS = [
    "--set=sandbox.customers.rate=1,global.imagePullSecrets={shared}",
    *(f"--set-json={section}.pod={json.dumps(KNOBS)}" for section in SECTIONS),
]
