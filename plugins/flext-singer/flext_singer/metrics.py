"""The metrics that our plugins log beside the SDK's, by the SDK's mechanism.

| metric | kind | value | tags |
|---|---|---|---|
| `bytes` | counter | bytes of RECORD lines or batch files | stream |
| `bookmark` | gauge | the stream's bookmark as text | stream |
| `file_written` | counter | records in the file | stream, path, changed |
| `rejected` | counter | records rejected since the last such line | stream, path |
"""

from __future__ import annotations

import enum
from typing import Any, cast

from singer_sdk import metrics


class FlextMetric(enum.StrEnum):
    """Names of the metrics that the SDK does not know."""

    BYTES = "bytes"
    BOOKMARK = "bookmark"
    FILE_WRITTEN = "file_written"
    REJECTED = "rejected"


def _log(kind: str, metric: FlextMetric, value: object, **tags: object) -> None:
    point: metrics.Point[Any] = metrics.Point(
        kind, cast("metrics.Metric", metric), value, tags
    )
    metrics.log(metrics.get_metrics_logger(), point)


def byte_counter(stream: str) -> metrics.Counter:
    """Return a counter of a stream's bytes; it logs every minute and on `exit`."""
    return metrics.Counter(
        cast("metrics.Metric", FlextMetric.BYTES), {metrics.Tag.STREAM: stream}
    )


def log_bookmark(stream: str, value: object) -> None:
    """Log the bookmark that a stream has reached, as text."""
    _log("gauge", FlextMetric.BOOKMARK, str(value), stream=stream)


def log_file_written(stream: str, path: str, records: int, *, changed: bool) -> None:
    """Log a file that a target has written.

    Args:
        stream: Name of the stream.
        path: The file.
        records: Records in it.
        changed: Whether its content differs from before.
    """
    _log(
        "counter",
        FlextMetric.FILE_WRITTEN,
        records,
        stream=stream,
        path=path,
        changed=changed,
    )


def log_rejected(stream: str, value: int, path: str) -> None:
    """Log how many records were rejected, and the file that holds them."""
    _log("counter", FlextMetric.REJECTED, value, stream=stream, path=path)
