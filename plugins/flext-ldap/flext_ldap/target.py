"""`flext-target-ldap`: records into entries of a directory, by the smallest change."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from flext_singer import FlextTarget, entry_point
from singer_sdk import typing as th

from flext_ldap import write_rules
from flext_ldap.connection_settings import read_settings
from flext_ldap.dry_run import DryRunFile
from flext_ldap.entry_diff import Policy
from flext_ldap.errors import DirectoryError
from flext_ldap.passwords import Scheme
from flext_ldap.server_schema import read_schema
from flext_ldap.session import Session
from flext_ldap.settings_schema import CONNECTION
from flext_ldap.sinks import LdapSink

if TYPE_CHECKING:
    from flext_ldap.subschema import Subschema
    from flext_ldap.write_rules import WriteRules

_ANY_OBJECT = th.ObjectType(additional_properties=True)


class TargetLdap(FlextTarget):
    """Singer target for LDAP directories."""

    name = "flext-target-ldap"
    package_name = "flext-ldap"
    default_sink_class = LdapSink
    config_jsonschema = th.PropertiesList(
        *CONNECTION,
        th.Property(
            "operation",
            th.StringType,
            allowed_values=list(write_rules.OPERATIONS),
            default="upsert",
            title="Operation",
            description="What is done with each record.",
        ),
        th.Property(
            "dn_templates",
            _ANY_OBJECT,
            title="DN templates",
            description=(
                "DN by stream, `*` for any other: uid={uid},ou=people,{base_dn}. "
                "Without one, the record's own dn is taken."
            ),
        ),
        th.Property(
            "user_rdn_attribute",
            th.StringType,
            title="User RDN attribute",
            description=(
                "Names entries of the stream users that bring neither dn nor "
                "template; unset, uid."
            ),
        ),
        th.Property(
            "group_rdn_attribute",
            th.StringType,
            title="Group RDN attribute",
            description="The same for the stream groups; unset, cn.",
        ),
        th.Property(
            "object_classes",
            th.CustomType({"type": ["object", "array", "null"]}),
            title="Object classes",
            description=(
                "Classes of new entries whose record names none: a list, or lists "
                "by stream."
            ),
        ),
        th.Property(
            "default_object_classes",
            th.CustomType({"type": ["object", "array", "null"]}),
            title="Object classes",
            description="Alias of object_classes.",
        ),
        th.Property(
            "attribute_mapping",
            _ANY_OBJECT,
            title="Attribute mapping",
            description=(
                "Attribute by column, or by stream and column; null drops the column."
            ),
        ),
        th.Property(
            "unmapped_columns",
            th.StringType,
            allowed_values=["error", "ignore"],
            default="error",
            title="Unmapped columns",
            description="What is done about flat columns that are no attributes.",
        ),
        th.Property(
            "attribute_policies",
            _ANY_OBJECT,
            title="Attribute policies",
            description=(
                f"By attribute: {', '.join(Policy)}. auto makes the values exactly "
                "those wanted."
            ),
        ),
        th.Property(
            "null_values",
            th.StringType,
            allowed_values=["delete", "ignore"],
            default="delete",
            title="Null values",
            description="Whether a null or empty column deletes the attribute.",
        ),
        th.Property(
            "match_attributes",
            _ANY_OBJECT,
            title="Match attributes",
            description=(
                "By stream: the attribute by which an entry is found, such as "
                "employeeNumber. Unset, entries are found by DN."
            ),
        ),
        th.Property(
            "rename",
            th.BooleanType,
            default=True,
            title="Rename",
            description="Move an entry whose DN is not the wanted one (modify DN).",
        ),
        th.Property(
            "create_parents",
            th.BooleanType,
            default=False,
            title="Create parents",
            description="Add missing ou=, o=, l=, c= and dc= parents below base_dn.",
        ),
        th.Property(
            "placeholder_member",
            th.StringType,
            title="Placeholder member",
            description="DN for groups without members, whose class demands one.",
        ),
        th.Property(
            "password_attributes",
            th.ArrayType(th.StringType),
            title="Password attributes",
            description="Attributes that are secrets; unset, userPassword, unicodePwd.",
        ),
        th.Property(
            "password_scheme",
            th.StringType,
            allowed_values=list(Scheme),
            default=Scheme.AS_IS.value,
            title="Password scheme",
            description=(
                "What is done to plain passwords: as_is, ssha, ssha256, ssha512, or "
                "server (RFC 3062). Values with a {SCHEME} pass untouched."
            ),
        ),
        th.Property(
            "password_update",
            th.StringType,
            allowed_values=["on_create", "always"],
            default="on_create",
            title="Password update",
            description="When passwords are written.",
        ),
        th.Property(
            "on_delete",
            th.StringType,
            allowed_values=["delete", "ignore"],
            default="delete",
            title="On delete",
            description="What a record with _sdc_deleted_at does to its entry.",
        ),
        th.Property(
            "delete_missing",
            _ANY_OBJECT,
            title="Delete missing",
            description=(
                "By stream, {base_dn, filter} of the entries it owns: those that a "
                "whole version (ACTIVATE_VERSION) did not bring are deleted."
            ),
        ),
        th.Property(
            "max_delete_percent",
            th.NumberType,
            title="Deletion limit (percent)",
            description=(
                "Fail before deleting more of the stream's entries than this. Unset: "
                "10 for delete_missing, no limit for records marked as deleted."
            ),
        ),
        th.Property(
            "dry_run_path",
            th.StringType,
            title="Dry run file",
            description="Write the changes as LDIF instead of making them; no STATE.",
        ),
        th.Property(
            "pipeline_window",
            th.IntegerType,
            default=64,
            title="Pipeline window",
            description="Operations sent before their answers are in; at most 90.",
        ),
    ).to_dict()

    def check_settings(self) -> list[str]:
        """Return what is wrong with connection and rules."""
        try:
            write_rules.read_rules(self.config, read_settings(self.config))
        except DirectoryError as error:
            return [f"{error.what} ({error.where}; {error.fix})"]
        return []

    @cached_property
    def rules(self) -> WriteRules:
        """The settings that say what becomes of records."""
        return write_rules.read_rules(self.config, read_settings(self.config))

    @cached_property
    def session(self) -> Session:
        """The one connection all sinks write over."""
        return Session(read_settings(self.config))

    @cached_property
    def subschema(self) -> Subschema:
        """The server's schema, read once."""
        return read_schema(self.session)

    @cached_property
    def dry_run(self) -> DryRunFile | None:
        """The file of a dry run, if this is one."""
        path = self.rules.dry_run_path
        return DryRunFile(path, self.rules.password_attributes) if path else None

    def commit(self) -> None:
        """Nothing is left to do: `load` returns when all is acknowledged."""

    def close(self, *, failed: bool) -> None:
        """Close the connection; put a dry run's file in its place."""
        if self._is_dry_run and (not failed or "dry_run" in self.__dict__):
            file = self.dry_run
            if file is not None:
                file.finish(failed=failed)
                self.logger.info("Dry run: %d changes planned", file.operations)
        if not failed:
            for sink in self._flext_sinks:
                if isinstance(sink, LdapSink):
                    sink.log_counts()
        if "session" in self.__dict__:
            self.session.close()

    @property
    def _is_dry_run(self) -> bool:
        return bool(self.config.get("dry_run_path"))

    def _write_state(self) -> None:
        """Keep STATE back in a dry run: nothing has been moved."""
        if self._is_dry_run:
            self._waiting_state = None
            return
        super()._write_state()


main = entry_point(TargetLdap)
