"""deploy/grafana: one dashboard of runs, its data source, and their provisioning.

The dashboard is data. Panels are of kinds that Grafana has now (the guide's `graph` was
Angular and is gone); expressions hold no name of a user, those come by variables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flexcore_gen.plan import PlannedFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flexcore_gen.plan import Project

FOLDER = "deploy/grafana"
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_WHERE = 'pipeline=~"$pipeline",environment=~"$environment"'
_WIDTH = 24


def plan_files(project: Project) -> Iterator[PlannedFile]:
    """The dashboard and what makes Grafana load it."""
    sources = (project.ecosystem.mark,)
    files = {
        "provisioning/datasources/flexcore.yml": {
            "apiVersion": 1,
            "datasources": [
                {
                    "name": "Prometheus",
                    "type": "prometheus",
                    "uid": "flexcore-prometheus",
                    "access": "proxy",
                    "url": "http://prometheus:9090",
                    "isDefault": True,
                    "editable": False,
                }
            ],
        },
        "provisioning/dashboards/flexcore.yml": {
            "apiVersion": 1,
            "providers": [
                {
                    "name": "flexcore",
                    "folder": "FlexCore",
                    "type": "file",
                    "allowUiUpdates": False,
                    "options": {"path": "/var/lib/grafana/dashboards"},
                }
            ],
        },
        "dashboards/flexcore.json": _dashboard(project.ecosystem.project),
    }
    for name, data in files.items():
        yield PlannedFile(f"{FOLDER}/{name}", data=data, sources=sources)


def _dashboard(project: str) -> dict[str, Any]:
    panels = [
        _panel(
            "Pipelines whose last run did not succeed",
            "stat",
            6,
            [
                (
                    (
                        f"count(flexcore_pipeline_last_run_success{{{_WHERE}}} == 0)"
                        " or vector(0)"
                    ),
                    "",
                )
            ],
            colours=[("green", None), ("red", 1)],
        ),
        _panel(
            "Running now",
            "stat",
            6,
            [(f"sum(flexcore_runs_running{{{_WHERE}}}) or vector(0)", "")],
        ),
        _panel(
            "Records loaded in 24 hours",
            "stat",
            6,
            [
                (
                    (
                        'sum(increase(flexcore_records_total{pipeline=~"$pipeline",'
                        'direction="loaded"}[1d]))'
                    ),
                    "",
                )
            ],
            unit="short",
        ),
        _panel(
            "Records rejected in 24 hours",
            "stat",
            6,
            [
                (
                    (
                        'sum(increase(flexcore_records_total{pipeline=~"$pipeline",'
                        'direction="rejected"}[1d]))'
                    ),
                    "",
                )
            ],
            colours=[("green", None), ("orange", 1)],
        ),
        _panel(
            "Last run by pipeline",
            "state-timeline",
            24,
            [
                (
                    f"flexcore_pipeline_last_run_success{{{_WHERE}}}",
                    "{{pipeline}} {{environment}}",
                )
            ],
            colours=[("red", None), ("green", 1)],
            mappings={"0": ("not successful", "red"), "1": ("success", "green")},
        ),
        _panel(
            "FlexCore Plugin Executions",
            "timeseries",
            12,
            [
                (
                    (
                        "sum by (plugin_name, outcome) "
                        "(increase(flexcore_plugin_executions_total[$__rate_interval]))"
                    ),
                    "{{plugin_name}} {{outcome}}",
                )
            ],
        ),
        _panel(
            "Run durations",
            "heatmap",
            12,
            [
                (
                    (
                        "sum by (le) (increase(flexcore_run_duration_seconds_bucket"
                        f"{{{_WHERE}}}[$__rate_interval]))"
                    ),
                    "{{le}}",
                )
            ],
            unit="s",
        ),
        _panel(
            "95th percentile of run durations",
            "timeseries",
            12,
            [
                (
                    (
                        "histogram_quantile(0.95, sum by (le, pipeline) "
                        f"(increase(flexcore_run_duration_seconds_bucket{{{_WHERE}}}[1d])))"
                    ),
                    "{{pipeline}}",
                )
            ],
            unit="s",
        ),
        _panel(
            "Records loaded",
            "timeseries",
            12,
            [
                (
                    (
                        "sum by (pipeline, stream) (increase(flexcore_records_total"
                        '{pipeline=~"$pipeline",direction="loaded"}[$__rate_interval]))'
                    ),
                    "{{pipeline}} {{stream}}",
                )
            ],
        ),
        _panel(
            "Time since the last success",
            "timeseries",
            12,
            [
                (
                    (
                        "time() - flexcore_pipeline_last_success_timestamp_seconds"
                        f"{{{_WHERE}}}"
                    ),
                    "{{pipeline}} {{environment}}",
                )
            ],
            unit="s",
        ),
        _panel(
            "Runs by outcome, 7 days",
            "table",
            12,
            [
                (
                    (
                        "sum by (pipeline, environment, outcome) "
                        f"(increase(flexcore_pipeline_runs_total{{{_WHERE}}}[7d]))"
                    ),
                    "",
                )
            ],
            instant=True,
        ),
    ]
    return {
        "uid": "flexcore-runs",
        "title": f"FlexCore: {project}",
        "tags": ["flexcore"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "timezone": "browser",
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "label": "Data source",
                    "type": "datasource",
                    "query": "prometheus",
                    "current": {
                        "text": "Prometheus",
                        "value": "flexcore-prometheus",
                    },
                },
                _variable("environment", "flexcore_pipeline_last_run_success"),
                _variable("pipeline", "flexcore_pipeline_last_run_success"),
            ]
        },
        "panels": _placed(panels),
    }


def _variable(label: str, metric: str) -> dict[str, Any]:
    query = f"label_values({metric}, {label})"
    return {
        "name": label,
        "type": "query",
        "datasource": dict(_SOURCE),
        "definition": query,
        "query": {"query": query, "refId": "variable"},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "sort": 1,
    }


def _panel(
    title: str,
    kind: str,
    width: int,
    queries: list[tuple[str, str]],
    *,
    unit: str = "none",
    colours: list[tuple[str, int | None]] | None = None,
    mappings: dict[str, tuple[str, str]] | None = None,
    instant: bool = False,
) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": unit, "decimals": 0 if unit == "none" else 1}
    if colours:
        steps = [{"color": colour, "value": value} for colour, value in colours]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
        defaults["color"] = {"mode": "thresholds"}
    if mappings:
        defaults["mappings"] = [
            {
                "type": "value",
                "options": {
                    value: {"text": text, "color": colour, "index": index}
                    for index, (value, (text, colour)) in enumerate(mappings.items())
                },
            }
        ]
    return {
        "title": title,
        "type": kind,
        "datasource": dict(_SOURCE),
        "gridPos": {"w": width, "h": 4 if kind == "stat" else 8},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {},
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": dict(_SOURCE),
                "expr": expr,
                "legendFormat": legend or "__auto",
                **({"instant": True, "format": "table"} if instant else {}),
                **({"format": "heatmap"} if kind == "heatmap" else {}),
            }
            for number, (expr, legend) in enumerate(queries)
        ],
    }


def _placed(panels: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Panels with ids and places: left to right, then the next row."""
    x = y = height = 0
    for number, panel in enumerate(panels, 1):
        place = panel["gridPos"]
        if x + place["w"] > _WIDTH:
            x, y, height = 0, y + height, 0
        panel["id"] = number
        place.update(x=x, y=y)
        x += place["w"]
        height = max(height, place["h"])
    return panels
