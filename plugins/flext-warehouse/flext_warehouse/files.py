"""Arrow batches of BATCH files, brought into the form that `decode.py` gives."""

# ruff: noqa: PLR0911 - one return per type reads as a table

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from flext_singer.arrow_types import is_json_text
from pyarrow import ipc, parquet

from flext_warehouse.columns import Column, ColumnType, Kind
from flext_warehouse.decode import INSTANT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PLAIN: dict[Kind, pa.DataType] = {
    Kind.BOOLEAN: pa.bool_(),
    Kind.INTEGER: pa.int64(),
    Kind.TEXT: pa.string(),
    Kind.TIMESTAMP: INSTANT,
    Kind.WALL_TIMESTAMP: pa.timestamp("us"),
    Kind.DATE: pa.date32(),
    Kind.TIME: pa.time64("us"),
}
_ITEMS = {Kind.TEXT: pa.string(), Kind.INTEGER: pa.int64(), Kind.BOOLEAN: pa.bool_()}


def read_batches(path: str, encoding: str) -> Iterator[pa.RecordBatch]:
    """Read a file in batches of bounded size.

    Args:
        path: the file.
        encoding: `parquet` or `arrow` (an IPC file).
    """
    if encoding == "parquet":
        with parquet.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=50_000)
        return
    with pa.memory_map(path) as source:
        reader = ipc.open_file(source)
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)


def is_arrow_file(encoding: str) -> bool:
    """Tell whether `read_batches` reads this encoding."""
    return encoding in {"parquet", "arrow"}


def adopt(batch: pa.RecordBatch, columns: Sequence[Column]) -> list[pa.Array]:
    """Give one array per column; properties that the file lacks are null.

    Raises:
        pyarrow.ArrowException: a column of the file is not what the SCHEMA says.
        ValueError: the same.
    """
    there = {name: i for i, name in enumerate(batch.schema.names)}
    arrays = []
    for column in columns:
        index = there.get(column.source)
        if index is None:
            arrays.append(_adopt_array(pa.nulls(batch.num_rows), column.type))
        elif is_json_text(batch.schema.field(index)):
            arrays.append(_adopt_json(batch.column(index), column.type))
        else:
            arrays.append(_adopt_array(batch.column(index), column.type))
    return arrays


def _adopt_json(texts: pa.Array, column: ColumnType) -> pa.Array:
    """Give the values whose JSON text a column of the file holds."""
    if column.kind is Kind.JSON:
        return texts
    if column.kind in (Kind.NUMBER, Kind.DECIMAL):
        texts.cast(pa.float64())  # raises for anything but a number
        return texts
    if column.kind is Kind.INTEGER:
        if (
            texts.null_count < len(texts)
            and pc.any(pc.match_substring_regex(texts, r"[^0-9-]")).as_py()
        ):
            raise ValueError("not an integer")
        return texts
    raise ValueError(f"JSON text for a column of {column}")


def as_text(array: pa.Array) -> pa.Array:
    """Give text for any array, as a text column keeps it."""
    if pa.types.is_timestamp(array.type):
        form = "%Y-%m-%dT%H:%M:%S" + ("Z" if array.type.tz else "")
        return pc.strftime(array, form)
    if pa.types.is_list(array.type):
        return json_text(array)
    return array.cast(pa.string())


def json_text(array: pa.Array) -> pa.Array:
    """Give JSON text for lists and structs; text is JSON already."""
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return array.cast(pa.string())
    encode = msgspec.json.Encoder(decimal_format="number").encode
    texts = (None if v is None else encode(v).decode() for v in array.to_pylist())
    return pa.array(texts, type=pa.string())


def _adopt_array(array: pa.Array, column: ColumnType) -> pa.Array:
    if column.kind in (Kind.NUMBER, Kind.DECIMAL):
        numeric = pa.types.is_integer(array.type) or pa.types.is_floating(array.type)
        return array if numeric else array.cast(pa.string())
    if column.kind is Kind.SCALAR:
        return as_text(array)
    if column.kind is Kind.JSON:
        return json_text(array)
    if column.kind is Kind.LIST and column.item is not None:
        return array.cast(pa.list_(_ITEMS[column.item]))
    if column.kind is Kind.INTEGER and pa.types.is_decimal(array.type):
        return array.cast(pa.string())
    if column.kind is Kind.TIMESTAMP and array.type == pa.timestamp("us"):
        return array.cast(INSTANT)
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), _PLAIN[column.kind])
    return array.cast(_PLAIN[column.kind])
