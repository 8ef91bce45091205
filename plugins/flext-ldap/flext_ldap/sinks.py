"""The sink of one stream: raw records in, batches of wanted entries out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flext_singer import FlextSink

from flext_ldap import dn as names
from flext_ldap.entry_writer import EntryWriter
from flext_ldap.old_entries import BATCH
from flext_ldap.wanted_entries import RecordError, RecordReader

if TYPE_CHECKING:
    from flext_singer import RawRecords

    from flext_ldap.target import TargetLdap
    from flext_ldap.wanted_entries import WantedEntry


class LdapSink(FlextSink):
    """Writes the records of one stream to the directory.

    `load` returns when the server has acknowledged all of them, so `commit`
    has nothing left to do.
    """

    _reader: RecordReader
    _writer: EntryWriter

    @property
    def _ldap(self) -> TargetLdap:
        return self.flext_target  # type: ignore[return-value] # LdapSink's only target

    def setup(self) -> None:
        """Learn the server's schema and check the columns against it."""
        target = self._ldap
        session, rules, schema = target.session, target.rules, target.subschema
        self._reader = RecordReader(
            self.stream_name,
            rules,
            session.server,
            schema,
            self.schema.get("properties", {}),
        )
        self._writer = EntryWriter(
            self.stream_name, session, rules, schema, target.dry_run, self._set_aside
        )
        self._compare = rules.compares.get(self.stream_name)
        self._seen: dict[str, int | None] = {}
        self._rejected_any = False

    def load(self, records: RawRecords) -> None:
        """Carry the records out, in order wherever two speak of one entry."""
        batch: dict[str, WantedEntry] = {}
        for record, version in zip(records.dicts(), records.versions, strict=True):
            try:
                wanted = self._reader.read(record, version)
                key = wanted.key
            except (RecordError, ValueError) as error:
                self._rejected_any = True
                self.reject(
                    str(record.get("dn") or self._key_text(record)),
                    str(error),
                    self._reader.shown(record),
                )
                continue
            if self._compare is not None and wanted.dn:
                self._see(wanted)
            if key in batch or len(batch) >= BATCH:
                self._flush(batch)
            batch[key] = wanted
        self._flush(batch)

    def _flush(self, batch: dict[str, WantedEntry]) -> None:
        if batch:
            self._writer.write(list(batch.values()))
            batch.clear()

    def _key_text(self, record: dict[str, object]) -> str:
        keys = self.key_properties or list(record)[:1]
        return ", ".join(f"{key}={record.get(key)!r}" for key in keys)

    def _set_aside(self, wanted: WantedEntry, reason: str) -> None:
        self._rejected_any = True
        self.reject(wanted.where, reason, self._reader.shown(wanted.record))

    # ------------------------------------------------------------ full compare

    def _see(self, wanted: WantedEntry) -> None:
        key = names.normalise(wanted.dn)
        if wanted.is_deletion:
            self._seen.pop(key, None)
        else:
            self._seen[key] = wanted.version

    def activate(self, version: int) -> None:
        """Delete what the stream owns and this version did not bring."""
        if self._compare is None:
            return
        if self._rejected_any:
            # A rejected record's entry is not in `seen`, and is not gone either.
            self.logger.warning(
                "Nothing is deleted for '%s': records were rejected, so what is "
                "missing is not known",
                self.stream_name,
            )
            return
        seen = {key for key, own in self._seen.items() if own == version}
        self._writer.delete_others(self._compare, seen)

    def log_counts(self) -> None:
        """Log what was done, once at the end."""
        done = ", ".join(
            f"{n} {verb}" for verb, n in sorted(self._writer.counts.items())
        )
        self.logger.info("Stream '%s': %s", self.stream_name, done or "nothing to do")
