"""JSON Schema to Arrow and back, exact or as JSON text.

| schema | Arrow column |
|---|---|
| boolean, integer, string | bool, int64, string |
| number | double while all values are floats |
| array of these, nested too | list |
| anything else, and whatever a column above cannot hold exactly | JSON text |

A column of JSON text is a string column whose field has the metadata
`flext.text = json`: each value is the JSON of the record's value, so `1.10` stays
`1.10` and a number beyond int64 keeps every digit. Dates and times are strings,
as in a RECORD. A key that a record lacks becomes null.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from flext_singer.encoding import ENCODER, exact_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

TEXT_KEY = b"flext.text"
TEXT_METADATA = {TEXT_KEY: b"json"}

_SCALARS: dict[str, tuple[Any, frozenset[type]]] = {
    "boolean": (pa.bool_(), frozenset({bool, type(None)})),
    "integer": (pa.int64(), frozenset({int, type(None)})),
    "number": (pa.float64(), frozenset({float, type(None)})),
    "string": (pa.string(), frozenset({str, type(None)})),
}


def is_json_text(field: pa.Field) -> bool:
    """Return whether a column holds JSON text; see the module's text."""
    return bool(field.metadata and field.metadata.get(TEXT_KEY) == b"json")


class ArrowColumns:
    """Turns records of one stream into Arrow, column by column.

    A column that meets a value it cannot hold exactly is JSON text from then on;
    `schema` changes with it.

    Args:
        schema: JSON Schema of the records.
        deselected: Top-level keys to leave out.
    """

    def __init__(self, schema: Mapping[str, Any], deselected: Iterable[str]) -> None:
        left_out = frozenset(deselected)
        self._kinds: dict[str, tuple[Any, frozenset[type], int] | None] = {
            key: _kind(value)
            for key, value in schema.get("properties", {}).items()
            if key not in left_out
        }

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema as of now."""
        return pa.schema(
            [
                pa.field(key, pa.string(), metadata=TEXT_METADATA)
                if kind is None
                else pa.field(key, _nest(kind[0], kind[2]))
                for key, kind in self._kinds.items()
            ]
        )

    def batch(self, records: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
        """Return records as one Arrow batch of `schema`.

        Args:
            records: Records that JSON can hold.
        """
        arrays = [self._array(key, records) for key in self._kinds]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _array(self, key: str, records: Sequence[Mapping[str, Any]]) -> pa.Array:
        values = [record.get(key) for record in records]
        kind = self._kinds[key]
        if kind is not None:
            element, allowed, depth = kind
            if element == pa.string():
                values = _texts(values, allowed) if not depth else values
            if _leaf_types(values, depth) <= allowed:
                try:
                    return pa.array(values, type=_nest(element, depth))
                except (pa.ArrowException, OverflowError):  # beyond int64
                    pass
            self._kinds[key] = None
        return _json_texts(values)


def _json_texts(values: Sequence[Any]) -> pa.Array:
    """Return the JSON of each value; None stays null."""
    # Cut by Arrow itself: no Python object per text.
    lines = pa.array([exact_lines(values)], type=pa.binary())
    texts = pc.split_pattern(lines, pattern=b"\n").values[: len(values)]
    texts = texts.cast(pa.string())
    if None in values:
        texts = pc.if_else(pc.equal(texts, "null"), None, texts)
    return texts


def _nest(element: Any, depth: int) -> Any:  # noqa: ANN401 - Arrow types are untyped
    for _ in range(depth):
        element = pa.list_(element)
    return element


def _kind(schema: Mapping[str, Any]) -> tuple[Any, frozenset[type], int] | None:
    """Return element type, its Python types and depth of lists; None is text."""
    kinds = schema.get("type")
    names = {kinds} if isinstance(kinds, str) else set(kinds or ())
    names.discard("null")
    if len(names) != 1:
        return None
    name = names.pop()
    if name == "array":
        items = schema.get("items")
        inner = _kind(items) if isinstance(items, dict) else None
        return None if inner is None else (inner[0], inner[1], inner[2] + 1)
    if name not in _SCALARS:
        return None
    return *_SCALARS[name], 0


def _texts(values: list[Any], allowed: frozenset[type]) -> list[Any]:
    """Return dates and times in a column of strings as their text."""
    if set(map(type, values)) <= allowed:
        return values
    return [v if type(v) in allowed else msgspec.to_builtins(v) for v in values]


def _leaf_types(values: Iterable[Any], depth: int) -> set[type]:
    for _ in range(depth):
        values = list(values)
        if not set(map(type, values)) <= {list, type(None)}:
            return {object}
        values = chain.from_iterable(filter(None, values))
    return set(map(type, values))


def json_lines(batch: pa.RecordBatch) -> Iterator[bytes]:
    """Yield each row of a batch as a JSON object."""
    columns = []
    for field, column in zip(batch.schema, batch.columns, strict=True):
        values = column.to_pylist()
        if is_json_text(field):
            values = [None if v is None else msgspec.Raw(v.encode()) for v in values]
        columns.append(values)
    names = batch.schema.names
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    if rows:
        yield from ENCODER.encode_lines(rows)[:-1].split(b"\n")
