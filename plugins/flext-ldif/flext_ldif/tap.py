"""`flext-tap-ldif`: entries and change records out of LDIF files."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from flext_singer import FlextTap, entry_point

from flext_ldif import dn
from flext_ldif.dialects import DIALECTS
from flext_ldif.input_files import FILE_PATTERN, InputFile, find_files
from flext_ldif.record_shapes import BINARY_ATTRIBUTES
from flext_ldif.streams import ChangeStream, EntryStream
from flext_ldif.typed_streams import TypedStream, discover_columns

if TYPE_CHECKING:
    from flext_singer import FlextStream
    from singer_sdk import Stream

    from flext_ldif.file_marks import FileMark, Work
    from flext_ldif.streams import LdifStream

_NAMES = {"type": ["array", "null"], "items": {"type": "string"}}


class TapLdif(FlextTap):
    """Reads LDIF files: entries and change records."""

    name = "flext-tap-ldif"
    package_name = "flext-ldif"
    config_jsonschema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": {
            "path": {
                "type": ["string", "array", "null"],
                "items": {"type": "string"},
                "title": "Path",
                "description": (
                    "File, directory, glob or list of these that holds LDIF"
                    " (RFC 2849), plain or gzip; - is the standard input."
                ),
            },
            "file_path": {
                "type": ["string", "null"],
                "title": "File path",
                "description": "Another name of path.",
            },
            "directory_path": {
                "type": ["string", "null"],
                "title": "Directory",
                "description": "Directory that is searched with file_pattern.",
            },
            "file_pattern": {
                "type": ["string", "null"],
                "default": FILE_PATTERN,
                "title": "File pattern",
                "description": (
                    "Glob of the files that are read of a directory; **/ goes down"
                    " into its directories. Packed files (.gz) match as well."
                ),
            },
            "dialect": {
                "type": ["string", "null"],
                "enum": [*DIALECTS, None],
                "default": "tolerant",
                "title": "Dialect",
                "description": "Whose departures from RFC 2849 are read around.",
            },
            "strict_parsing": {
                "type": ["boolean", "null"],
                "default": False,
                "title": "Strict parsing",
                "description": (
                    "Refuse what RFC 2849 forbids instead of reading around it."
                ),
            },
            "base_dn_filter": {
                "type": ["string", "null"],
                "title": "Base DN filter",
                "description": "Only entries at or below this DN.",
            },
            "object_class_filter": {
                **_NAMES,
                "title": "Object class filter",
                "description": (
                    "Only entries with one of these object classes; changes stay."
                ),
            },
            "attribute_filter": {
                **_NAMES,
                "title": "Attribute filter",
                "description": "Only these attributes.",
            },
            "exclude_attributes": {
                **_NAMES,
                "title": "Excluded attributes",
                "description": "Attributes to leave out.",
            },
            "binary_attributes": {
                **_NAMES,
                "default": list(BINARY_ATTRIBUTES),
                "title": "Binary attributes",
                "description": (
                    "Attributes whose values are always base64; others are where"
                    " they hold bytes."
                ),
            },
            "object_class_streams": {
                **_NAMES,
                "title": "Object class streams",
                "description": (
                    "Object classes, such as inetOrgPerson, that get a stream of their"
                    " own with a typed column for each attribute; discovery then reads"
                    " the files."
                ),
            },
            "url_base_dir": {
                "type": ["string", "null"],
                "title": "URL base directory",
                "description": (
                    "Where file URLs of LDIF values may point; without it they are"
                    " refused."
                ),
            },
            "max_entry_bytes": {
                "type": ["integer", "null"],
                "minimum": 1,
                "default": 512 << 20,
                "title": "Largest entry (bytes)",
                "description": "A longer record is refused instead of held in memory.",
            },
            "parallel_jobs": {
                "type": ["integer", "null"],
                "minimum": 1,
                "default": 2,
                "title": "Parallel jobs",
                "description": "How many processes parse one file.",
            },
            "parallel_bytes": {
                "type": ["integer", "null"],
                "minimum": 1,
                "default": 256 << 20,
                "title": "Parallel from (bytes)",
                "description": "Size of a file from which several processes parse it.",
            },
            "emit_activate_version_messages": {
                "type": ["boolean", "null"],
                "default": True,
                "title": "Emit `ACTIVATE_VERSION` messages",
                "description": (
                    "Tell the target after all files were read again, so that it can"
                    " drop what is in no file any more."
                ),
            },
        },
    }

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - the SDK's own
        self.entries_only: dict[str, tuple[Work, FileMark]] = {}
        """Files that were read for entries and hold nothing else."""
        super().__init__(**settings)

    def check_settings(self) -> list[str]:
        """Return what is wrong beyond the settings' schema."""
        problems = []
        named = ("path", "file_path", "directory_path")
        if not any(self.config.get(name) for name in named):
            problems.append('setting "path" is missing: a file, directory or glob')
        if base := self.config.get("base_dn_filter"):
            try:
                dn.parse(base)
            except dn.DnError as error:
                problems.append(f'setting "base_dn_filter": {error}')
        folder = self.config.get("url_base_dir")
        if folder and not Path(folder).is_dir():
            problems.append(f'setting "url_base_dir": {folder} is no directory')
        return problems

    @cached_property
    def files(self) -> list[InputFile]:
        """The files of this run."""
        return find_files(self.config)

    def discover_streams(self) -> list[FlextStream]:
        """Return the streams; only those of object classes depend on the files."""
        streams: list[FlextStream] = [EntryStream(self), ChangeStream(self)]
        if self.config.get("object_class_streams"):
            columns = self.cached_discovery(lambda: discover_columns(self))
            streams += [TypedStream(self, *one) for one in columns.items()]
        return streams

    @property
    def streams(self) -> dict[str, Stream]:
        """The streams in the order they are read: changes last.

        Who has read the entries of a file knows whether it holds changes at all.
        """
        streams = super().streams
        if "ldif_changes" in streams and next(reversed(streams)) != "ldif_changes":
            streams["ldif_changes"] = streams.pop("ldif_changes")
        return streams

    def reports(self, stream: LdifStream, *, is_change: bool) -> bool:
        """Whether a stream is the one to report records that cannot be read.

        Every stream reads every file, and a broken record is to count once: as a
        change with the changes, else with the entries, if those are selected.
        """
        order = ["ldif_changes", "ldif_entries"] if is_change else ["ldif_entries"]
        selected = [one.name for one in self.streams.values() if one.selected]
        owner = next((name for name in order if name in selected), None)
        return stream.name == (owner or (selected or [stream.name])[0])


main = entry_point(TapLdif)

if __name__ == "__main__":
    os.environ.setdefault("LOGLEVEL", "INFO")
    main()
