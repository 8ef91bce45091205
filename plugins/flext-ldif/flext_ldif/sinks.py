"""The sink of one stream: turns its records into entries and changes of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from flext_singer import FlextSink
from flext_singer.errors import FlextError

from flext_ldif.dn_template import DnTemplate
from flext_ldif.entries import Change, LdifError
from flext_ldif.flat_records import FlatRecords
from flext_ldif.incoming import (
    IncomingError,
    read_change,
    read_entry,
    shape_of_schema,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from flext_singer import RawRecords

    from flext_ldif.incoming import Incoming
    from flext_ldif.output_file import OutputFile
    from flext_ldif.target import StreamOutput, TargetLdif


class LdifSink(FlextSink):
    """Writes the records of a stream into its file."""

    _read: Callable[[bytes], Incoming]
    _output: StreamOutput

    @property
    def _file(self) -> OutputFile:
        return self._output.file

    def setup(self) -> None:
        """Choose how to read records, and open the file.

        Raises:
            FlextError: The stream cannot be LDIF, or its file cannot be written.
        """
        shape = shape_of_schema(self.original_schema)
        where = f"stream {self.stream_name!r}"
        target = cast("TargetLdif", self.flext_target)
        if shape == "entry":
            self._read = read_entry
        elif shape == "change":
            self._read = read_change
        else:
            try:
                self._read = self._flat_records().read
            except ValueError as error:
                raise FlextError(
                    str(error),
                    where=where,
                    fix="set dn_template, attribute_mapping, or add a column dn",
                ) from error
        self._output = target.output_of(
            self.stream_name, holds_changes=shape == "change"
        )

    def _flat_records(self) -> FlatRecords:
        template: Any = self.config.get("dn_template")
        return FlatRecords(
            self.original_schema,
            DnTemplate(template) if template else None,
            self.config.get("attribute_mapping") or {},
            self.config.get("object_classes") or (),
            self.config.get("binary_attributes") or (),
        )

    def load(self, records: RawRecords) -> None:
        """Put records into the file that grows aside."""
        self._output.note(records.versions)
        file = self._file
        for raw in records.raw:
            try:
                incoming = self._read(raw)
                if isinstance(incoming, Change):
                    file.add_change(incoming)
                elif incoming.is_deleted:
                    file.remove_entry(incoming.dn)
                else:
                    file.add_entry(incoming.dn, incoming.attributes)
            except IncomingError as error:
                self._refuse(error.reason, error.dn, raw)
            except LdifError as error:
                self._refuse(error.reason, incoming.dn, raw)

    def _refuse(self, reason: str, dn: str | None, raw: bytes) -> None:
        where = f"dn: {dn}" if dn is not None else "a record without DN"
        self.reject(where, reason, raw)

    def activate(self, version: int) -> None:
        """Note that all records of a version have come: the file holds no others."""
        self._output.activated_version = version
