"""XML documents of init_stage_interface: built by a library, split by size.

Oracle advises less than 5 MB a document and refuses more than 10 MB (WMS Cloud,
"Interfaces", payload sizes). The form that carries a document writes some bytes as
three, so a document stays below 3 MB.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
import xml.etree.ElementTree as ET  # only writes here; answers are read elsewhere
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flext_oracle_wms.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from flext_oracle_wms.interfaces import Interface

MAX_DOCUMENT_BYTES = 3_000_000
# XML 1.0 §2.2: what a document cannot hold, escaped or not.
ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\Z")
DOCUMENT_VERSION = "10.0.0"


@dataclasses.dataclass(frozen=True)
class Prepared:
    """One record, ready to be sent.

    Attributes:
        key: Its business key.
        company: Its company_code, or "".
        facility: Its facility_code where the key is one of a facility, or "".
        action: CREATE, UPDATE or DELETE; UPSERT before that is decided.
        xml: Its element, UTF-8.
        record: Its fields.
        source: What a reject is to show.
    """

    key: str
    company: str
    facility: str
    action: str
    xml: bytes
    record: Mapping[str, Any]
    source: bytes | Mapping[str, Any] | None = None

    @property
    def identity(self) -> tuple[str, str, str]:
        """What makes two records the same thing: key, company and facility."""
        return self.key, self.company, self.facility


@dataclasses.dataclass(frozen=True)
class Header:
    """What stands at the head of every document."""

    origin_system: str
    client_environment: str
    parent_company: str


def prepare(
    interface: Interface,
    record: Mapping[str, Any],
    action: str,
    source: bytes | Mapping[str, Any] | None = None,
) -> Prepared:
    """Makes one record's element.

    Args:
        interface: The entity.
        record: Scalars become elements; lists of objects become repeated elements;
            names that begin with `_` stay out.
        action: CREATE, UPDATE or DELETE; UPSERT when it is to be decided later.
        source: What a reject is to show.

    Raises:
        RecordError: The business key is missing, or a value cannot stand in XML.
    """
    key = key_of(interface, record)
    element = ET.Element(interface.record_tag)
    head = element
    if interface.header_tag:
        head = ET.SubElement(element, interface.header_tag)
    details: list[tuple[str, list[Any]]] = []
    for name, value in (dict(record) | {interface.key: key}).items():
        if name.startswith("_") or value is None or name == "action_code":
            continue
        if isinstance(value, list):
            details.append((name, value))
        elif name == interface.detail_tag and isinstance(value, str):
            details.append((name, rows_of_text(name, value)))
        else:
            add(head, name, value)
    add(head, "action_code", action)
    for name, rows in details:
        add_rows(element, name, rows)
    # A parser would make a line feed of a carriage return (XML 1.0 §2.11).
    xml = ET.tostring(element, encoding="utf-8").replace(b"\r", b"&#13;")
    company = str(record.get("company_code") or "")
    code = record.get("facility_code") if interface.has_facility else ""
    return Prepared(key, company, str(code or ""), action, xml, record, source)


def rows_of_text(name: str, text: str) -> list[Any]:
    """Details that come as JSON text, as a warehouse may keep them."""
    try:
        rows = json.loads(text, parse_float=Decimal)
    except ValueError:
        rows = None
    if not isinstance(rows, list):
        raise RecordError(f"{name} is {text[:80]!r}, not a list of rows")
    return rows


def key_of(interface: Interface, record: Mapping[str, Any]) -> str:
    """The record's business key, under the interface's name or the final entity's."""
    for name in (interface.key, interface.final_key):
        value = record.get(name)
        if value is not None and value != "":
            return str(value)
    raise RecordError(f"{interface.key} is missing: it is the business key")


def add_rows(parent: ET.Element, name: str, rows: Iterable[Any]) -> None:
    """Adds details, one element for each row."""
    for row in rows:
        if not isinstance(row, dict):
            raise RecordError(f"{name} holds {row!r}, not rows of details")
        child = ET.SubElement(parent, checked_name(name))
        for field, value in row.items():
            if value is not None and not field.startswith("_"):
                add(child, field, value)


def add(parent: ET.Element, name: str, value: object) -> None:
    """Adds one field."""
    ET.SubElement(parent, checked_name(name)).text = text_of(name, value)


def checked_name(name: str) -> str:
    """An element's name; what is none is refused."""
    if not NAME.match(name):
        raise RecordError(f"{name!r} cannot be the name of an XML element")
    return name


def text_of(name: str, value: object) -> str:
    """A value as text; exact for decimals."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if not isinstance(value, str | int):
        raise RecordError(f"{name} is {type(value).__name__}, which has no text form")
    text = str(value)
    if found := ILLEGAL.search(text):
        raise RecordError(
            f"{name} holds the character U+{ord(found[0]):04X}, which XML cannot hold"
        )
    return text


def split(records: Iterable[Prepared], most: int) -> Iterator[list[Prepared]]:
    """Groups records so that no document exceeds its size or `most` records."""
    group: list[Prepared] = []
    size = 0
    for record in records:
        if group and (
            len(group) >= most or size + len(record.xml) > MAX_DOCUMENT_BYTES
        ):
            yield group
            group, size = [], 0
        group.append(record)
        size += len(record.xml)
    if group:
        yield group


def document(
    interface: Interface, group: Iterable[Prepared], header: Header, message_id: str
) -> str:
    """One document of a group of records."""
    head = ET.Element("Header")
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    for name, value in (
        ("DocumentVersion", DOCUMENT_VERSION),
        ("OriginSystem", header.origin_system),
        ("ClientEnvCode", header.client_environment),
        ("ParentCompanyCode", header.parent_company),
        ("Entity", interface.entity),
        ("TimeStamp", now),
        ("MessageId", message_id),
    ):
        add(head, name, value)
    body = b"".join(record.xml for record in group).decode("utf-8")
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<LgfData>'
        f"{ET.tostring(head, encoding='unicode')}"
        f"<{interface.list_tag}>{body}</{interface.list_tag}></LgfData>"
    )
