"""Raw JSON records to Arrow columns, exactly.

Called by the sinks with the records of one stream; promises that no value is
changed on the way. Records are decoded 1,000 at a time (what they decode to then
stays in the processor's cache, which makes it twice as fast as 10,000) by a
msgspec struct made for the stream's columns. Numbers and nested values are
never turned into Python objects at all: their text goes on as it came, so no
digit is lost to a float. Records that do not decode go one by one through
`conform.py` and are mended or rejected with the reason; their neighbours pass.
"""

# ruff: noqa: PLR0911 - one return per type reads as a table

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from flext_warehouse.columns import Column, ColumnType, Kind
from flext_warehouse.conform import (
    NotConformingError,
    conform,
    decode_exact,
    find_unstorable,
    replace_unstorable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

CHUNK_RECORDS = 1000
# msgspec allows no such names for fields of a struct.
_UNNAMEABLE = re.compile(r'["\\\x00-\x1f\ud800-\udfff]')
INSTANT = pa.timestamp("us", tz="UTC")

_NULL = msgspec.Raw(b"null")
_RAW_KINDS = frozenset({Kind.NUMBER, Kind.DECIMAL, Kind.SCALAR, Kind.JSON})
_PYTHON_TYPES: dict[Kind, Any] = {
    Kind.BOOLEAN: bool | None,
    Kind.INTEGER: int | None,
    Kind.TEXT: str | None,
    Kind.TIMESTAMP: str | None,
    Kind.WALL_TIMESTAMP: str | None,
    Kind.DATE: str | None,
    Kind.TIME: str | None,
}
_ITEM_TYPES: dict[Kind, tuple[Any, pa.DataType]] = {
    Kind.TEXT: (list[str | None] | None, pa.list_(pa.string())),
    Kind.INTEGER: (list[int | None] | None, pa.list_(pa.int64())),
    Kind.BOOLEAN: (list[bool | None] | None, pa.list_(pa.bool_())),
}


@dataclass
class Decoded:
    """Some records as columns.

    Args:
        batch: one Arrow column per column, in order. Kinds NUMBER, DECIMAL,
            SCALAR, TEXT and JSON are text; INTEGER is int64, or text where a
            value needs more than 64 bits.
        kept: positions, among the records given, of the rows; None means all.
        rejected: position and reason of each record that is not in `batch`.
    """

    batch: pa.RecordBatch
    kept: list[int] | None = None
    rejected: list[tuple[int, str]] = field(default_factory=list)


class RecordDecoder:
    """Decodes the records of one stream.

    Args:
        columns: the stream's columns.
        required: property names that must have a value (the keys).
        refuse_nul: the database cannot hold U+0000.
        replace_invalid: put U+FFFD for characters that cannot be stored
            instead of rejecting their records.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        required: Iterable[str] = (),
        refuse_nul: bool = False,
        replace_invalid: bool = False,
    ) -> None:
        self.columns = list(columns)
        self._required = [
            i for i, c in enumerate(self.columns) if c.source in set(required)
        ]
        self._refuse_nul = refuse_nul
        self._replace_invalid = replace_invalid
        fields = [f"c{i}" for i in range(len(self.columns))]
        described = [
            _field(f, c.type) for f, c in zip(fields, self.columns, strict=True)
        ]
        self._struct = msgspec.defstruct(
            "Record",
            described,
            rename={
                name: column.source
                if not _UNNAMEABLE.search(column.source)
                else _stand_in(name, self.columns)
                for name, column in zip(fields, self.columns, strict=True)
            },
            gc=False,
        )
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(self._struct).decode
        self._odd = [
            (name, column.source, msgspec.json.Decoder(kind).decode)
            for (name, kind, _), column in zip(described, self.columns, strict=True)
            if _UNNAMEABLE.search(column.source)
        ]
        if self._odd:
            self._decode = self._decode_odd_names
        self._getters = [attrgetter(f) for f in fields]
        self._builders = [_builder(c.type) for c in self.columns]
        self._names = [c.name for c in self.columns]

    def _decode_odd_names(self, raw: bytes) -> Any:  # noqa: ANN401 - the made struct
        """Decode a record some of whose names no struct can have."""
        row = msgspec.json.decode(raw, type=self._struct)
        given = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        for name, source, decode in self._odd:
            if source in given:
                setattr(row, name, decode(given[source]))
        return row

    def decode(self, raw: Sequence[bytes]) -> Decoded:
        """Decode up to `CHUNK_RECORDS` records."""
        rejected: dict[int, str] = {}
        if self._refuse_nul and b"\\u0000" in b"".join(raw):
            raw = [self._without_nul(i, r, rejected) for i, r in enumerate(raw)]
        decode = self._decode
        try:
            rows = [decode(r) for r in raw]
        except ValueError:  # msgspec's and Unicode's errors both are
            rows = [self._decode_one(i, r, rejected) for i, r in enumerate(raw)]
        if not self.columns:
            batch = pa.RecordBatch.from_struct_array(pa.array([{}] * len(rows)))
            return self._finish(batch, rejected)
        values = [list(map(get, rows)) for get in self._getters]
        del rows
        arrays = [self._build(i, column, rejected) for i, column in enumerate(values)]
        for i in self._required:
            self._refuse_missing(i, arrays[i], rejected)
        return self._finish(pa.record_batch(arrays, names=self._names), rejected)

    def _without_nul(self, index: int, raw: bytes, rejected: dict[int, str]) -> bytes:
        if b"\\u0000" not in raw:
            return raw
        if self._replace_invalid:
            return replace_unstorable(raw, refuse_nul=True)
        if reason := find_unstorable(raw, refuse_nul=True):
            rejected[index] = f"the record holds {reason}"
        return raw

    def _decode_one(self, index: int, raw: bytes, rejected: dict[int, str]) -> Any:  # noqa: ANN401
        try:
            return self._decode(raw)
        except ValueError:
            pass
        try:
            return self._mend(raw)
        except NotConformingError as error:
            rejected[index] = str(error)
        return self._struct()

    def _mend(self, raw: bytes) -> Any:  # noqa: ANN401 - the made struct
        try:
            given = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
            # Raw values are skipped over, not checked for UTF-8.
            raw.decode()
        except ValueError as error:
            reason = find_unstorable(raw, refuse_nul=self._refuse_nul)
            if reason is None:
                raise NotConformingError(f"the record is not JSON: {error}") from error
            if not self._replace_invalid:
                raise NotConformingError(f"the record holds {reason}") from error
            raw = replace_unstorable(raw, refuse_nul=self._refuse_nul)
            try:
                return self._decode(raw)
            except ValueError:
                given = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        fields = {}
        for i, column in enumerate(self.columns):
            if (value := given.get(column.source)) is not None:
                fields[f"c{i}"] = _conform_in(column, value)
        return self._struct(**fields)

    def _build(
        self, index: int, values: list[Any], rejected: dict[int, str]
    ) -> pa.Array:
        try:
            return self._builders[index](values)
        except (pa.ArrowException, ValueError, OverflowError, TypeError):
            pass
        column = self.columns[index]
        mended = []
        for position, value in enumerate(values):
            try:
                self._builders[index]([value])
                mended.append(value)
            except (pa.ArrowException, ValueError, OverflowError, TypeError):
                mended.append(
                    self._mend_value(position, column, value, rejected),
                )
        try:
            return self._builders[index](mended)
        except OverflowError:
            return _integers_as_text(mended, column)

    def _mend_value(
        self, position: int, column: Column, value: object, rejected: dict[int, str]
    ) -> object:
        try:
            raw = (
                value if isinstance(value, msgspec.Raw) else msgspec.json.encode(value)
            )
            return _conform_in(column, raw)
        except ValueError as error:
            rejected.setdefault(position, str(error))
            return _NULL if column.type.kind in _RAW_KINDS else None

    def _refuse_missing(
        self, index: int, array: pa.Array, rejected: dict[int, str]
    ) -> None:
        if not array.null_count:
            return
        name = self.columns[index].source
        for position in pc.indices_nonzero(array.is_null()).to_pylist():
            rejected.setdefault(position, f'key property "{name}" has no value')

    def _finish(self, batch: pa.RecordBatch, rejected: dict[int, str]) -> Decoded:
        if not rejected:
            return Decoded(batch)
        kept = [i for i in range(batch.num_rows) if i not in rejected]
        return Decoded(
            batch.take(pa.array(kept, type=pa.int64())), kept, sorted(rejected.items())
        )


def _stand_in(name: str, columns: list[Column]) -> str:
    """Give a name that no property has, for a field that is filled by hand."""
    taken = {column.source for column in columns}
    while name in taken:
        name += "_"
    return name


def _field(name: str, column: ColumnType) -> tuple[str, Any, Any]:
    if column.kind in _RAW_KINDS:
        return name, msgspec.Raw, _NULL
    if column.kind is Kind.LIST and column.item is not None:
        return name, _ITEM_TYPES[column.item][0], None
    return name, _PYTHON_TYPES[column.kind], None


def _conform_in(column: Column, value: bytes | msgspec.Raw) -> Any:  # noqa: ANN401
    try:
        return conform(column.type, value)
    except NotConformingError as error:
        raise NotConformingError(f'"{column.source}": {error}') from None


def _integers_as_text(values: list[int | None], column: Column) -> pa.Array:
    if column.type.kind is Kind.LIST:
        texts = [None if v is None else msgspec.json.encode(v).decode() for v in values]
        return pa.array(texts, type=pa.string())
    return pa.array([None if v is None else str(v) for v in values], type=pa.string())


def _builder(column: ColumnType) -> Callable[[list[Any]], pa.Array]:
    """Give what turns decoded values into the Arrow array of a kind."""
    kind = column.kind
    if kind in (Kind.NUMBER, Kind.DECIMAL):
        return _build_numbers
    if kind is Kind.SCALAR:
        return _build_scalars
    if kind is Kind.JSON:
        return _build_texts
    if kind is Kind.TIME:
        return _build_times
    if kind is Kind.TIMESTAMP:
        return lambda values: pa.array(values, type=pa.string()).cast(INSTANT)
    if kind is Kind.WALL_TIMESTAMP:
        wall = pa.timestamp("us")
        return lambda values: pa.array(values, type=pa.string()).cast(wall)
    if kind is Kind.DATE:
        return lambda values: pa.array(values, type=pa.string()).cast(pa.date32())
    if kind is Kind.LIST and column.item is not None:
        list_type = _ITEM_TYPES[column.item][1]
        return lambda values: pa.array(values, type=list_type)
    plain = {
        Kind.BOOLEAN: pa.bool_(),
        Kind.INTEGER: pa.int64(),
        Kind.TEXT: pa.string(),
    }[kind]
    return lambda values: pa.array(values, type=plain)


def _build_texts(values: list[msgspec.Raw]) -> pa.Array:
    texts = pa.array(map(bytes, values), type=pa.binary()).cast(pa.string())
    nulls = pc.equal(texts, "null")
    return pc.if_else(nulls, None, texts) if pc.any(nulls).as_py() else texts


def _build_numbers(values: list[msgspec.Raw]) -> pa.Array:
    texts = _build_texts(values)
    # Raises for anything but a number: `true`, quoted text, arrays.
    texts.cast(pa.float64())
    return texts


def _build_scalars(values: list[msgspec.Raw]) -> pa.Array:
    return pa.array([_scalar_text(bytes(value)) for value in values], type=pa.string())


def _scalar_text(raw: bytes) -> str | None:
    if raw == b"null":
        return None
    return decode_exact(raw) if raw.startswith(b'"') else raw.decode()


def _build_times(values: list[str | None]) -> pa.Array:
    times = [None if v is None else dt.time.fromisoformat(v) for v in values]
    if any(t is not None and t.tzinfo is not None for t in times):
        raise ValueError("an offset needs applying")
    return pa.array(times, type=pa.time64("us"))
