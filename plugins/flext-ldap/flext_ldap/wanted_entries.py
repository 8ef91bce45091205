"""Records turned into wanted entries: a DN, and values as bytes.

Two kinds of record come in: entry-shaped ones (`dn`, `attributes`,
`binary_attributes`, as the taps for LDAP and LDIF emit them; the last two may
be JSON text from a warehouse), and flat ones, each column an attribute.
"""

from __future__ import annotations

import binascii
import difflib
import json
from base64 import b64decode
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flext_ldap import dn as names
from flext_ldap import generalized_time
from flext_ldap.attribute_types import ValueKind, is_binary, value_kind
from flext_ldap.dn_template import TemplateError
from flext_ldap.errors import DirectoryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flext_ldap.server_kind import ServerInfo
    from flext_ldap.subschema import Subschema
    from flext_ldap.write_rules import WriteRules

#: Columns about the record, not of the entry.
_ABOUT = frozenset(
    {
        "dn",
        "attributes",
        "binary_attributes",
        "other_attributes",
        "dn_normalised",
        "parent_dn",
        "rdn",
        "depth",
        "change_type",
        "source_file",
        "line_number",
        "entry_size",
    }
)
#: What servers keep themselves, for those whose schema cannot be read.
_READ_ONLY = frozenset(
    {
        "badpasswordtime",
        "badpwdcount",
        "createtimestamp",
        "creatorsname",
        "distinguishedname",
        "dscorepropagationdata",
        "entrycsn",
        "entrydn",
        "entryuuid",
        "hassubordinates",
        "instancetype",
        "lastlogoff",
        "lastlogon",
        "lastlogontimestamp",
        "logoncount",
        "memberof",
        "modifiersname",
        "modifytimestamp",
        "name",
        "nsuniqueid",
        "numsubordinates",
        "objectcategory",
        "objectguid",
        "objectsid",
        "orclguid",
        "samaccounttype",
        "structuralobjectclass",
        "subschemasubentry",
        "usnchanged",
        "usncreated",
        "whenchanged",
        "whencreated",
    }
)


_MAX_PLANS = 10_000  # hostile data must not fill the memory with names


class RecordError(ValueError):
    """A record that cannot become an entry."""


@dataclass
class WantedEntry:
    """What a record asks for.

    `attributes` are canonical names with wanted values; an empty list asks for
    the attribute's end. Passwords are kept apart from everything that is shown.
    """

    dn: str
    attributes: dict[str, list[bytes]]
    is_deletion: bool = False
    match: bytes | None = None
    version: int | None = None
    passwords: dict[str, list[bytes]] = field(default_factory=dict, repr=False)
    record: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def key(self) -> str:
        """What makes two records speak of one entry."""
        if self.match is not None:
            return "match:" + self.match.hex()
        return names.normalise(self.dn)

    @property
    def where(self) -> str:
        """The entry, for messages."""
        return self.dn or f"match {self.match!r}"


@dataclass(frozen=True, slots=True)
class _AttributePlan:
    """How the values of one attribute are written."""

    kind: ValueKind
    is_binary: bool
    is_read_only: bool
    is_password: bool


class RecordReader:
    """Reads the records of one stream.

    Args:
        stream: Its name, by which settings are found.
        rules: The target's settings.
        server: Tells the object classes of new entries.
        schema: Tells binary from text, and one spelling from another.
        columns: The columns of the stream's SCHEMA message.

    Raises:
        DirectoryError: Flat columns that are no attributes of the server.
    """

    def __init__(
        self,
        stream: str,
        rules: WriteRules,
        server: ServerInfo,
        schema: Subschema,
        columns: Iterable[str],
    ) -> None:
        self._stream = stream
        self._rules = rules
        self._server = server
        self._schema = schema
        self._mapping = rules.mapping(stream)
        self._by_folded = {
            _folded(name): one.name
            for one in schema.attribute_types
            for name in one.names
        }
        self._template = rules.template(stream)
        self._match_attribute = rules.match_attribute(stream)
        if self._match_attribute:
            self._match_attribute = schema.canonical(self._match_attribute)
        columns = list(columns)
        self._plans: dict[str, _AttributePlan] = {}
        if "attributes" not in columns:
            self._check_columns(columns)

    def _check_columns(self, columns: list[str]) -> None:
        unknown = [
            name
            for name in columns
            if not self._is_about(name)
            and name not in self._mapping
            and self._attribute_of(name) is None
        ]
        if self._template:
            used = set(self._template.columns)
            unknown = [name for name in unknown if name not in used]
        if not unknown or self._rules.ignores_unmapped:
            return
        if not self._schema.attribute_types:
            return  # the schema may not be read: the server will tell
        near = difflib.get_close_matches(
            _folded(unknown[0]), list(self._by_folded), n=1
        )
        hint = f" (near: {self._by_folded[near[0]]})" if near else ""
        raise DirectoryError(
            f"columns that are no attributes of the server: {', '.join(unknown)}",
            where=f"stream {self._stream!r}",
            fix=f"name their attributes in attribute_mapping{hint}, map them to null "
            "to drop them, or set unmapped_columns: ignore",
        )

    def _is_about(self, name: str) -> bool:
        return name in _ABOUT or name.startswith("_sdc_")

    def _attribute_of(self, column: str) -> str | None:
        """Return the attribute of a column: mapped, or of the same name.

        Case and underscores are passed over: `given_name` is givenName, which
        is what warehouses make of it.
        """
        if column in self._mapping:
            return self._mapping[column]
        if self._schema.attribute(column) is not None or not self._by_folded:
            return column
        return self._by_folded.get(_folded(column))

    # -------------------------------------------------------------- records

    def read(self, record: dict[str, Any], version: int | None) -> WantedEntry:
        """Return what one record asks for.

        Raises:
            RecordError: It makes no DN, or a value does not fit.
        """
        is_deletion = (
            self._rules.operation == "delete"
            or record.get("_sdc_deleted_at") is not None
            or record.get("change_type") == "delete"
        )
        if record.get("change_type") not in (None, "add", "delete"):
            raise RecordError(
                f"a change record ({record['change_type']}) is no entry; "
                "write it with ldapmodify"
            )
        values, binary = self._values(record)
        match = self._match(values, binary)
        wanted = WantedEntry(
            dn=self._dn(record, values, is_optional=match is not None and is_deletion),
            attributes={},
            is_deletion=is_deletion,
            match=match,
            version=version,
            record=record,
        )
        if not is_deletion:
            self._fill(wanted, values, binary)
        return wanted

    def shown(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return a record as it may be written down: without passwords."""
        shown = {k: v for k, v in record.items() if not self._is_password(k)}
        try:
            attributes = _object(record.get("attributes"), "attributes")
        except RecordError:
            shown.pop("attributes", None)
            return shown
        if attributes:
            shown["attributes"] = {
                k: v for k, v in attributes.items() if not self._is_password(k)
            }
        return shown

    def _is_password(self, column: str) -> bool:
        attribute = self._attribute_of(column) or column
        base = self._schema.canonical(attribute).partition(";")[0].lower()
        return base in self._rules.password_attributes

    def _values(self, record: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
        """Return values by attribute, and the names whose values are base64."""
        listed = record.get("binary_attributes")
        binary = {
            self._schema.canonical(str(name))
            for name in _list(listed, "binary_attributes")
        }
        values: dict[str, Any] = {}
        inner = _object(record.get("attributes"), "attributes")
        if "attributes" in record:
            columns: Mapping[str, Any] = inner
            if not any(name.lower() == "objectclass" for name in inner):
                columns = {**inner, "objectClass": record.get("object_class")}
        else:
            columns = record
        others = _object(record.get("other_attributes"), "other_attributes")
        for column, value in (*columns.items(), *others.items()):
            if "attributes" not in record and self._is_about(column):
                continue
            attribute = self._attribute_of(column)
            if attribute is None:
                if "attributes" in record and column not in self._mapping:
                    attribute = column  # let the server say that it is unknown
                else:
                    continue
            name = self._schema.canonical(attribute)
            if name in values and value is not None:
                values[name] = [*_many(values[name]), *_many(value)]
            else:
                values.setdefault(name, value)
        return values, binary

    def _match(self, values: Mapping[str, Any], binary: set[str]) -> bytes | None:
        name = self._match_attribute
        if name is None:
            return None
        found = self._encoded(name, values.get(name), name in binary)
        if len(found) != 1:
            raise RecordError(
                f"{len(found)} values for {name}, by which entries are matched"
            )
        return found[0]

    def _dn(
        self, record: Mapping[str, Any], values: Mapping[str, Any], *, is_optional: bool
    ) -> str:
        template = self._template
        given = record.get("dn")
        if template is None and isinstance(given, str) and given.strip():
            entry_dn = given
        else:
            template = template or self._rules.rdn_templates.get(self._stream)
            if template is None:
                if is_optional:
                    return ""
                raise RecordError(
                    "the record has no dn; set dn_templates for its stream"
                )
            try:
                entry_dn = template.fill(lambda name: self._text(name, record, values))
            except TemplateError as error:
                if is_optional:
                    return ""
                raise RecordError(str(error)) from error
        try:
            is_inside = names.is_under(entry_dn, self._rules.base_dn)
        except names.DnError as error:
            raise RecordError(f"no DN: {error}") from error
        if not is_inside:
            raise RecordError(
                f"{entry_dn!r} is not under base_dn {self._rules.base_dn!r}"
            )
        return entry_dn

    def _text(
        self, column: str, record: Mapping[str, Any], values: Mapping[str, Any]
    ) -> str | None:
        value = record.get(column)
        if value is None:
            attribute = self._attribute_of(column) or column
            value = values.get(self._schema.canonical(attribute))
        found = [item for item in _many(value) if item is not None]
        return _scalar(found[0]) if found else None

    def _plan(self, name: str) -> _AttributePlan:
        """Return what is known of an attribute, worked out once."""
        plan = self._plans.get(name)
        if plan is None:
            base = name.partition(";")[0].lower()
            known = self._schema.attribute(name)
            plan = _AttributePlan(
                kind=value_kind(name, self._schema),
                is_binary=is_binary(name, self._schema),
                is_read_only=base in _READ_ONLY
                or (known is not None and known.is_read_only),
                is_password=base in self._rules.password_attributes,
            )
            if len(self._plans) < _MAX_PLANS:
                self._plans[name] = plan
        return plan

    def _fill(
        self, wanted: WantedEntry, values: dict[str, Any], binary: set[str]
    ) -> None:
        for name, value in values.items():
            plan = self._plan(name)
            if plan.is_read_only:
                continue
            encoded = self._encoded(name, value, name in binary)
            if plan.is_password:
                if encoded:
                    wanted.passwords[name] = encoded
                continue
            if encoded or self._rules.deletes_nulls:
                wanted.attributes[name] = encoded
        if not wanted.attributes.get("objectClass"):
            # A record without classes leaves those of an old entry alone.
            wanted.attributes.pop("objectClass", None)

    def _encoded(self, name: str, value: Any, is_base64: bool) -> list[bytes]:  # noqa: ANN401 (JSON values; one caller a kind)
        plan = self._plan(name)
        kind, is_base64 = plan.kind, is_base64 or plan.is_binary
        encoded = []
        for item in _many(value):
            if item is None or item == "":
                continue
            try:
                encoded.append(_bytes(item, kind, is_base64=is_base64))
            except (ValueError, binascii.Error) as error:
                # The value itself stays out: it may be a secret.
                raise RecordError(f"a value of {name} does not fit: {error}") from None
        return encoded


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _many(value: Any) -> list[Any]:  # noqa: ANN401 (JSON values)
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _object(value: Any, column: str) -> dict[str, Any]:  # noqa: ANN401 (JSON values)
    if value is None or value == "":
        return {}
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise RecordError(f"{column} is no JSON object") from None
    if not isinstance(value, dict):
        raise RecordError(f"{column} is no object")
    return value


def _list(value: Any, column: str) -> list[Any]:  # noqa: ANN401 (JSON values)
    if value is None or value == "":
        return []
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise RecordError(f"{column} is no JSON list") from None
    if not isinstance(value, list):
        raise RecordError(f"{column} is no list")
    return value


def _scalar(value: Any) -> str:  # noqa: ANN401 (JSON values)
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ValueError("an object where a single value is wanted")


def _bytes(value: Any, kind: ValueKind, *, is_base64: bool) -> bytes:  # noqa: ANN401 (JSON values)
    text = _scalar(value)
    if is_base64:
        return b64decode(text, validate=True)
    if kind is ValueKind.INTEGER:
        return _integer(text).encode("ascii")
    if kind is ValueKind.TIME:
        return _time(text).encode("ascii")
    if kind is ValueKind.BOOLEAN:
        return text.upper().encode("utf-8")
    return text.encode("utf-8")


def _integer(text: str) -> str:
    number = Decimal(text) if "." in text or "e" in text.lower() else None
    if number is not None and number == number.to_integral_value():
        return format(number.to_integral_value(), "f")
    return text


def _time(text: str) -> str:
    """Return a GeneralizedTime; ISO 8601 becomes one, to the second."""
    try:
        generalized_time.parse(text)
    except ValueError:
        return generalized_time.render(datetime.fromisoformat(text))
    return text
