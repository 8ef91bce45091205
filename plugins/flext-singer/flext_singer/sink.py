"""`FlextSink`: holds the pending records of one stream and loads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
from singer_sdk.exceptions import InvalidJSONSchema, MissingKeyPropertiesError
from singer_sdk.sinks import Sink
from singer_sdk.typing import DEFAULT_JSONSCHEMA_VALIDATOR

from flext_singer.encoding import ENCODER
from flext_singer.metrics import byte_counter
from flext_singer.records import RawRecords

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from singer_sdk import Target

    from flext_singer.target import FlextTarget


class FlextSink(Sink):
    """The sink of one stream.

    A system overrides `setup` and `load`, and where it can `load_file` and
    `activate`. Nothing need be durable before `FlextTarget.commit`.

    Args:
        target: The target.
        stream_name: Name of the stream.
        schema: JSON Schema of its records.
        key_properties: Names of its key columns; empty for none.
    """

    def __init__(
        self,
        target: Target,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self._target = target
        self.pending = RawRecords()
        self.byte_counter = byte_counter(stream_name)
        self.loaded_records = 0  # handed over since the last commit
        self.loaded_bytes = 0
        self._rejected_before = 0
        self._has_keys = _key_check(schema, self.key_properties)

    @property
    def flext_target(self) -> FlextTarget:
        """The target this sink belongs to."""
        return self._target  # type: ignore[return-value]

    # What a system overrides

    def setup(self) -> None:
        """Prepare the destination for `self.schema` and `self.key_properties`.

        Called when nothing is uncommitted, so that it may commit by itself.
        """

    def load(self, records: RawRecords) -> None:
        """Hand records to the destination.

        Args:
            records: In the order they came; a key may occur more than once and
                the last one counts.
        """
        raise NotImplementedError

    def load_file(self, path: Path, encoding: str) -> int:
        """Load one file of a BATCH message.

        Args:
            path: The file; the caller deletes it after the commit.
            encoding: `parquet` or `arrow` (IPC file). What the columns hold:
                `flext_singer.arrow_types`.

        Returns:
            How many rows it holds.
        """
        from flext_singer.batch_reading import raw_records  # noqa: PLC0415 - pyarrow

        return sum(map(self.load_batch, raw_records(path, encoding)))

    def load_batch(self, records: RawRecords) -> int:
        """Load rows of a BATCH message's file; return how many there are."""
        records.versions = [self.batch_version] * len(records)
        records.extracted_at = [self.batch_extracted_at] * len(records)
        if self._has_keys is not None and not all(map(self._has_keys, records.raw)):
            self._missing_key(next(r for r in records.raw if not self._has_keys(r)))
        self.load(records)
        return len(records)

    def activate(self, version: int) -> None:
        """End a full-table version: drop what has an older one.

        Args:
            version: The version that is whole now.
        """
        self.logger.warning(
            "ACTIVATE_VERSION %d of '%s' ignored: not supported by this target",
            version,
            self.stream_name,
        )

    # What it finds here

    batch_version: int | None = None
    """Version of the BATCH message whose files are being loaded."""

    batch_extracted_at: str | None = None
    """When the file that is being loaded was written, ISO 8601."""

    def reject(
        self,
        where: str,
        reason: str,
        record: Mapping[str, Any] | bytes | str | None = None,
    ) -> None:
        """Set a record aside instead of loading it.

        Args:
            where: Its key or place, such as `id=17` or a DN.
            reason: What the destination says.
            record: The record.

        Raises:
            TooManyErrorsError: More than `max_errors` were rejected.
        """
        self.flext_target.rejects.add(self.stream_name, where, reason, record)

    # The record path

    def add(self, raw: bytes, extracted_at: str | None, version: int | None) -> None:
        """Take in one record, to be loaded with its batch.

        Raises:
            MissingKeyPropertiesError: A key column is not in it.
        """
        if self._has_keys is not None and not self._has_keys(raw):
            self._missing_key(raw)
        self.pending.add(raw, extracted_at, version)

    def add_all(
        self,
        raw: list[bytes],
        extracted_at: list[str | None],
        versions: list[int | None],
    ) -> None:
        """Take in records one after the other, as `add` does.

        Raises:
            MissingKeyPropertiesError: One lacks a key; those before it are in.
        """
        if self._has_keys is not None and not all(map(self._has_keys, raw)):
            for one in zip(raw, extracted_at, versions, strict=True):
                self.add(*one)
        self.pending.add_all(raw, extracted_at, versions)

    def _missing_key(self, raw: bytes) -> NoReturn:
        record = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        missing = [key for key in self.key_properties if key not in record]
        raise MissingKeyPropertiesError(
            f"a record of stream {self.stream_name!r} lacks the key {missing}; "
            f"key properties: {list(self.key_properties)}, "
            f"its keys: {list(record)}"
        )

    def load_pending(self) -> None:
        """Load what waits, if anything does."""
        if not self.pending.raw:
            return
        records, self.pending = self.pending, RawRecords()
        with self.batch_processing_timer:
            self.load(records)
        self.count_loaded(len(records), records.size_bytes)

    def count_loaded(self, records: int, size_bytes: int) -> None:
        """Note that records were handed over, to be counted at the commit."""
        self.loaded_records += records
        self.loaded_bytes += size_bytes

    def take_counts(self) -> tuple[int, int]:
        """Return records and bytes since the last call, rejects taken off."""
        rejected = self.flext_target.rejects.counts[self.stream_name]
        records = self.loaded_records - (rejected - self._rejected_before)
        size_bytes = self.loaded_bytes
        self._rejected_before = rejected
        self.loaded_records = self.loaded_bytes = 0
        return max(0, records), size_bytes

    # What the SDK asks for

    def clean_up(self) -> None:
        """Log the counts of what was committed; override to release more."""
        self.byte_counter.exit()
        super().clean_up()

    def get_validator(self) -> None:
        """Check the schema once; the destination's types check the records.

        Raises:
            InvalidJSONSchema: The schema of the SCHEMA message is none.
        """
        import jsonschema  # noqa: PLC0415 - loaded by the SDK anyway

        try:
            DEFAULT_JSONSCHEMA_VALIDATOR.check_schema(self.schema)
        except jsonschema.SchemaError as error:
            raise InvalidJSONSchema(
                f"schema of stream {self.stream_name!r}: {error.message}"
            ) from error

    def process_record(
        self,
        record: dict[str, Any],
        context: dict[str, Any],  # noqa: ARG002 - the SDK's signature
    ) -> None:
        """Take in one decoded record: the SDK's way in."""
        self.add(ENCODER.encode(record), None, None)

    def process_batch(
        self,
        context: dict[str, Any],  # noqa: ARG002 - the SDK's signature
    ) -> None:
        """Load what waits: the SDK's way in."""
        self.load_pending()


class _KeyCheck:
    """Tells whether a raw record holds every key column.

    A search for `"key":` is exact where nothing but the top level can hold such a
    name, and decides nearly always; what it does not find is decoded.
    """

    __slots__ = ("_decoder", "_words")

    def __init__(self, schema: Mapping[str, Any], keys: Sequence[str]) -> None:
        inner = [_inner_names(part) for part in schema.get("properties", {}).values()]
        certain = all(
            names is not None and not names.intersection(keys) for names in inner
        )
        self._words = [ENCODER.encode(key) + b":" for key in keys] if certain else None
        fields: list[tuple[str, type]] = [
            (f"key_{index}", msgspec.Raw) for index in range(len(keys))
        ]
        renamed = {f"key_{index}": key for index, key in enumerate(keys)}
        self._decoder = msgspec.json.Decoder(
            msgspec.defstruct("Keys", fields, rename=renamed)
        )

    def __call__(self, raw: bytes) -> bool:
        if self._words is not None and all(word in raw for word in self._words):
            return True
        try:
            self._decoder.decode(raw)
        except msgspec.ValidationError:
            return False
        return True


def _key_check(schema: Mapping[str, Any], keys: Sequence[str]) -> _KeyCheck | None:
    return _KeyCheck(schema, keys) if keys else None


def _inner_names(schema: object) -> set[str] | None:
    """Return the names that objects below a property use, or None if any may."""
    if not isinstance(schema, dict):
        return None
    kinds = schema.get("type")
    if kinds is None:
        return None
    kinds = {kinds} if isinstance(kinds, str) else set(kinds)
    names: set[str] = set()
    parts: list[object] = []
    if "object" in kinds:
        if not schema.get("properties"):
            return None
        names |= set(schema["properties"])
        parts += list(schema["properties"].values())
    if "array" in kinds:
        parts.append(schema.get("items"))
    for part in parts:
        inner = _inner_names(part)
        if inner is None:
            return None
        names |= inner
    return names
