"""Records to JSON lines: one compiled encoder per stream, exact or an error.

`RecordEncoder.lines` turns a chunk of records into RECORD lines with three C
calls for the whole chunk. Decimals become exact JSON numbers, aware datetimes
ISO 8601 in UTC. What JSON cannot hold (NaN, Infinity, a lone surrogate, an
object of an unknown class) is an `UnencodableValueError` that names stream and
key; nothing of the chunk is written then.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from flext_singer.errors import UnencodableValueError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Record = dict[str, Any]

ENCODER = msgspec.json.Encoder(decimal_format="number")
# Python's names for what JSON has no name for; a search finds suspects.
_NOT_JSON = (b"NaN", b"Infinity")
_PACKER = msgspec.msgpack.Encoder(decimal_format="number")
_FLOAT_MARK = b"\xcb"


class RecordEncoder:
    """Encodes the records of one stream.

    Args:
        stream: Name of the stream, as it stands in the messages.
        schema: JSON Schema of its records.
        deselected: Top-level keys to leave out.
        version: `version` of each RECORD message, if any.
    """

    def __init__(
        self,
        stream: str,
        schema: Mapping[str, Any],
        deselected: Iterable[str] = (),
        version: int | None = None,
    ) -> None:
        self.stream = stream
        self._prefix = b'{"type":"RECORD","stream":%s,"record":' % ENCODER.encode(
            stream
        )
        self._version = b"" if version is None else b',"version":%d' % version
        self._deselected = frozenset(deselected)
        properties = {
            key: value
            for key, value in schema.get("properties", {}).items()
            if key not in self._deselected
        }
        # msgspec writes a float NaN as null, silently another value, and a Decimal
        # NaN as NaN: the keys that may hold one are looked at, nested ones by
        # `_find`. Elsewhere a number breaks the schema, and its reader says so.
        self._numbers = [
            (key, itemgetter(key))
            for key, value in properties.items()
            if _types(value) & {"number", ""}
        ]
        self._nested = [
            key for key, value in properties.items() if _holds_nested_number(value)
        ]
        self._times = [
            key
            for key, value in properties.items()
            if value.get("format") == "date-time" or not _types(value) - {""}
        ]

    def lines(self, chunk: Sequence[Record], now: datetime | None = None) -> bytes:
        """Return the RECORD lines of a chunk; see `write_into`."""
        buffer = bytearray()
        self.write_into(buffer, chunk, now)
        return bytes(buffer)

    def write_into(
        self, buffer: bytearray, chunk: Sequence[Record], now: datetime | None = None
    ) -> int:
        """Append the RECORD lines of a chunk to a buffer.

        Args:
            buffer: Stays as it was if there is an error.
            chunk: Records; naive and foreign datetimes in them are replaced by
                their UTC form.
            now: When they were extracted, aware.

        Returns:
            How many bytes were appended.

        Raises:
            UnencodableValueError: A value has no exact form in JSON.
        """
        if not chunk:
            return 0
        records = self.prepare(chunk)
        try:
            data = ENCODER.encode_lines(records)
        except (TypeError, ValueError, msgspec.MsgspecError, RecursionError) as error:
            raise self._explain(records, error) from error
        moment = (now or datetime.now(UTC)).isoformat().encode()
        suffix = b'%s,"time_extracted":"%s"}\n' % (self._version, moment)
        before = len(buffer)
        # No newline occurs inside JSON text, so each one ends a record.
        buffer += self._prefix
        buffer += data.replace(b"\n", suffix + self._prefix)
        del buffer[-len(self._prefix) :]
        return len(buffer) - before

    def prepare(self, chunk: Sequence[Record]) -> Sequence[Record]:
        """Return the records as they are encoded: masked, in UTC, finite.

        Raises:
            UnencodableValueError: A number is NaN or infinite.
        """
        if self._deselected:
            drop = self._deselected
            chunk = [
                {key: value for key, value in record.items() if key not in drop}
                for record in chunk
            ]
        for key in self._times:
            for record in chunk:
                value: Any = record.get(key)
                if value.__class__ is datetime and value.tzinfo is not UTC:
                    record[key] = to_utc(value)
        for _key, get in self._numbers:
            if not _all_finite(get, chunk):
                self._look_closely(chunk)
                break
        for key in self._nested:
            if _may_hold_floats([record.get(key) for record in chunk]):
                self._look_closely(chunk)
        return chunk

    def _look_closely(self, records: Sequence[Record]) -> None:
        for record in records:
            path = _find(_not_finite, record)
            if path is not None:
                raise self._error(path, record, "is not a finite number")

    def _explain(
        self, records: Sequence[Record], cause: Exception
    ) -> UnencodableValueError:
        for record in records:
            path = _find(_unencodable, record)
            if path is not None:
                return self._error(path, record, f"cannot be JSON: {cause}")
        return self._error("", records[0], f"cannot be JSON: {cause}")

    def _error(self, path: str, record: Record, reason: str) -> UnencodableValueError:
        return _unencodable_error(self.stream, path, record, reason)


def message_line(message: dict[str, Any]) -> bytearray:
    """Return any message as a line; for RECORDs on the SDK's own path.

    Raises:
        UnencodableValueError: A value has no exact form in JSON.
    """
    line = bytearray()
    record = message.get("record")
    if record is not None:
        check_finite(message["stream"], record)
    try:
        ENCODER.encode_into(message, line)
    except (TypeError, ValueError, msgspec.MsgspecError, RecursionError) as error:
        path = _find(_unencodable, record)
        if path is None or record is None:
            raise
        reason = f"cannot be JSON: {error}"
        stream = message["stream"]
        raise _unencodable_error(stream, path, record, reason) from error
    line += b"\n"
    return line


def check_finite(stream: str, record: Record) -> None:
    """Raise an `UnencodableValueError` if a number in `record` is none."""
    if _may_hold_floats([record]):
        path = _find(_not_finite, record)
        if path is not None:
            raise _unencodable_error(stream, path, record, "is not a finite number")


def _unencodable_error(
    stream: str, path: str, record: Record, reason: str
) -> UnencodableValueError:
    return UnencodableValueError(
        f"value of {path!r} {reason}",
        where=f"stream {stream!r}, key {path!r}",
        fix="mend the value at the source, or deselect the key",
        record=record,
    )


def exact_lines(values: Sequence[object]) -> bytes:
    """Return each value as JSON, on a line of its own; none holds a newline.

    Raises:
        ValueError: One holds NaN or an infinity.
    """
    data = ENCODER.encode_lines(values)
    # A float NaN comes out as null, so values that may hold one are looked at.
    if any(word in data for word in _NOT_JSON) or _may_hold_floats(list(values)):
        path = _find(_not_finite, list(values))
        if path is not None:
            raise ValueError(f"{path} is not a finite number")
    return data


def to_utc(value: datetime) -> datetime:
    """Return the same instant in UTC; a naive value is taken as UTC."""
    if value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    try:
        return value.astimezone(UTC)
    except OverflowError:  # year 1 or 9999 in a far zone: keep its own offset
        return value


def _types(schema: Mapping[str, Any]) -> set[str]:
    """Return the JSON types a schema allows; `{""}` means it does not say."""
    kinds = schema.get("type")
    if kinds is None:
        return {""}
    return {kinds} if isinstance(kinds, str) else set(kinds)


def _holds_nested_number(schema: Mapping[str, Any]) -> bool:
    kinds = _types(schema)
    if "" in kinds:
        return True
    inner: list[Any] = []
    if "array" in kinds:
        inner.append(schema.get("items"))
    if "object" in kinds:
        inner += (schema.get("properties") or {}).values()
        more = schema.get("additionalProperties")
        if isinstance(more, dict):
            inner.append(more)
        elif not schema.get("properties"):
            inner.append({})
    return any(
        not isinstance(one, dict)
        or _types(one) & {"number", ""}
        or _holds_nested_number(one)
        for one in inner
    )


def _may_hold_floats(values: list[Any]) -> bool:
    # MessagePack marks a float with a byte that hardly occurs in UTF-8 text, so
    # one C call and a search spare the visit of every nested value.
    try:
        return _FLOAT_MARK in _PACKER.encode(values)
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError, RecursionError):
        return True


def _all_finite(get: Callable[[Record], Any], chunk: Sequence[Record]) -> bool:
    # One NaN or infinity spoils the sum: finite sum, finite values. Anything odd
    # (missing key, text among numbers, overflow) is looked at value by value.
    try:
        total = sum(filter(None, map(get, chunk)))
        return bool(total - total == 0)
    except (ArithmeticError, KeyError, TypeError):
        return False


def _not_finite(value: object) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, Decimal) and not value.is_finite()


def _unencodable(value: object) -> bool:
    if isinstance(value, dict):
        # Keys only; values are visited one by one.
        value = dict.fromkeys(value)
    elif isinstance(value, (list, tuple, set, frozenset)):
        return False
    try:
        ENCODER.encode(value)
    except (TypeError, ValueError, msgspec.MsgspecError, RecursionError):
        return True
    return False


def _find(is_bad: Callable[[object], bool], value: object) -> str | None:
    """Return the path of the first bad value within `value`, or None."""
    return next(_paths(is_bad, value, ""), None)


def _paths(
    is_bad: Callable[[object], bool], value: object, path: str, depth: int = 0
) -> Iterator[str]:
    if is_bad(value):
        yield path
    if depth > 100:  # noqa: PLR2004 - the encoder gives up on such nesting anyway
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            name = f"{path}.{key}" if path else str(key)
            yield from _paths(is_bad, inner, name, depth + 1)
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from _paths(is_bad, inner, f"{path}[{index}]", depth + 1)
