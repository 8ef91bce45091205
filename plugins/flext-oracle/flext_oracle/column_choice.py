"""Which Oracle type a property gets, when a table is created or grows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flext_oracle.errors import OracleError
from flext_oracle.type_mapping import (
    LOB_TEXT_TYPES,
    TEXT_TYPES,
    ColumnType,
    from_declaration,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_VARCHAR = 4000  # bytes, and also what CHAR semantics stop at (MAX_STRING_SIZE)
KEY_TEXT = 400  # characters: several of them still fit an index entry
NUMBER = ColumnType("NUMBER")
WHOLE = ColumnType("NUMBER", 0, 38, 0)
FLAG = ColumnType("NUMBER", 0, 1, 0)
INSTANT = ColumnType("TIMESTAMP_TZ", scale=6)
CLOB = ColumnType("CLOB")
BLOB = ColumnType("BLOB")
ROWID_TEXT = ColumnType("VARCHAR2", MAX_VARCHAR, in_bytes=True)


@dataclass(frozen=True)
class Choice:
    """How types are chosen.

    Attributes:
        text_length: Characters of a text column without a declared length.
        nested: Type of objects and arrays: clob, json or varchar2.
        overrides: Declarations by property, or by stream.property.
        server: The server's major version.
    """

    text_length: int = MAX_VARCHAR
    nested: str = "clob"
    overrides: Mapping[str, str] = field(default_factory=dict)
    server: int = 19

    def column_type(
        self, stream: str, name: str, schema: Mapping[str, Any], *, is_key: bool
    ) -> ColumnType:
        """The type of a new column.

        Args:
            stream: The stream's name.
            name: The property's name.
            schema: Its JSON Schema.
            is_key: Whether the column is part of the primary key.

        Raises:
            OracleError: An override is no type this package can write.
        """
        wanted = self.overrides.get(f"{stream}.{name}") or self.overrides.get(name)
        if wanted:
            kind = from_declaration(wanted)
            if kind is None:
                raise OracleError(
                    f"{wanted!r} is no type that can be written",
                    "column_type_overrides",
                    "write it as in DDL, e.g. VARCHAR2(100 CHAR) or NUMBER(12,2)",
                )
            return kind
        declared = from_declaration(str(schema.get("x-sql-datatype") or ""))
        if declared is not None:
            return self._writable(declared)
        return self._from_json(schema, is_key=is_key)

    def _writable(self, kind: ColumnType) -> ColumnType:
        """A type of another table as this server can have it in any number."""
        if kind.name == "LONG":
            return CLOB
        if kind.name == "LONG RAW":
            return BLOB
        if kind.name in {"ROWID", "UROWID"}:
            return ROWID_TEXT  # the value of another table's row is only text here
        if kind.name == "JSON" and self.server < 21:  # noqa: PLR2004 - where it began
            return CLOB
        if kind.name == "BOOLEAN" and self.server < 23:  # noqa: PLR2004 - the same
            return FLAG
        return kind

    def _from_json(self, schema: Mapping[str, Any], *, is_key: bool) -> ColumnType:
        names = type_names(schema)
        if names & {"object", "array"} or not names:
            kind = self._nested_type()
        elif names == {"boolean"}:
            kind = FLAG
        elif names == {"integer"}:
            kind = WHOLE
        elif names <= {"integer", "number"}:
            kind = NUMBER
        elif names == {"string"}:
            kind = self._text(schema, is_key=is_key)
        else:
            kind = ColumnType("VARCHAR2", self.text_length)
        return kind

    def _nested_type(self) -> ColumnType:
        if self.nested == "varchar2":
            return ColumnType("VARCHAR2", MAX_VARCHAR)
        if self.nested == "json" and self.server >= 21:  # noqa: PLR2004 - see above
            return ColumnType("JSON")
        return CLOB

    def _text(self, schema: Mapping[str, Any], *, is_key: bool) -> ColumnType:
        if schema.get("contentEncoding") == "base64":
            return BLOB
        shape = schema.get("format")
        if shape == "date-time":
            return INSTANT
        if shape == "date":
            return ColumnType("DATE")
        length = schema.get("maxLength")
        if not isinstance(length, int) or length < 1:
            length = KEY_TEXT if is_key else self.text_length
        return CLOB if length > MAX_VARCHAR else ColumnType("VARCHAR2", length)


def type_names(schema: Mapping[str, Any]) -> set[str]:
    """The JSON types that a property allows, without null."""
    declared = schema.get("type") or []
    names = {declared} if isinstance(declared, str) else set(declared)
    for branch in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        names |= type_names(branch)
    return names - {"null"}


def widened(column: ColumnType, wanted: ColumnType) -> ColumnType | None:
    """The type a column must grow to, or None when it is wide enough.

    Only texts grow: any other change of type could lose values that are there.
    """
    if column.name not in TEXT_TYPES:
        return None
    if wanted.name in LOB_TEXT_TYPES:
        return CLOB
    if wanted.name in TEXT_TYPES and wanted.length > column.length:
        return ColumnType("VARCHAR2", wanted.length)
    return None
