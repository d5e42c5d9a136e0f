"""The shapes in which the charts are rendered: each toggle once, and what belongs together."""

import json
from pathlib import Path

import pytest

from tallystick_local.services import SERVICES
from tests.charts.knobs import FLAGS, KNOBS
from tests.charts.rendering import REPOSITORY

EXAMPLES = Path(__file__).parent / "examples"
URLS = [f"--set={service}.database.secret={service}-database" for service in SERVICES]

FILES = {
    "kind": ["values-kind.yaml"],
    "production": ["values-production.yaml"],
    "large": ["values-production.yaml", "values-large.yaml"],
}
"""The values that are given in deploy/."""

UMBRELLA: dict[str, list[str]] = {
    "as it is": [],
    **{
        f"for {name}": [f"--values={REPOSITORY}/deploy/{file}" for file in files]
        for name, files in FILES.items()
    },
    "three brokers": ["--set=nats.replicas=3"],
    "another broker": ["--set=nats.enabled=false,nats.url=nats://nats.messaging:4222"],
    "no exporter": ["--set=nats.exporter.enabled=false"],
    "TLS": ["--set=nats.tlsSecret=nats-tls,postgres.tlsSecret=postgres-tls"],
    "another database": ["--set=postgres.enabled=false", *URLS],
    "secrets by name": ["--set=secrets.generate=false"],
    "another Prometheus": [
        "--set=prometheus.enabled=false,prometheus.url=http://prometheus.monitoring:9090",
        "--set=prometheus.operator.enabled=true,prometheus.operator.labels.release=monitoring",
    ],
    "another Grafana": ["--set=grafana.enabled=false,grafana.dashboards.enabled=true"],
    "another Jaeger": ["--set=jaeger.enabled=false,jaeger.url=http://jaeger.tracing:16686"],
    "not watched": ["--set=prometheus.enabled=false,grafana.enabled=false,jaeger.enabled=false"],
    "a Grafana to log in to": [
        "--set=grafana.adminSecret=grafana,grafana.anonymousRole=None",
        "--set=grafana.serviceType=NodePort,grafana.nodePort=30300",
    ],
    "spans elsewhere": ["--set=tracing.endpoint=http://collector:4318"],
    "no policies": ["--set=networkPolicy.enabled=false"],
    "without orders": ["--set=orders.enabled=false"],
    "without the sandbox": ["--set=sandbox.enabled=false"],
    "customers": ["--set=sandbox.customers.rate=2.5"],
    "orders elsewhere": ["--set=ordersUrl=http://orders.example.com,sandbox.customers.rate=1"],
    "a registry": ["--set=global.image.registry=registry.example.com/shop,global.image.tag=1.2.3"],
    "a login": ["--set=global.imagePullSecrets={registry}"],
    "every knob": FLAGS,
    "storage": [
        "--set=nats.storageClass=fast,postgres.storageClass=fast,prometheus.storageClass=fast"
    ],
}

SERVICE: dict[str, list[str]] = {
    "ten lines": [f"--values={EXAMPLES}/cafe.yaml"],
    "roles": ["--set=service=cafe,roles.api.replicas=3,roles.events.autoscaling.enabled=true"],
    "no api": ["--set=service=cafe,roles.events.replicas=3"],
    "an autoscaler": ["--set=service=cafe,autoscaling.enabled=true"],
    "an ingress": ["--set=service=cafe,ingress.enabled=true,ingress.host=cafe.example.com"],
    "an ingress with TLS": [
        "--set=service=cafe,ingress.enabled=true,ingress.host=cafe.example.com",
        "--set=ingress.tlsSecret=cafe-tls,ingress.className=nginx,ingress.annotations.a=b",
    ],
    "a node's port": ["--set=service=cafe,serviceType=NodePort,nodePort=30080"],
    "a monitor": ["--set=service=cafe,serviceMonitor.enabled=true,serviceMonitor.labels.a=b"],
    "secret settings": [
        "--set=service=cafe,secretSettings.API_KEY.secret=roaster,secretSettings.API_KEY.key=key"
    ],
    "an authority": ["--set=service=cafe,caSecret=company-ca"],
    "no messages": ["--set=service=cafe,nats.enabled=false"],
    "no migration": ["--set=service=cafe,migrate=false"],
    "spans": ["--set=service=cafe,tracing.endpoint=http://collector:4318"],
    "no extras": [
        "--set=service=cafe,networkPolicy.enabled=false,podDisruptionBudget.enabled=false",
        "--set=spread=false",
    ],
    "every knob": ["--set=service=cafe", f"--set-json=pod={json.dumps(KNOBS)}"],
}

EVERY = [
    pytest.param(chart, flags, id=f"{chart} {name}")
    for chart, shapes in (("tallystick", UMBRELLA), ("service", SERVICE))
    for name, flags in shapes.items()
]
"""A chart and helm's flags, for each shape of both."""
