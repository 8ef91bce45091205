"""`flext-tap-ldap`: entries of a directory as Singer streams."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from flext_singer import FlextTap, entry_point
from singer_sdk import Stream
from singer_sdk import typing as th

from flext_ldap import filters, stream_search
from flext_ldap.connection_settings import read_settings
from flext_ldap.definitions import SchemaStream
from flext_ldap.directory_stream import explain
from flext_ldap.entries import ColumnShape
from flext_ldap.errors import DirectoryError
from flext_ldap.memberships import MembershipStream
from flext_ldap.read_plan import ENTRY_CSN, MODIFY_TIMESTAMP, NONE, SYNCREPL
from flext_ldap.results import LdapError
from flext_ldap.server_schema import read_schema
from flext_ldap.session import Session
from flext_ldap.settings_schema import CONNECTION
from flext_ldap.streams import EntryStream

if TYPE_CHECKING:
    from flext_ldap.subschema import Subschema

_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_CUSTOM_STREAM = th.ObjectType(
    th.Property("name", th.StringType, required=True, description="Stream name."),
    th.Property("base", th.StringType, description="Where to search; unset, base_dn."),
    th.Property("base_dn", th.StringType, description="Alias of base."),
    th.Property("search_base", th.StringType, description="Alias of base."),
    th.Property("scope", th.StringType, description="base, one or sub (the default)."),
    th.Property(
        "filter", th.StringType, description="RFC 4515; unset, (objectClass=*)."
    ),
    th.Property("search_filter", th.StringType, description="Alias of filter."),
    th.Property(
        "attributes",
        th.ArrayType(th.StringType),
        description="Attributes to read; unset, all user attributes.",
    ),
    th.Property(
        "shape",
        th.StringType,
        allowed_values=["entry", "columns"],
        description=(
            "entry: attributes in one object (default); columns: one typed column "
            "per attribute."
        ),
    ),
    additional_properties=True,
)


class TapLdap(FlextTap):
    """Singer tap for LDAP directories."""

    name = "flext-tap-ldap"
    package_name = "flext-ldap"
    config_jsonschema = th.PropertiesList(
        *CONNECTION,
        th.Property(
            "incremental",
            th.StringType,
            allowed_values=[NONE, MODIFY_TIMESTAMP, ENTRY_CSN, SYNCREPL],
            default=NONE,
            title="Incremental",
            description=(
                "How changes are found: none reads all; modify_timestamp works "
                "everywhere; entry_csn is exact on OpenLDAP; syncrepl also brings "
                "deletes (OpenLDAP, 389-DS). On Active Directory the first two "
                "mean uSNChanged and the last DirSync, all with deletes."
            ),
        ),
        th.Property(
            "full_read_streams",
            th.ArrayType(th.StringType),
            title="Streams read whole",
            description=(
                "Streams read whole on every run although incremental is set. "
                "Unset: groups, whose members some servers change without a trace."
            ),
        ),
        th.Property(
            "user_filter",
            th.StringType,
            title="User filter",
            description="Filter of the stream users; unset, by server kind.",
        ),
        th.Property(
            "group_filter",
            th.StringType,
            title="Group filter",
            description="Filter of groups and memberships; unset, by server kind.",
        ),
        th.Property(
            "custom_streams",
            th.ArrayType(_CUSTOM_STREAM),
            title="Custom streams",
            description="Streams of your own: name, base, scope, filter, attributes.",
        ),
        th.Property(
            "object_class_streams",
            th.ArrayType(th.StringType),
            title="Object class streams",
            description=(
                "Object classes that get a stream of typed columns, derived from "
                'the server\'s schema; ["*"] takes every structural class in use.'
            ),
        ),
        th.Property(
            "operational_attributes",
            th.BooleanType,
            default=False,
            title="Operational attributes",
            description="Read operational attributes into attributes, too.",
        ),
        th.Property(
            "include_passwords",
            th.BooleanType,
            default=False,
            title="Include passwords",
            description="Emit userPassword and the like, which are left out otherwise.",
        ),
    ).to_dict()

    def check_settings(self) -> list[str]:
        """Return what is wrong with connection and streams."""
        try:
            read_settings(self.config)
            stream_search.custom_streams(self.config)
            for name in stream_search.BUILT_IN:
                stream_search.built_in(name, self.config)
        except DirectoryError as error:
            return [f"{error.what} ({error.where}; {error.fix})"]
        return []

    def discover_streams(self) -> list[Stream]:
        """Return the streams; only typed ones make the server be asked."""
        wanted = self.wanted_streams()
        groups = stream_search.built_in(stream_search.GROUPS, self.config)
        custom = stream_search.custom_streams(self.config)
        streams: list[Stream] = [
            *(
                EntryStream(self, stream_search.built_in(name, self.config))
                for name in stream_search.BUILT_IN
            ),
            MembershipStream(self, stream_search.MEMBERSHIPS, groups),
            SchemaStream(self, stream_search.SCHEMA, groups),
            *(EntryStream(self, one) for one in custom if not one.has_columns),
        ]
        _check_unique([*(s.name for s in streams), *self._typed_names(custom)])
        streams = [stream for stream in streams if wanted.matches(stream.name)]
        typed = [one for one in custom if one.has_columns and wanted.matches(one.name)]
        classes = self.config.get("object_class_streams") or []
        if typed or any(c == "*" or wanted.matches(stream_name(c)) for c in classes):
            found = self._typed_streams(typed)
            streams.extend(stream for stream in found if wanted.matches(stream.name))
        return streams

    def _typed_names(self, custom: list[stream_search.StreamSearch]) -> list[str]:
        classes = self.config.get("object_class_streams") or []
        return [
            *(one.name for one in custom if one.has_columns),
            *(stream_name(name) for name in classes if name != "*"),
        ]

    def _typed_streams(self, custom: list[stream_search.StreamSearch]) -> list[Stream]:
        found = self.cached_discovery(lambda: self._discover_columns(custom))
        by_name = {search.name: search for search in custom}
        return [
            EntryStream(
                self,
                by_name.get(name) or stream_search.of_class(name, one["object_class"]),
                schema=one["schema"],
                columns=one["columns"],
            )
            for name, one in found.items()
        ]

    def _discover_columns(
        self, custom: list[stream_search.StreamSearch]
    ) -> dict[str, Any]:
        """Return schema and columns of each typed stream by its name."""
        with Session(read_settings(self.config)) as session:
            schema = read_schema(session)
            wanted = {
                search.name: ("", list(search.attributes or ())) for search in custom
            }
            for object_class in self._classes(session, schema):
                columns = _columns(schema, object_class)
                wanted[stream_name(object_class)] = (object_class, columns)
            return {
                name: {
                    "object_class": object_class,
                    "columns": columns,
                    "schema": ColumnShape(
                        session.server,
                        schema,
                        columns,
                        with_passwords=bool(self.config.get("include_passwords")),
                    ).schema,
                }
                for name, (object_class, columns) in wanted.items()
            }

    def _classes(self, session: Session, schema: Subschema) -> list[str]:
        given = [str(name) for name in self.config.get("object_class_streams") or ()]
        if "*" in given:
            return _classes_in_use(session, schema)
        for name in given:
            if schema.object_class(name) is None:
                raise DirectoryError(
                    f"the server knows no object class {name!r}",
                    where="setting object_class_streams",
                    fix="see the stream schema for the names it knows",
                )
        return given


def stream_name(object_class: str) -> str:
    """Return the stream of an object class: inetOrgPerson is inet_org_person."""
    spaced = _CAPITAL.sub("_", object_class)
    return re.sub(r"[^A-Za-z0-9]+", "_", spaced).strip("_").lower()


def _columns(schema: Subschema, object_class: str) -> list[str]:
    """Return the attributes a class and its superiors allow."""
    found: dict[str, None] = {}
    for one in schema.lineage(object_class):
        for name in (*one.must, *one.may):
            found[schema.canonical(name)] = None
    return list(found)


def _classes_in_use(session: Session, schema: Subschema) -> list[str]:
    """Return the structural classes that entries below base_dn have.

    The most special one of each entry: structuralObjectClass is OpenLDAP's own,
    so it is worked out from objectClass for every server alike.
    """
    base = session.settings.base_dn
    found: dict[str, None] = {}
    seen: set[tuple[bytes, ...]] = set()
    everything = filters.parse("(objectClass=*)")
    try:
        for _, entry in session.search(base, "sub", everything, ["objectClass"]):
            classes = tuple(sorted(v for values in entry.values() for v in values))
            if classes in seen:
                continue
            seen.add(classes)
            structural = [
                known
                for value in classes
                if (known := schema.object_class(value.decode("utf-8", "replace")))
                and known.kind == "STRUCTURAL"
            ]
            if structural:
                deepest = max(structural, key=lambda c: len(schema.lineage(c.name)))
                found[deepest.name] = None
    except LdapError as error:
        raise explain(error, session, base) from error
    return sorted(found)


def _check_unique(found: list[str]) -> None:
    twice = {name for name in found if found.count(name) > 1}
    if twice:
        raise DirectoryError(
            f"two streams are called {min(twice)!r}",
            where="settings custom_streams, object_class_streams",
            fix="give the custom stream another name",
        )


main = entry_point(TapLdap)
