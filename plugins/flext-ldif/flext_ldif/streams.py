"""The streams of the tap: entries and changes of LDIF files."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
from flext_singer import FlextStream

from flext_ldif.entries import Refusal
from flext_ldif.extraction import Extraction
from flext_ldif.file_marks import FileMark, Plan, is_unchanged, plan
from flext_ldif.record_shapes import CHANGE_SCHEMA, ENTRY_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context, Record

    from flext_ldif.file_marks import Work
    from flext_ldif.tap import TapLdif

#: Settings that decide what the records of a file are.
_CONTENT_SETTINGS = (
    "strict_parsing",
    "dialect",
    "base_dn_filter",
    "object_class_filter",
    "attribute_filter",
    "exclude_attributes",
    "binary_attributes",
    "url_base_dir",
    "max_entry_bytes",
)


class LdifStream(FlextStream):
    """What the records of a set of files have in common.

    Attributes:
        kind: Which records: see `record_shapes.shape_of`.
    """

    kind = ""

    def __init__(self, tap: Tap, name: str, schema: dict[str, Any]) -> None:
        super().__init__(tap, name=name, schema=schema)
        self.primary_keys = ["source_file", "line_number"]
        self.rejected_rows = 0  # records of the file at hand that `finished` refused
        self._yielded = 0  # records handed to the loop
        self._written = 0  # records the loop has written
        self._read_marks: deque[tuple[int, FileMark]] = deque()

    @property
    def ldif_tap(self) -> TapLdif:
        """The tap this stream belongs to."""
        return self._tap  # type: ignore[return-value]

    # What to read

    @cached_property
    def _settings_digest(self) -> str:
        settings = {name: self.config.get(name) for name in _CONTENT_SETTINGS}
        text = json.dumps(settings, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def _plan(self) -> Plan:
        state = self.stream_state
        files = self.ldif_tap.files
        marks = [FileMark.from_json(one) for one in state.get("files") or ()]
        known = [mark for mark in marks if mark is not None]
        if known and state.get("settings") != self._settings_digest:
            made = plan(files, [])
            return Plan(made.works, [], is_full=True, why="the settings have changed")
        return plan(files, known)

    def _set_version(self) -> None:
        """Begin a version if all is read anew, else go on with the last one."""
        made, state = self._plan, self.stream_state
        if made.why:
            self.logger.info("All files are read again: %s", made.why)
        if not made.works:
            self.logger.info(
                "No file has changed since the last run: nothing to read (%d files)",
                len(made.kept),
            )
        if made.is_full:
            begun = max(self._initialized_at, int(state.get("version") or 0) + 1)
            state.update(version=begun, is_activated=False)
        state["settings"] = self._settings_digest
        state["files"] = [mark.as_json() for mark in made.kept]
        self.state_manager.is_flushed = False
        if self.selected and self.config.get("emit_activate_version_messages"):
            self._stream_version = state["version"]

    def _finish(self) -> None:
        state = self.stream_state
        rejected = sum(mark["rejected"] for mark in state.get("files") or ())
        if state.get("is_activated") or rejected:
            # Rows of an unfinished or a holey version must not drop the others.
            self._stream_version = None
        activates = self._stream_version is not None
        super()._finish()
        if activates and not self.flext_tap.rejects.counts[self.name]:
            state["is_activated"] = True
            self.state_manager.is_flushed = False
            self._write_state_message()

    # Marks follow the records they cover

    def _advance(self, chunk: list[Record]) -> None:  # type: ignore[override]
        super()._advance(chunk)
        self._note_written(len(chunk))

    def _increment_stream_state(
        self, latest_record: Record, *, context: Context | None = None
    ) -> None:
        super()._increment_stream_state(latest_record, context=context)
        self._note_written(1)

    def _finalize_state(self, state: dict[str, Any] | None = None) -> None:
        self._note_written(0)
        super()._finalize_state(state)

    def _note_written(self, count: int) -> None:
        """Move the marks of files whose records are all written into the state."""
        self._written += count
        while self._read_marks and self._read_marks[0][0] <= self._written:
            _, mark = self._read_marks.popleft()
            self.stream_state["files"].append(mark.as_json())
            self.state_manager.is_flushed = False

    # Records

    def get_records(
        self,
        context: Context | None,  # noqa: ARG002 - the SDK's signature
    ) -> Iterable[dict[str, Any]]:
        """Yield the records of all files that are to be read."""
        for work in self._plan.works:
            mark = self._known_mark(work)
            if mark is None:
                mark = yield from self._records_of(work)
            if mark is not None:
                self._read_marks.append((self._yielded, mark))

    def _records_of(
        self, work: Work
    ) -> Generator[dict[str, Any], None, FileMark | None]:
        """Yield the records of one file; return its mark."""
        extraction = Extraction(
            work,
            self.config,
            self.kind,
            only_changes=self._skips_entries,
            may_encode=self._may_encode,
        )
        name = work.file.name
        for found in extraction:
            if isinstance(found, Refusal):
                extraction.others += 1
                if self.ldif_tap.reports(self, is_change=found.is_change):
                    extraction.rejected += 1
                    self._refuse(name, found)
                continue
            if isinstance(found, msgspec.Raw):
                self._yielded += 1
                yield found  # type: ignore[misc] # encoded as it is
                continue
            found["source_file"] = name
            record = self.finished(found)
            if record is not None:
                self._yielded += 1
                yield record
        mark = extraction.mark
        if mark is not None and self.rejected_rows:
            mark = replace(mark, rejected=mark.rejected + self.rejected_rows)
            self.rejected_rows = 0
        if mark is not None and not extraction.others:
            self._note_single_kind(work, mark)
        return mark

    def _known_mark(self, work: Work) -> FileMark | None:  # noqa: ARG002 - for others
        """Return the mark of a file that need not be read: it holds nothing for us."""
        return None

    def _note_single_kind(self, work: Work, mark: FileMark) -> None:
        """Note that a file holds nothing but what this stream is for."""

    @property
    def _may_encode(self) -> bool:
        """Whether records go out as they come, so that they may be JSON already."""
        return (
            type(self).finished is LdifStream.finished
            and self._is_plain
            and not self._deselected
            and not self.config.get("batch_config")
        )

    def finished(self, record: dict[str, Any]) -> dict[str, Any] | None:
        """Return a record as it goes out, or None if it does not."""
        return record

    @property
    def _skips_entries(self) -> bool:
        """Whether blocks of entries need not be looked into."""
        return False

    def _refuse(self, name: str, refusal: Refusal) -> None:
        place = f"{name}:{refusal.line}"
        where = f"{place}, dn: {refusal.dn}" if refusal.dn is not None else place
        record: Mapping[str, Any] = {
            "source_file": name,
            "line_number": refusal.line,
            "dn": refusal.dn,
            "text": refusal.text,
        }
        self.reject(where, refusal.reason, record)


class EntryStream(LdifStream):
    """ldif_entries: the content records."""

    kind = "entries"

    def __init__(self, tap: Tap) -> None:
        super().__init__(tap, "ldif_entries", ENTRY_SCHEMA)

    def _note_single_kind(self, work: Work, mark: FileMark) -> None:
        self.ldif_tap.entries_only[work.file.name] = (work, mark)


class ChangeStream(LdifStream):
    """ldif_changes: the change records."""

    kind = "changes"

    def __init__(self, tap: Tap) -> None:
        super().__init__(tap, "ldif_changes", CHANGE_SCHEMA)

    def _known_mark(self, work: Work) -> FileMark | None:
        read, mark = self.ldif_tap.entries_only.get(work.file.name, (None, None))
        if mark is None or read != work or not is_unchanged(work.file, mark):
            return None
        return mark

    @property
    def _skips_entries(self) -> bool:
        return not self.ldif_tap.reports(self, is_change=False)
