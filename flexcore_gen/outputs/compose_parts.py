"""Optional parts of the compose stack: Redis, Prometheus with Alertmanager, Grafana.

Metrics and Alertmanager share the network of Prometheus, so the addresses that the
prometheus output renders, all of 127.0.0.1, hold here too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flexcore_gen.outputs.prometheus import SECRETS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flexcore_gen.model import Watch

#: Image, and the user it runs as.
REDIS = ("redis:8.2.1-alpine", 999)
PROMETHEUS = ("prom/prometheus:v3.5.0", 65_534)
ALERTMANAGER = ("prom/alertmanager:v0.28.1", 65_534)
GRAFANA = ("grafana/grafana:12.1.1", 472)
GRAFANA_PASSWORD = "GRAFANA_PASSWORD"  # noqa: S105 - the name of a secret
#: Part: its volumes.
VOLUMES = {
    "redis": ("redis",),
    "prometheus": ("prometheus", "alertmanager"),
    "grafana": ("grafana",),
}
_BESIDE_PROMETHEUS = "service:prometheus"


def part_problems(
    parts: tuple[str, ...], outputs: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    """What is missing for the parts that were asked for, and its fix."""
    for name in ("prometheus", "grafana"):
        if name in parts and name not in outputs:
            yield (
                f"the part {name} needs what the output {name} renders",
                (f"add {name} to outputs"),
            )
    if "grafana" in parts and "prometheus" not in parts:
        yield (
            "the part grafana shows what the part prometheus has",
            ("add prometheus to deploy.parts"),
        )


def part_secrets(parts: tuple[str, ...], watch: Watch) -> list[str]:
    """Secrets that only the parts need."""
    names = [GRAFANA_PASSWORD] if "grafana" in parts else []
    return names + (_alert_secrets(watch) if "prometheus" in parts else [])


def redis() -> dict[str, Any]:
    """A broker for Airflow's Celery executor; nothing of FlexCore uses it."""
    return {
        "image": REDIS[0],
        "command": ["redis-server", "--save", "60", "1", "--dir", "/data"],
        "healthcheck": _healthy("redis-cli", "ping"),
        "networks": ["backend"],
        "volumes": ["redis:/data"],
    }


def prometheus() -> dict[str, Any]:
    """Scrapes and judges by the rendered rules; its folder is read only."""
    return {
        "image": PROMETHEUS[0],
        "command": [
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/prometheus",
            "--storage.tsdb.retention.time=90d",
        ],
        "healthcheck": _healthy(
            "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:9090/-/healthy"
        ),
        "networks": ["backend", "outside"],
        "volumes": ["../../prometheus:/etc/prometheus:ro", "prometheus:/prometheus"],
    }


def alertmanager(watch: Watch) -> dict[str, Any]:
    """Sends what Prometheus finds; its secrets are files."""
    return {
        "image": ALERTMANAGER[0],
        "command": [
            "--config.file=/etc/alertmanager/alertmanager.yml",
            "--storage.path=/alertmanager",
        ],
        "healthcheck": _healthy(
            "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:9093/-/healthy"
        ),
        "network_mode": _BESIDE_PROMETHEUS,
        "secrets": [
            {"source": name, "target": f"{SECRETS}/{name}"}
            for name in _alert_secrets(watch)
        ],
        "volumes": [
            "../../prometheus/alertmanager.yml:/etc/alertmanager/alertmanager.yml:ro",
            "alertmanager:/alertmanager",
        ],
    }


def metrics(image: str, secrets: list[str]) -> dict[str, Any]:
    """Serves the store's metrics to Prometheus, from the runner's image."""
    return {
        "image": image,
        "command": ["flexcore-gen", "metrics", "serve"],
        "healthcheck": {"disable": True},
        "network_mode": _BESIDE_PROMETHEUS,
        "depends_on": ["runner"],
        "secrets": secrets,
        "volumes": ["events:/var/lib/flexcore"],
    }


def grafana() -> dict[str, Any]:
    """The rendered dashboard, on this host's loopback only."""
    return {
        "image": GRAFANA[0],
        "environment": {
            "GF_SECURITY_ADMIN_PASSWORD__FILE": f"/run/secrets/{GRAFANA_PASSWORD}",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        },
        "healthcheck": _healthy(
            "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:3000/api/health"
        ),
        "networks": ["backend", "outside"],
        "ports": ["127.0.0.1:3000:3000"],
        "secrets": [GRAFANA_PASSWORD],
        "volumes": [
            "../../grafana/provisioning:/etc/grafana/provisioning:ro",
            "../../grafana/dashboards:/var/lib/grafana/dashboards:ro",
            "grafana:/var/lib/grafana",
        ],
    }


def _alert_secrets(watch: Watch) -> list[str]:
    names = ["chat_webhook_url"] if watch.chat else []
    return names + (["smtp_password"] if watch.smtp_username else [])


def _healthy(*command: str) -> dict[str, Any]:
    return {
        "test": ["CMD", *command],
        "interval": "10s",
        "timeout": "5s",
        "retries": 12,
    }
