"""`flext-target-ldif`: entries and changes into LDIF files.

A file is replaced as a whole when the input has ended, never before, and STATE
waits for that: a run that breaks leaves the old files, and the next one gets
everything again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from flext_singer import FlextTarget, entry_point
from flext_singer.earlier_state import refuse_if_lost
from flext_singer.errors import FlextError
from flext_singer.metrics import log_file_written

from flext_ldif.dn_template import DnTemplate
from flext_ldif.output_file import OutputFile
from flext_ldif.sinks import LdifSink
from flext_ldif.writer import LINE_LENGTH, MIN_LINE_LENGTH, LdifWriter

if TYPE_CHECKING:
    from collections.abc import Iterable

FILE_NAMING_PATTERN = "{stream_name}.ldif"
_PLACEHOLDERS = re.compile(r"\{(\w*)\}")
_KNOWN_PLACEHOLDERS = frozenset({"stream_name", "date", "timestamp"})


@dataclass(slots=True)
class StreamOutput:
    """The file of a stream, and whether the stream has come as a whole.

    Attributes:
        stream: Name of the stream.
        file: Its file; streams may share one.
        is_incremental: Its SCHEMA names a bookmark.
        versions: Versions of its records.
        activated_version: The version that has come as a whole.
        records: How many records came.
    """

    stream: str
    file: OutputFile
    is_incremental: bool = False
    versions: set[int] = field(default_factory=set)
    activated_version: int | None = None
    records: int = 0

    def note(self, versions: Iterable[int | None]) -> None:
        """Note the versions of records."""
        listed = list(versions)
        self.records += len(listed)
        self.versions.update(one for one in listed if one is not None)

    @property
    def is_whole(self) -> bool:
        """Whether what came is all there is, not what was added since."""
        if self.activated_version is not None:
            return True
        return not self.versions and not self.is_incremental


class TargetLdif(FlextTarget):
    """Writes LDIF files."""

    name = "flext-target-ldif"
    package_name = "flext-ldif"
    default_sink_class = LdifSink
    commits_at_end = True
    config_jsonschema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": {
            "output_path": {
                "type": "string",
                "title": "Output path",
                "description": (
                    "File, or directory that gets a file per stream: one that exists,"
                    " ends in /, has no suffix, or comes with file_naming_pattern."
                ),
            },
            "file_naming_pattern": {
                "type": ["string", "null"],
                "title": "File naming pattern",
                "description": (
                    "Name of each file below output_path, of {stream_name}, {date} and"
                    " {timestamp}; {stream_name}.ldif for a directory."
                ),
            },
            "dn_template": {
                "type": ["string", "null"],
                "title": "DN template",
                "description": (
                    "DN of flat records, such as uid={uid},ou=people,dc=example,dc=com;"
                    " without it they need a column dn."
                ),
            },
            "mode": {
                "type": ["string", "null"],
                "enum": ["content", "changes", None],
                "default": "content",
                "title": "Mode",
                "description": "Write entries (content) or change records (changes).",
            },
            "load_method": {
                "type": ["string", "null"],
                "enum": ["append-only", "upsert", "overwrite", None],
                "title": "Load method",
                "description": (
                    "What becomes of what is in the file: kept (append-only), kept but"
                    " for the DNs that come (upsert), or dropped (overwrite). Unset,"
                    " upsert if only a part of a stream comes, else overwrite."
                ),
            },
            "duplicates": {
                "type": ["string", "null"],
                "enum": ["last", "error", None],
                "default": "last",
                "title": "Duplicates",
                "description": (
                    "Of several entries with one DN, write the last one and warn, or"
                    " fail."
                ),
            },
            "line_length": {
                "type": ["integer", "null"],
                "minimum": 0,
                "default": LINE_LENGTH,
                "title": "Line length",
                "description": "Columns at which lines are folded; 0 folds nothing.",
            },
            "version_line": {
                "type": ["boolean", "null"],
                "default": False,
                "title": "Version line",
                "description": (
                    "Begin files with `version: 1`, which slapadd refuses and"
                    " ldapmodify takes."
                ),
            },
            "object_classes": {
                "type": ["array", "null"],
                "items": {"type": "string"},
                "title": "Object classes",
                "description": "Object classes of flat records that have none.",
            },
            "attribute_mapping": {
                "type": ["object", "null"],
                "additionalProperties": {"type": ["string", "null"]},
                "title": "Attribute mapping",
                "description": (
                    "Attribute of a column of flat records, null to leave it out;"
                    " given_name is givenName by itself."
                ),
            },
            "binary_attributes": {
                "type": ["array", "null"],
                "items": {"type": "string"},
                "title": "Binary attributes",
                "description": "Columns of flat records that hold base64.",
            },
        },
        "required": ["output_path"],
    }

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - as the SDK has it
        super().__init__(**kwargs)
        self._outputs: dict[str, StreamOutput] = {}
        self._started_at = datetime.now(UTC)

    def check_settings(self) -> list[str]:
        """Return what is wrong beyond the settings' schema."""
        problems = []
        if template := self.config.get("dn_template"):
            try:
                DnTemplate(template)
            except ValueError as error:
                problems.append(f'setting "dn_template": {error}')
        length = self.config.get("line_length") or 0
        if 0 < length < MIN_LINE_LENGTH:
            problems.append(
                f'setting "line_length": {length} is neither 0 nor at least'
                f" {MIN_LINE_LENGTH}"
            )
        pattern = self.config.get("file_naming_pattern") or FILE_NAMING_PATTERN
        unknown = set(_PLACEHOLDERS.findall(pattern)) - _KNOWN_PLACEHOLDERS
        if unknown or "/" in pattern:
            problems.append(
                f'setting "file_naming_pattern": {pattern!r} is no file name made of'
                " {stream_name}, {date} and {timestamp}"
            )
        return problems

    # Files

    def output_of(self, stream: str, *, holds_changes: bool) -> StreamOutput:
        """Return where a stream goes; opens its file the first time.

        Args:
            stream: Name of the stream.
            holds_changes: Its records are changes.

        Raises:
            FlextError: The file cannot be written, or has another use.
        """
        known = self._outputs.get(stream)
        if known is not None:
            return known
        path = self.path_of(stream)
        in_changes = self.config.get("mode") == "changes"
        file = next(
            (one.file for one in self._outputs.values() if one.file.path == path), None
        )
        if file is not None and not self._is_one_file:
            raise FlextError(
                f"two streams would write {path}",
                where='setting "file_naming_pattern"',
                fix="put {stream_name} into it, and rename streams that look alike",
            )
        if holds_changes and not in_changes and self._is_one_file:
            raise FlextError(
                "change records cannot stand among entries",
                where=f"stream {stream!r}, file {path}",
                fix="set mode: changes, or make output_path a directory",
            )
        if file is None:
            length = self.config.get("line_length")
            file = OutputFile(
                path,
                LdifWriter(LINE_LENGTH if length is None else length),
                holds_changes=holds_changes or in_changes,
                has_version=bool(self.config.get("version_line")),
            )
        is_incremental = stream in self.incremental_streams
        output = StreamOutput(stream, file, is_incremental)
        self._outputs[stream] = output
        return output

    @property
    def _is_one_file(self) -> bool:
        path = str(self.config["output_path"])
        if path.endswith("/") or self.config.get("file_naming_pattern"):
            return False
        known = Path(path).expanduser()
        return known.is_file() or (bool(known.suffix) and not known.is_dir())

    def path_of(self, stream: str) -> Path:
        """Return the file of a stream."""
        path = Path(self.config["output_path"]).expanduser()
        if self._is_one_file:
            return path.resolve()
        values = {
            # A name may hold anything, slashes and dots included.
            "stream_name": re.sub(r"[^A-Za-z0-9_-]", "_", stream),
            "date": f"{self._started_at:%Y%m%d}",
            "timestamp": f"{self._started_at:%Y%m%dT%H%M%SZ}",
        }
        pattern = self.config.get("file_naming_pattern") or FILE_NAMING_PATTERN
        return (path / _PLACEHOLDERS.sub(lambda m: values[m[1]], pattern)).resolve()

    # The end

    def commit(self) -> None:
        """Put all files in place."""
        by_file: dict[Path, list[StreamOutput]] = {}
        for output in self._outputs.values():
            by_file.setdefault(output.file.path, []).append(output)
        for outputs in by_file.values():
            self._replace(outputs)

    def _replace(self, outputs: list[StreamOutput]) -> None:
        file, streams = outputs[0].file, ", ".join(one.stream for one in outputs)
        method = self.config.get("load_method")
        has_come = any(one.records or one.activated_version for one in outputs)
        if not has_come and method != "overwrite":
            self._expect_old(file, outputs)
            if file.path.exists():
                file.close()
                self.logger.info("No records came: %s stays as it is", file.path)
                log_file_written(streams, str(file.path), 0, changed=False)
                return
        if method is None:
            is_whole = all(one.is_whole for one in outputs)
            method = "overwrite" if is_whole else "upsert"
        if method == "upsert":
            self._expect_old(file, outputs)
        keeps = method != "overwrite"
        appends = method == "append-only" or (keeps and file.holds_changes)
        written = file.replace(
            merges=keeps and not appends,
            appends=appends,
            allows_duplicates=self.config.get("duplicates") != "error",
        )
        if written.duplicates:
            self.logger.warning(
                "%d entries came with a DN that came before; the last ones were"
                " written: %s",
                written.duplicates,
                ", ".join(written.examples),
            )
        verb = "written" if written.is_changed else "is unchanged"
        self.logger.info("%s %s: %d records", written.path, verb, written.records)
        log_file_written(
            streams, str(written.path), written.records, changed=written.is_changed
        )

    def _expect_old(self, file: OutputFile, outputs: list[StreamOutput]) -> None:
        """Refuse to go on where the old file should be and is not.

        Raises:
            LostDestinationError: The tap sends only what is new, for a lost file.
        """
        pattern = self.config.get("file_naming_pattern") or ""
        if file.path.exists() or "{date}" in pattern or "{timestamp}" in pattern:
            return  # each run has a file of its own
        for output in outputs:
            refuse_if_lost(output.stream, str(file.path))

    def close(self, *, failed: bool) -> None:
        """Drop what is not in place."""
        del failed
        for output in self._outputs.values():
            output.file.close()


main = entry_point(TargetLdif)

if __name__ == "__main__":
    main()
