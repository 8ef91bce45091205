"""Records that could not be moved: written aside, counted, and limited.

`max_errors` records may be rejected by one process; each goes as one JSON line to
`rejects_path`. The next one ends the run. With the default of 0 the first reject
ends it.
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flext_singer.errors import TooManyErrorsError
from flext_singer.metrics import log_rejected
from flext_singer.secrets import mask

if TYPE_CHECKING:
    from collections.abc import Mapping


class Rejects:
    """The rejected records of one process.

    Args:
        plugin: Name of the tap or target.
        max_errors: How many rejects are allowed.
        path: File to append to; None only logs what was rejected.
    """

    def __init__(self, plugin: str, max_errors: int, path: str | None) -> None:
        self.plugin = plugin
        self.max_errors = max_errors
        self.path = Path(path) if path else None
        self.counts: Counter[str] = Counter()
        self._logged: Counter[str] = Counter()
        self._logger = logging.getLogger(plugin)

    def add(
        self,
        stream: str,
        where: str,
        reason: str,
        record: Mapping[str, Any] | bytes | str | None = None,
    ) -> None:
        """Reject one record.

        Args:
            stream: The record's stream.
            where: The place in the source or the input: file and line, key, DN.
            reason: Why it cannot be moved.
            record: The record, as it is or as JSON.

        Raises:
            TooManyErrorsError: This reject is one more than `max_errors`.
        """
        self.counts[stream] += 1
        reason = mask(reason)
        if self.path is not None:
            self._append(self.path, stream, where, reason, record)
        if self.counts.total() > self.max_errors:
            aside = f", see {self.path}" if self.path else ""
            raise TooManyErrorsError(
                f"{reason}; {self.counts.total()} rejected, {self.max_errors} allowed"
                f" (max_errors){aside}",
                where=f"stream {stream!r}, {where}",
                fix="mend the record, or raise max_errors and set rejects_path",
            )
        self._logger.warning(
            "Rejected a record of stream '%s' (%s): %s", stream, where, reason
        )

    def _append(
        self,
        path: Path,
        stream: str,
        where: str,
        reason: str,
        record: Mapping[str, Any] | bytes | str | None,
    ) -> None:
        if isinstance(record, bytes):
            record = record.decode(errors="backslashreplace")
        line = json.dumps(
            {
                "rejected_at": datetime.now(UTC).isoformat(),
                "plugin": self.plugin,
                "stream": stream,
                "where": where,
                "reason": reason,
                "record": record,
            },
            default=str,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        file = os.open(path, flags, 0o600)
        try:
            # One write per line: lines of two processes never mix, and a crash
            # leaves whole lines only.
            os.write(file, mask(line).encode() + b"\n")
        finally:
            os.close(file)

    def log(self) -> None:
        """Log the `rejected` metric of each stream that gained some."""
        for stream, count in self.counts.items():
            if gained := count - self._logged[stream]:
                log_rejected(stream, gained, str(self.path or ""))
                self._logged[stream] = count
