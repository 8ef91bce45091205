"""Alert rules over the metrics of runs, and tests that `promtool test rules` runs."""

from __future__ import annotations

import re
from typing import Any

_PIPELINE = "{{ $labels.pipeline }} ({{ $labels.environment }})"
_FIELD = re.compile(r"\{\{ \$labels\.(\w+) \}\}")
_VALUE = "{{ $value | humanizeDuration }}"


def rule_groups() -> list[dict[str, Any]]:
    """What rules.yml holds: one group, so that what is recorded is there for alerts."""
    return [{"name": "flexcore", "rules": [*_recorded(), *_alerts()]}]


def _recorded() -> list[dict[str, Any]]:
    return [
        {
            "record": "flexcore:pipeline_seconds_since_success",
            "expr": "time() - flexcore_pipeline_last_success_timestamp_seconds",
        },
        {
            "record": "flexcore:run_duration_seconds:avg7d",
            "expr": "increase(flexcore_run_duration_seconds_sum[7d])"
            " / (increase(flexcore_run_duration_seconds_count[7d]) > 0)",
        },
    ]


def _alerts() -> list[dict[str, Any]]:
    return [
        _alert(
            "FlexcorePipelineFailed",
            "flexcore_pipeline_last_run_success == 0",
            "critical",
            f"{_PIPELINE} did not succeed in its last run",
            "flexcore-gen runs shows the reason",
        ),
        _alert(
            "FlexcoreRunLost",
            'increase(flexcore_pipeline_runs_total{outcome="lost"}[1h]) > 0',
            "critical",
            f"a run of {_PIPELINE} vanished without a word",
            "its process was killed or its host went down",
        ),
        _alert(
            "FlexcoreDataStale",
            "flexcore:pipeline_seconds_since_success > on (pipeline) group_left ()"
            " (1.5 * flexcore_pipeline_expected_interval_seconds + 600)",
            "warning",
            f"{_PIPELINE} is later than its schedule allows",
            "its last success is {{ $value | humanizeDuration }} ago",
        ),
        _alert(
            "FlexcoreNeverSucceeded",
            "flexcore_pipeline_expected_interval_seconds unless on (pipeline)"
            " flexcore_pipeline_last_success_timestamp_seconds",
            "warning",
            "{{ $labels.pipeline }} has a schedule and never succeeded",
            "is it scheduled anywhere?",
            wait="1d",
        ),
        _alert(
            "FlexcoreRunSlow",
            "flexcore_pipeline_last_duration_seconds"
            " > 2 * flexcore:run_duration_seconds:avg7d"
            " and flexcore_pipeline_last_duration_seconds > 60",
            "info",
            f"{_PIPELINE} took twice its usual time",
            "its last run took {{ $value | humanizeDuration }}",
        ),
        _alert(
            "FlexcoreRecordsRejected",
            "sum by (pipeline, stream) "
            '(increase(flexcore_records_total{direction="rejected"}[1h])) > 0',
            "warning",
            "{{ $labels.pipeline }} rejected records of {{ $labels.stream }}",
            "the rejects file has each with its reason",
        ),
        _alert(
            "FlexcoreSchemaChanged",
            "sum by (pipeline, stream) "
            "(increase(flexcore_schema_changes_total[1h])) > 0",
            "info",
            "the schema of {{ $labels.stream }} changed",
            "{{ $labels.pipeline }}: flexcore-gen runs shows the columns",
        ),
        _alert(
            "FlexcoreMetricsMissing",
            "absent(flexcore_metrics_timestamp_seconds) or flexcore_store_up == 0",
            "critical",
            "no metrics of runs arrive",
            "is `flexcore-gen metrics serve` running?",
            wait="15m",
        ),
    ]


def _alert(
    name: str, expr: str, severity: str, summary: str, more: str, wait: str = "0m"
) -> dict[str, Any]:
    return {
        "alert": name,
        "expr": expr,
        "for": wait,
        "labels": {"severity": severity},
        "annotations": {"summary": summary, "description": more},
    }


def rule_tests() -> dict[str, Any]:
    """What rules_test.yml holds: each alert where it must fire, and where not."""
    here = {"pipeline": "p", "environment": "production"}
    place = 'pipeline="p",environment="production"'
    success = f"flexcore_pipeline_last_success_timestamp_seconds{{{place}}}"
    interval = 'flexcore_pipeline_expected_interval_seconds{pipeline="p"}'
    stream = {"pipeline": "p", "stream": "s"}
    rejected = 'flexcore_records_total{pipeline="p",stream="s",direction="rejected"}'
    changed = 'flexcore_schema_changes_total{pipeline="p",stream="s"}'
    return {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [
            _test(
                "5m",
                {
                    f"flexcore_pipeline_last_run_success{{{place}}}": "0x10",
                    "flexcore_metrics_timestamp_seconds": "0+60x10",
                },
                FlexcorePipelineFailed=here,
                FlexcoreMetricsMissing=None,
            ),
            _test(
                "5m",
                {f"flexcore_pipeline_last_run_success{{{place}}}": "1x10"},
                FlexcorePipelineFailed=None,
            ),
            _test(
                "10m",
                {f'flexcore_pipeline_runs_total{{{place},outcome="lost"}}': "0x5 1x9"},
                FlexcoreRunLost={**here, "outcome": "lost"},
            ),
            _test(
                "3h",
                {success: "0x200", interval: "3600x200"},
                "3h 0m 0s",
                FlexcoreDataStale=here,
                FlexcoreNeverSucceeded=None,
            ),
            _test(
                "3h",
                {success: "0+60x200", interval: "3600x200"},
                FlexcoreDataStale=None,
            ),
            _test(
                "25h",
                {interval: "3600x1600"},
                FlexcoreNeverSucceeded={"pipeline": "p"},
                FlexcoreMetricsMissing={},
            ),
            _test(
                "100m",
                {
                    f"flexcore_pipeline_last_duration_seconds{{{place}}}": (
                        "100x60 900x60"
                    ),
                    f"flexcore_run_duration_seconds_sum{{{place}}}": "0+100x120",
                    f"flexcore_run_duration_seconds_count{{{place}}}": "0+1x120",
                },
                "15m 0s",
                FlexcoreRunSlow=here,
            ),
            _test(
                "10m",
                {rejected: "0x5 3x20", changed: "0x5 1x20"},
                FlexcoreRecordsRejected=stream,
                FlexcoreSchemaChanged=stream,
            ),
        ],
    }


def _test(
    at: str,
    series: dict[str, str],
    value: str = "",
    **fired: dict[str, str] | None,
) -> dict[str, Any]:
    """One test: series, and at a time which alerts fire with which labels."""
    alerts = {rule["alert"]: rule for rule in _alerts()}

    def expected(name: str, labels: dict[str, str]) -> dict[str, Any]:
        texts = {
            key: _FIELD.sub(lambda found: labels[found[1]], text).replace(_VALUE, value)
            for key, text in alerts[name]["annotations"].items()
        }
        return {
            "exp_labels": {**labels, **alerts[name]["labels"]},
            "exp_annotations": texts,
        }

    return {
        "interval": "1m",
        "input_series": [
            {"series": name, "values": values} for name, values in series.items()
        ],
        "alert_rule_test": [
            {
                "eval_time": at,
                "alertname": name,
                "exp_alerts": [] if labels is None else [expected(name, labels)],
            }
            for name, labels in fired.items()
        ],
    }
