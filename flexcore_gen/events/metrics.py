"""Prometheus metrics, computed from the event store.

The store is append-only, so counters that are counted from it never go back. Names
beginning with `flexcore_plugin_` are those of the integration guide. Labels are names
of the project (pipelines, environments, plugins, streams), never texts of errors.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

from flexcore_gen.events.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from prometheus_client.core import Metric

    from flexcore_gen.events.run_event import StoredEvent
    from flexcore_gen.events.store import EventStore

logger = logging.getLogger(__name__)

BUCKETS_SECONDS = (10.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0)
_OUTCOMES = {
    "PipelineCompleted": "success",
    "PipelineFailed": "failed",
    "PipelineLost": "lost",
}
_PIPELINE = ["pipeline", "environment"]


class RunMetrics:
    """What the events so far add up to; fed once per event, in order."""

    def __init__(self) -> None:
        self.position = 0
        self.runs: Counter[tuple[str, str, str]] = Counter()
        self.plugins: Counter[tuple[str, str]] = Counter()
        self.records: Counter[tuple[str, str, str]] = Counter()
        self.read_bytes: Counter[tuple[str, str]] = Counter()
        self.schema_changes: Counter[tuple[str, str]] = Counter()
        self.models: Counter[tuple[str, str]] = Counter()
        self.last_run: dict[tuple[str, str], tuple[float, float]] = {}
        self.last_success: dict[tuple[str, str], float] = {}
        self.last_seconds: dict[tuple[str, str], float] = {}
        self.durations: dict[tuple[str, str], list[int]] = {}
        self.duration_sums: Counter[tuple[str, str]] = Counter()
        #: Runs without an end, by id; what has ended is forgotten.
        self.running: dict[str, tuple[str, str]] = {}

    def apply(self, stored: StoredEvent) -> None:
        """Take in the next event."""
        self.position = stored.sequence
        event, data = stored.event, stored.event.data
        if event.name == "PipelineStarted":
            place = (event.subject, str(data.get("environment") or ""))
            self.running[event.aggregate_id] = place
        elif event.name in _OUTCOMES:
            place = self.running.pop(event.aggregate_id, (event.subject, ""))
            self._ended(place, _OUTCOMES[event.name], event.time, data)
        elif event.name == "DataExtracted":
            self._moved(event.subject, data)
        elif event.name == "DataTransformationCompleted":
            self.plugins["dbt", "success"] += 1
            for model in data.get("models") or []:
                self.models[event.subject, str(model.get("status"))] += 1
        elif event.name == "CommandCompleted":
            self.plugins[str(data.get("plugin") or data.get("name")), "success"] += 1
        elif event.name == "SchemaChanged":
            self.schema_changes[event.subject, str(data.get("stream"))] += 1

    def _moved(self, pipeline: str, data: Mapping[str, Any]) -> None:
        for plugin in (data.get("plugin"), data.get("target")):
            if plugin:
                self.plugins[str(plugin), "success"] += 1
        for stream, numbers in (data.get("streams") or {}).items():
            for word in ("extracted", "loaded", "rejected"):
                self.records[pipeline, stream, word] += int(numbers.get(word) or 0)
            self.read_bytes[pipeline, stream] += int(numbers.get("bytes") or 0)

    def _ended(
        self, place: tuple[str, str], outcome: str, time: str, data: Mapping[str, Any]
    ) -> None:
        self.runs[(*place, outcome)] += 1
        at = datetime.fromisoformat(time).timestamp()
        self.last_run[place] = (at, float(outcome == "success"))
        if outcome == "success":
            self.last_success[place] = at
        elif plugin := (data.get("failed_step") or {}).get("plugin"):
            self.plugins[str(plugin), "failed"] += 1
        seconds = data.get("duration_seconds")
        if seconds is not None:
            counts = self.durations.setdefault(place, [0] * (len(BUCKETS_SECONDS) + 1))
            counts[bisect_left(BUCKETS_SECONDS, float(seconds))] += 1
            self.duration_sums[place] += seconds
            self.last_seconds[place] = float(seconds)

    def families(
        self, now: datetime, intervals: Mapping[str, float]
    ) -> Iterator[Metric]:
        """Yield every metric.

        Args:
            now: Aware; when this is asked.
            intervals: Pipeline to the longest seconds between its runs.
        """
        yield _counter(
            "flexcore_plugin_executions",
            "Executions of plugins in runs that have ended.",
            ["plugin_name", "outcome"],
            self.plugins,
        )
        yield _counter(
            "flexcore_pipeline_runs",
            "Runs that have ended, by outcome.",
            [*_PIPELINE, "outcome"],
            self.runs,
        )
        yield _counter(
            "flexcore_records",
            "Records of streams: extracted, loaded, rejected.",
            ["pipeline", "stream", "direction"],
            self.records,
        )
        yield _counter(
            "flexcore_read_bytes",
            "Bytes read by taps.",
            ["pipeline", "stream"],
            self.read_bytes,
        )
        yield _counter(
            "flexcore_schema_changes",
            "Changes of a stream's schema.",
            ["pipeline", "stream"],
            self.schema_changes,
        )
        yield _counter(
            "flexcore_dbt_models",
            "dbt models built, by status.",
            ["pipeline", "status"],
            self.models,
        )
        yield self._histogram()
        for name, text, values in (
            (
                "flexcore_pipeline_last_run_timestamp_seconds",
                "When the last run ended.",
                {place: at for place, (at, _) in self.last_run.items()},
            ),
            (
                "flexcore_pipeline_last_run_success",
                "Whether the last run that ended succeeded.",
                {place: fine for place, (_, fine) in self.last_run.items()},
            ),
            (
                "flexcore_pipeline_last_success_timestamp_seconds",
                "When a run last succeeded.",
                self.last_success,
            ),
            (
                "flexcore_pipeline_last_duration_seconds",
                "How long the last run took.",
                self.last_seconds,
            ),
            (
                "flexcore_runs_running",
                "Runs that have started and not ended.",
                Counter(self.running.values()),
            ),
        ):
            yield _gauge(name, text, _PIPELINE, values)
        yield _gauge(
            "flexcore_pipeline_expected_interval_seconds",
            "Longest time between runs by the pipeline's schedule.",
            ["pipeline"],
            {(name,): seconds for name, seconds in intervals.items()},
        )
        yield _gauge(
            "flexcore_metrics_timestamp_seconds",
            "When these metrics were computed.",
            [],
            {(): now.timestamp()},
        )

    def _histogram(self) -> Metric:
        family = HistogramMetricFamily(
            "flexcore_run_duration_seconds", "Duration of runs.", labels=_PIPELINE
        )
        for place, counts in sorted(self.durations.items()):
            total, buckets = 0, []
            for bound, count in zip((*BUCKETS_SECONDS, "+Inf"), counts, strict=True):
                total += count
                buckets.append((str(bound), float(total)))
            family.add_metric(list(place), buckets, self.duration_sums[place])
        return family


def _counter(
    name: str, text: str, labels: list[str], values: Mapping[Any, float]
) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric([str(part) for part in key], value)
    return family


def _gauge(
    name: str, text: str, labels: list[str], values: Mapping[Any, float]
) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric([str(part) for part in key], value)
    return family


class StoreCollector(Collector):
    """Reads what is new in the store whenever it is asked.

    Args:
        open_store: Opens the store; None while nothing has ever run.
        intervals: Pipeline to the longest seconds between its runs.
    """

    def __init__(
        self,
        open_store: Callable[[], EventStore | None],
        intervals: Mapping[str, float],
    ) -> None:
        self._open = open_store
        self._intervals = intervals
        self._metrics = RunMetrics()

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not read the store."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as of now; constant memory, however large the store."""
        yield _gauge(
            "flexcore_store_up",
            "Whether the event store could be read; if not, the rest is of before.",
            [],
            {(): float(self._catch_up())},
        )
        yield from self._metrics.families(datetime.now(UTC), self._intervals)

    def _catch_up(self) -> bool:
        try:
            store = self._open()
            if store is None:
                return True
            try:
                for stored in store.events(after=self._metrics.position):
                    self._metrics.apply(stored)
            finally:
                store.close()
        except StoreError as error:
            logger.warning("the event store cannot be read: %s", error)
            return False
        return True
