"""Oracle types as JSON Schema, as SELECT expressions and as bind values.

One `ColumnType` per column decides how a value leaves the database and how it
comes back. The Oracle type travels in the schema's ``x-sql-datatype``, so that a
table that went through Singer is created again with the types it had.

Why not simply select the column: the thin driver drops time zones
(python-oracledb#274), reads NUMBER without scale as a float, and cuts timestamps at
microseconds; so these columns are selected through an expression or a variable.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MICROSECONDS = 6
MAX_INT64_DIGITS = 18

TEXT_TYPES = frozenset({"VARCHAR2", "NVARCHAR2", "VARCHAR", "CHAR", "NCHAR"})
LOB_TEXT_TYPES = frozenset({"CLOB", "NCLOB", "LONG", "XMLTYPE"})
BYTES_TYPES = frozenset({"RAW", "BLOB", "LONG RAW"})
NUMBER_TYPES = frozenset({"NUMBER", "FLOAT"})
DOUBLE_TYPES = frozenset({"BINARY_DOUBLE", "BINARY_FLOAT"})
TIME_TYPES = frozenset({"DATE", "TIMESTAMP", "TIMESTAMP_TZ", "TIMESTAMP_LTZ"})
KNOWN = (
    TEXT_TYPES
    | LOB_TEXT_TYPES
    | BYTES_TYPES
    | NUMBER_TYPES
    | DOUBLE_TYPES
    | TIME_TYPES
    | {"JSON", "INTERVAL_DS", "INTERVAL_YM", "ROWID", "UROWID", "BOOLEAN", "VECTOR"}
)

DATE_TIME: dict[str, Any] = {"format": "date-time"}
NUMBER: dict[str, Any] = {"type": ["null", "number"]}
BASE64: dict[str, Any] = {"contentEncoding": "base64"}
# NaN and the infinities have no JSON number; they travel as text.
DOUBLE: dict[str, Any] = {"type": ["null", "number", "string"]}
# What differs from a nullable string.
SCHEMAS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(NUMBER_TYPES, NUMBER),
    **dict.fromkeys(DOUBLE_TYPES, DOUBLE),
    **dict.fromkeys(TIME_TYPES, DATE_TIME),
    **dict.fromkeys(BYTES_TYPES, BASE64),
    "JSON": {"type": ["null", "object", "array", "string", "number", "boolean"]},
    "BOOLEAN": {"type": ["null", "boolean"]},
    "VECTOR": {"type": ["null", "array"], "items": {"type": ["null", "number"]}},
    "INTERVAL_DS": {"format": "duration"},
    "INTERVAL_YM": {"format": "duration"},
}

TIMESTAMP = re.compile(
    r"TIMESTAMP\s*(?:\((\d)\))?\s*(WITH LOCAL TIME ZONE|WITH TIME ZONE)?$"
)
INTERVAL = re.compile(
    r"INTERVAL (YEAR|DAY)\s*(?:\((\d)\))? TO (MONTH|SECOND)\s*(?:\((\d)\))?$"
)
DECLARED = re.compile(
    r"([A-Z_][A-Z0-9_ ]*?)\s*(?:\(\s*(\d+|\*)\s*(?:,\s*(-?\d+))?\s*(CHAR|BYTE)?\s*\))?$"
)


@dataclass(frozen=True)
class ColumnType:
    """One column's type, as the dictionary or a declaration gives it.

    Attributes:
        name: Base type: NUMBER, VARCHAR2, TIMESTAMP_TZ, INTERVAL_DS …
        length: Characters (or bytes, for RAW and BYTE columns); 0 when it has none.
        precision: Digits of a NUMBER, leading digits of an INTERVAL; None: any.
        scale: Digits after the point; for times, digits of a second's fraction.
        in_bytes: Whether `length` of a text counts bytes.
    """

    name: str
    length: int = 0
    precision: int | None = None
    scale: int | None = None
    in_bytes: bool = False

    @property
    def is_supported(self) -> bool:
        """Whether values can be read and written."""
        return self.name in KNOWN

    @property
    def is_integer(self) -> bool:
        """Whether every value is a whole number."""
        return self.name == "NUMBER" and self.scale is not None and self.scale <= 0

    @property
    def is_nanoseconds(self) -> bool:
        """Whether the driver's datetime would cut off digits."""
        return self.name in TIME_TYPES and (self.scale or 0) > MICROSECONDS

    @property
    def declaration(self) -> str:
        """The type as DDL writes it."""
        length = f"({self.length} {'BYTE' if self.in_bytes else 'CHAR'})"
        fraction = f"({MICROSECONDS if self.scale is None else self.scale})"
        special = {
            "VARCHAR2": f"VARCHAR2{length}",
            "VARCHAR": f"VARCHAR2{length}",
            "CHAR": f"CHAR{length}",
            "NVARCHAR2": f"NVARCHAR2({self.length})",
            "NCHAR": f"NCHAR({self.length})",
            "RAW": f"RAW({self.length})",
            "UROWID": f"UROWID({self.length})" if self.length else "UROWID",
            "TIMESTAMP": f"TIMESTAMP{fraction}",
            "TIMESTAMP_TZ": f"TIMESTAMP{fraction} WITH TIME ZONE",
            "TIMESTAMP_LTZ": f"TIMESTAMP{fraction} WITH LOCAL TIME ZONE",
            "INTERVAL_DS": (
                f"INTERVAL DAY({2 if self.precision is None else self.precision})"
                f" TO SECOND{fraction}"
            ),
            "INTERVAL_YM": (
                f"INTERVAL YEAR({2 if self.precision is None else self.precision})"
                " TO MONTH"
            ),
            "FLOAT": f"FLOAT({self.precision or 126})",
        }.get(self.name)
        if special:
            return special
        if self.name == "NUMBER" and self.precision is not None:
            scale = f",{self.scale}" if self.scale else ""
            return f"NUMBER({self.precision}{scale})"
        if self.name == "NUMBER" and self.scale is not None:
            return f"NUMBER(*,{self.scale})"
        return self.name

    def json_schema(self, *, null_doubles: bool = False) -> dict[str, Any]:
        """The property's schema, nullable, with the Oracle type beside it.

        Args:
            null_doubles: Whether NaN and the infinities come as null: a number then.
        """
        schema = self._plain_schema()
        if null_doubles and self.name in DOUBLE_TYPES:
            schema = dict(NUMBER)
        schema["x-sql-datatype"] = self.declaration
        return schema

    def _plain_schema(self) -> dict[str, Any]:
        if self.is_integer:
            digits = (self.precision or 38) - (self.scale or 0)
            schema: dict[str, Any] = {"type": ["null", "integer"]}
            if digits > MAX_INT64_DIGITS:
                # Beyond 64 bits: a target that looks here keeps every digit.
                schema |= {"minimum": -(10**digits - 1), "maximum": 10**digits - 1}
            return schema
        schema = {"type": ["null", "string"]} | SCHEMAS.get(self.name, {})
        if self.name in TEXT_TYPES and self.length:
            schema["maxLength"] = self.length
        return schema

    def select(self, column: str) -> str:
        """The SELECT expression that brings a column out without loss.

        Args:
            column: The quoted column name.
        """
        if self.name == "TIMESTAMP_TZ":
            column = f"SYS_EXTRACT_UTC({column})"
        if self.is_nanoseconds:
            return f"TO_CHAR({column}, '{NANOSECOND_FORMAT}')"
        if self.name == "XMLTYPE":
            return f"XMLSERIALIZE(CONTENT {column} AS CLOB)"
        if self.name == "JSON":
            return f"JSON_SERIALIZE({column} RETURNING CLOB)"
        if self.name in {"ROWID", "UROWID"}:
            return f"ROWIDTOCHAR({column})" if self.name == "ROWID" else column
        return column

    def placeholder(self, bind: str) -> str:
        """The expression through which a bound value enters a column.

        Args:
            bind: The placeholder, with its colon.
        """
        if self.is_nanoseconds:
            bind = f"TO_TIMESTAMP({bind}, '{NANOSECOND_FORMAT}')"
            return f"FROM_TZ({bind}, '+00:00')" if self.has_zone else bind
        if self.name == "ROWID":
            return f"CHARTOROWID({bind})"
        return self.from_text(bind)

    def from_text(self, expression: str) -> str:
        """The expression that makes a value of a CLOB, where the type is no text.

        XMLPARSE and not XMLTYPE(…), which refuses NULL.
        """
        if self.name == "XMLTYPE":
            return f"XMLPARSE(DOCUMENT {expression})"
        if self.name == "JSON":
            return f"JSON({expression})"
        return expression

    @property
    def staged(self) -> ColumnType:
        """The type under which a value waits in a staging table."""
        return ColumnType("CLOB") if self.name in {"XMLTYPE", "JSON"} else self

    @property
    def has_zone(self) -> bool:
        """Whether a value is an instant by itself."""
        return self.name in {"TIMESTAMP_TZ", "TIMESTAMP_LTZ"}


NANOSECOND_FORMAT = 'YYYY-MM-DD"T"HH24:MI:SS.FF9'


def from_dictionary(row: Mapping[str, Any]) -> ColumnType:
    """The type of an ALL_TAB_COLUMNS row.

    Args:
        row: ``data_type``, ``data_type_owner``, ``data_length``, ``char_length``,
            ``char_used``, ``data_precision``, ``data_scale``.
    """
    name = " ".join(str(row["data_type"] or "").upper().split())
    owner = row.get("data_type_owner")
    if owner and name != "XMLTYPE":
        return ColumnType(f"{owner}.{name}")
    precision = _integer(row.get("data_precision"))
    scale = _integer(row.get("data_scale"))
    timed = _timed(name)
    if timed is not None:
        return timed
    if name in TEXT_TYPES:
        in_bytes = row.get("char_used") == "B"
        return ColumnType(
            name, _integer(row.get("char_length")) or 0, None, None, in_bytes
        )
    if name in {"RAW", "UROWID"}:
        return ColumnType(name, _integer(row.get("data_length")) or 0, in_bytes=True)
    if name in NUMBER_TYPES:
        return ColumnType(name, 0, precision, scale)
    return ColumnType(name)


def from_declaration(text: str) -> ColumnType | None:
    """The type that a declaration names, or None when it names none we know.

    Only what this grammar takes is ever put into DDL: a schema comes over the wire
    and must not bring statements with it.
    """
    name = " ".join(text.upper().split())
    timed = _timed(name)
    if timed is not None:
        return timed
    match = DECLARED.match(name)
    if match is None or match[1] not in KNOWN:
        return None
    base, first, second, unit = match.groups()
    if base in TEXT_TYPES and first in {None, "*"}:
        return None
    size = None if first in {None, "*"} else int(first)
    kind = ColumnType(base)
    if base in TEXT_TYPES:
        kind = ColumnType(base, size or 0, in_bytes=unit != "CHAR" and base[0] != "N")
    elif base in {"RAW", "UROWID"}:
        kind = ColumnType(base, size or 0, in_bytes=True)
    elif base == "NUMBER":
        kind = ColumnType(base, 0, size, int(second) if second else _scale(first))
    elif base == "FLOAT":
        kind = ColumnType(base, 0, size or 126)
    return kind


def _scale(first: str | None) -> int | None:
    """The scale of a NUMBER that names none: 0 once a precision stands there."""
    return None if first is None else 0


def _timed(name: str) -> ColumnType | None:
    if match := TIMESTAMP.match(name):
        kind = {
            None: "TIMESTAMP",
            "WITH TIME ZONE": "TIMESTAMP_TZ",
            "WITH LOCAL TIME ZONE": "TIMESTAMP_LTZ",
        }[match[2]]
        return ColumnType(kind, scale=int(match[1] or MICROSECONDS))
    if match := INTERVAL.match(name):
        kind = "INTERVAL_YM" if match[1] == "YEAR" else "INTERVAL_DS"
        scale = int(match[4] or MICROSECONDS) if kind == "INTERVAL_DS" else None
        return ColumnType(kind, precision=int(match[2] or 2), scale=scale)
    return None


def _integer(value: object) -> int | None:
    return None if value is None else int(str(value))
