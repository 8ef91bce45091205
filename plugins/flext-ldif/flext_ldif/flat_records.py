"""Flat records: each column an attribute, the DN from a column or a template."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from flext_singer.messages import decode_plain

from flext_ldif import dn as names
from flext_ldif.generalized_time import generalized_time
from flext_ldif.incoming import IncomingEntry, IncomingError, as_texts, from_base64
from flext_ldif.record_parser import WIDE_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flext_ldif.dn_template import DnTemplate
    from flext_ldif.entries import Attributes

_WORD_START = re.compile(r"(?<=[A-Za-z0-9])_+([A-Za-z0-9])")


def attribute_name(column: str) -> str:
    """Return the attribute that a column stands for: given_name is givenName."""
    return _WORD_START.sub(lambda match: match[1].upper(), column).strip("_")


class FlatRecords:
    """Turns the flat records of a stream into entries.

    Args:
        schema: JSON Schema of the stream.
        template: Makes the DN; None takes it from the column `dn`.
        mapping: Attribute of a column; None or "" leaves the column out.
        object_classes: For records without a column of object classes.
        binary: Columns or attributes that hold base64.

    Raises:
        ValueError: There is no way to a DN, or a column names no attribute.
    """

    def __init__(
        self,
        schema: Mapping[str, Any],
        template: DnTemplate | None,
        mapping: Mapping[str, str | None],
        object_classes: Sequence[str] = (),
        binary: Sequence[str] = (),
    ) -> None:
        self._template = template
        self._object_classes = list(object_classes)
        columns: Mapping[str, Any] = schema.get("properties", {})
        if template is None and "dn" not in columns:
            raise ValueError(
                "the records have no column dn, and dn_template is not set"
            )
        for column in template.columns if template else ():
            if column not in columns:
                raise ValueError(
                    f"dn_template needs a column {column!r}; the records have:"
                    f" {', '.join(sorted(columns))}"
                )
        self._attributes: dict[str, str] = {}
        for column in columns:
            if column == "dn" or column.startswith("_sdc_"):
                continue
            name = mapping.get(column, attribute_name(column))
            if not name:
                continue
            if not WIDE_NAME.fullmatch(name) or name.lower() == "dn":
                raise ValueError(
                    f"column {column!r} names no attribute; map it in attribute_mapping"
                )
            self._attributes[column] = name
        low = {one.lower() for one in binary}
        self._binary = {
            column
            for column, name in self._attributes.items()
            if {column.lower(), name.lower()} & low
            or columns[column].get("contentEncoding") == "base64"
        }
        self._times = {
            column
            for column in self._attributes
            if columns[column].get("format") == "date-time"
        }

    def read(self, raw: bytes) -> IncomingEntry:
        """Return the entry of a record.

        Raises:
            IncomingError: It is none.
        """
        record = decode_plain(raw)
        dn = self._dn(record)
        if record.get("_sdc_deleted_at") is not None:
            return IncomingEntry(dn, {}, is_deleted=True)
        attributes: Attributes = {}
        for column, name in self._attributes.items():
            texts = [text for text in as_texts(record.get(column), column, dn) if text]
            if not texts:
                continue
            values = attributes.setdefault(name, [])
            if column in self._binary:
                values += [from_base64(text, column, dn) for text in texts]
            elif column in self._times:
                values += [generalized_time(text) for text in texts]
            else:
                values += texts
        self._complete(attributes, dn)
        return IncomingEntry(dn, attributes)

    def _dn(self, record: Mapping[str, Any]) -> str:
        if self._template is None:
            dn = record.get("dn")
            if not isinstance(dn, str) or not dn.strip():
                raise IncomingError("the column dn is empty")
        else:
            texts: dict[str, str] = {}
            for column in self._template.columns:
                values = as_texts(record.get(column), column, None)
                if len(values) > 1:
                    reason = (
                        f"column {column!r}, which the DN needs, has several values"
                    )
                    raise IncomingError(reason)
                texts[column] = values[0] if values else ""
            try:
                dn = self._template.dn(texts)
            except ValueError as error:
                raise IncomingError(str(error)) from error
        try:
            names.parse(dn)
        except names.DnError as error:
            raise IncomingError(f"the DN is none: {error}", dn) from error
        return dn

    def _complete(self, attributes: Attributes, dn: str) -> None:
        """Add what every entry needs: object classes, and its RDN's values."""
        present = {name.lower(): name for name in attributes}
        if self._object_classes and "objectclass" not in present:
            attributes["objectClass"] = list(self._object_classes)
        for name, value in names.parse(dn)[0]:
            held = attributes.setdefault(present.get(name.lower(), name), [])
            folded = [one.casefold() for one in held if isinstance(one, str)]
            if isinstance(value, str) and value.casefold() not in folded:
                held.append(value)
