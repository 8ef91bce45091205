"""The stream `schema`: what the server knows of attribute types and classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE

from flext_ldap.directory_stream import DirectoryStream
from flext_ldap.server_schema import read_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flext_singer import FlextTap

    from flext_ldap.stream_search import StreamSearch


class SchemaStream(DirectoryStream):
    """The attribute types and object classes the server knows."""

    primary_keys: ClassVar[list[str]] = ["kind", "oid"]
    forced_replication_method = REPLICATION_FULL_TABLE
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": {
            "kind": {"type": "string"},
            "oid": {"type": "string"},
            "name": {"type": "string"},
            "names": {"type": "array", "items": {"type": "string"}},
            "description": {"type": ["string", "null"]},
            "superiors": {"type": "array", "items": {"type": "string"}},
            "syntax": {"type": ["string", "null"]},
            "equality": {"type": ["string", "null"]},
            "is_single_valued": {"type": ["boolean", "null"]},
            "is_operational": {"type": ["boolean", "null"]},
            "class_kind": {"type": ["string", "null"]},
            "must": {"type": "array", "items": {"type": "string"}},
            "may": {"type": "array", "items": {"type": "string"}},
            "definition": {"type": "string"},
        },
    }

    def __init__(self, tap: FlextTap, name: str, search: StreamSearch) -> None:
        super().__init__(tap, name, type(self).schema, search)

    def get_records(
        self, context: Mapping[str, Any] | None
    ) -> Iterator[dict[str, Any]]:
        """Yield one record per definition."""
        del context
        session = self._open()
        try:
            schema = read_schema(session)
        finally:
            self._close()
        empty = dict.fromkeys(self.schema["properties"])
        for one in schema.attribute_types:
            yield {
                **empty,
                "kind": "attribute_type",
                "oid": one.oid,
                "name": one.name,
                "names": list(one.names),
                "description": one.description or None,
                "superiors": [one.superior] if one.superior else [],
                "syntax": one.syntax or None,
                "equality": one.equality or None,
                "is_single_valued": one.is_single_valued,
                "is_operational": one.is_operational,
                "must": [],
                "may": [],
                "definition": one.definition,
            }
        for object_class in schema.object_classes:
            yield {
                **empty,
                "kind": "object_class",
                "oid": object_class.oid,
                "name": object_class.name,
                "names": list(object_class.names),
                "description": object_class.description or None,
                "superiors": list(object_class.superiors),
                "class_kind": object_class.kind,
                "must": list(object_class.must),
                "may": list(object_class.may),
                "definition": object_class.definition,
            }
