"""The target's settings, read and checked: what records become, and how far.

Everything that is decided per stream or per attribute is looked up here, so a
fault in the settings is one message before the first record.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flext_ldap import filters
from flext_ldap.dn import DnError, normalise
from flext_ldap.dn_template import DnTemplate
from flext_ldap.entry_diff import Policy
from flext_ldap.errors import DirectoryError
from flext_ldap.passwords import Scheme
from flext_ldap.pipeline import DEFAULT_WINDOW, MAX_WINDOW
from flext_ldap.read_plan import Search
from flext_ldap.server_kind import ServerKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flext_ldap.connection_settings import ConnectionSettings

OPERATIONS = ("upsert", "create", "update", "delete")
ANY_STREAM = "*"
#: Share of entries a full compare may delete where the settings do not say.
DEFAULT_MAX_DELETE_PERCENT = 10

_GENERAL_CLASSES = {
    "users": ["inetOrgPerson"],
    "groups": ["groupOfNames"],
    "organizational_units": ["organizationalUnit"],
}
_ACTIVE_DIRECTORY_CLASSES = {
    "users": ["user"],
    "groups": ["group"],
    "organizational_units": ["organizationalUnit"],
}
_RDN_SETTINGS = {
    "users": ("user_rdn_attribute", "uid"),
    "groups": ("group_rdn_attribute", "cn"),
    "organizational_units": ("", "ou"),
}


@dataclass(frozen=True)
class WriteRules:
    """What the target does with the records of any stream."""

    operation: str
    base_dn: str
    templates: dict[str, DnTemplate]
    object_classes: dict[str, list[str]]
    mappings: dict[str, dict[str, str | None]]
    policies: dict[str, Policy]
    match_attributes: dict[str, str]
    compares: dict[str, Search]
    password_attributes: frozenset[str]
    password_scheme: Scheme
    updates_passwords: bool
    deletes_nulls: bool
    ignores_unmapped: bool
    renames: bool
    creates_parents: bool
    placeholder_member: str | None
    deletes_marked: bool
    max_delete_percent: float | None
    dry_run_path: str | None
    window: int
    rdn_templates: dict[str, DnTemplate] = field(default_factory=dict)

    def template(self, stream: str) -> DnTemplate | None:
        """Return the template set for a stream, if one is."""
        return self.templates.get(stream) or self.templates.get(ANY_STREAM)

    def mapping(self, stream: str) -> dict[str, str | None]:
        """Return column to attribute; None drops the column."""
        return {**self.mappings.get(ANY_STREAM, {}), **self.mappings.get(stream, {})}

    def classes(self, stream: str, kind: ServerKind) -> list[str]:
        """Return the classes of a new entry whose record names none."""
        given = self.object_classes.get(stream) or self.object_classes.get(ANY_STREAM)
        if given:
            return given
        if kind is ServerKind.ACTIVE_DIRECTORY:
            return _ACTIVE_DIRECTORY_CLASSES.get(stream, [])
        return _GENERAL_CLASSES.get(stream, [])

    def match_attribute(self, stream: str) -> str | None:
        """Return the attribute by which entries are found, None for the DN."""
        return self.match_attributes.get(stream) or self.match_attributes.get(
            ANY_STREAM
        )

    def policy(self, attribute: str) -> Policy:
        """Return what old values of an attribute are worth."""
        return self.policies.get(attribute.partition(";")[0].lower(), Policy.AUTO)

    def delete_limit(self, *, is_compare: bool) -> float | None:
        """Return the share in percent that may be deleted; None for no limit."""
        if self.max_delete_percent is None and is_compare:
            return DEFAULT_MAX_DELETE_PERCENT
        return self.max_delete_percent


def read_rules(config: Mapping[str, Any], connection: ConnectionSettings) -> WriteRules:
    """Return the rules of a configuration.

    Raises:
        DirectoryError: The first setting at fault.
    """
    base_dn = connection.base_dn
    operation = str(config.get("operation") or "upsert")
    if operation not in OPERATIONS:
        raise _bad("operation", f"is {operation!r}", f"use {', '.join(OPERATIONS)}")
    password_attributes = config.get("password_attributes")
    if password_attributes is None:
        password_attributes = ["userPassword", "unicodePwd"]
    percent = config.get("max_delete_percent")
    if percent is not None and not 0 <= percent <= 100:  # noqa: PLR2004 (percent)
        raise _bad("max_delete_percent", f"is {percent}", "use 0 to 100")
    window = int(config.get("pipeline_window") or DEFAULT_WINDOW)
    if not 1 <= window <= MAX_WINDOW:
        raise _bad("pipeline_window", f"is {window}", f"use 1 to {MAX_WINDOW}")
    scheme = _choice(config, "password_scheme", Scheme, Scheme.AS_IS)
    return WriteRules(
        operation=operation,
        base_dn=base_dn,
        templates=_templates(config, base_dn),
        object_classes=_by_stream(config, "object_classes", "default_object_classes"),
        mappings=_mappings(config),
        policies=_policies(config),
        match_attributes=dict(config.get("match_attributes") or {}),
        compares=_compares(config, base_dn),
        password_attributes=frozenset(str(n).lower() for n in password_attributes),
        password_scheme=scheme,
        updates_passwords=config.get("password_update") == "always",
        deletes_nulls=(config.get("null_values") or "delete") == "delete",
        ignores_unmapped=config.get("unmapped_columns") == "ignore",
        renames=config.get("rename") is not False,
        creates_parents=bool(config.get("create_parents")),
        placeholder_member=_placeholder(config),
        deletes_marked=(config.get("on_delete") or "delete") == "delete",
        max_delete_percent=float(percent) if percent is not None else None,
        dry_run_path=config.get("dry_run_path") or None,
        window=window,
        rdn_templates=_rdn_templates(config, base_dn),
    )


def _templates(config: Mapping[str, Any], base_dn: str) -> dict[str, DnTemplate]:
    given = config.get("dn_templates") or {}
    return {
        stream: DnTemplate(str(text), base_dn, f"setting dn_templates.{stream}")
        for stream, text in given.items()
    }


def _rdn_templates(config: Mapping[str, Any], base_dn: str) -> dict[str, DnTemplate]:
    """Return what makes a DN when neither record nor dn_templates do."""
    if not base_dn:
        return {}
    found = {}
    for stream, (setting, default) in _RDN_SETTINGS.items():
        attribute = str(config.get(setting) or default)
        text = f"{attribute}={{{attribute}}},{{base_dn}}"
        found[stream] = DnTemplate(text, base_dn, f"setting {setting}")
    return found


def _by_stream(
    config: Mapping[str, Any], name: str, older_name: str
) -> dict[str, list[str]]:
    given = config.get(name) or config.get(older_name) or {}
    if isinstance(given, list):
        given = {ANY_STREAM: given}
    return {
        stream: [str(value) for value in values] for stream, values in given.items()
    }


def _mappings(config: Mapping[str, Any]) -> dict[str, dict[str, str | None]]:
    """Return mappings by stream; `{column: attribute}` goes for all streams."""
    found: dict[str, dict[str, str | None]] = {}
    for name, value in (config.get("attribute_mapping") or {}).items():
        if isinstance(value, dict):
            found.setdefault(name, {}).update(value)
        else:
            found.setdefault(ANY_STREAM, {})[name] = value
    return found


def _policies(config: Mapping[str, Any]) -> dict[str, Policy]:
    found = {}
    for name, value in (config.get("attribute_policies") or {}).items():
        try:
            found[str(name).lower()] = Policy(value)
        except ValueError:
            raise _bad(
                f"attribute_policies.{name}",
                f"is {value!r}",
                f"use {', '.join(Policy)}",
            ) from None
    return found


def _compares(config: Mapping[str, Any], base_dn: str) -> dict[str, Search]:
    found = {}
    for stream, given in (config.get("delete_missing") or {}).items():
        text = given.get("filter") if isinstance(given, dict) else None
        if not text:
            raise _bad(
                f"delete_missing.{stream}",
                "has no filter",
                "say which entries the stream owns: {base_dn: ou=people,…, "
                "filter: (objectClass=inetOrgPerson)}",
            )
        try:
            wire_filter = filters.parse(text)
        except filters.FilterError as error:
            raise _bad(
                f"delete_missing.{stream}.filter", str(error), "see RFC 4515"
            ) from error
        found[stream] = Search(given.get("base_dn") or base_dn, "sub", wire_filter)
    return found


def _placeholder(config: Mapping[str, Any]) -> str | None:
    given = config.get("placeholder_member")
    if given is None:
        return None
    try:
        normalise(str(given))
    except DnError as error:
        raise _bad("placeholder_member", f"is no DN: {error}", "give a DN") from error
    return str(given)


def _choice(
    config: Mapping[str, Any], name: str, kind: type[Scheme], default: Scheme
) -> Scheme:
    value = config.get(name)
    try:
        return kind(value) if value else default
    except ValueError:
        raise _bad(name, f"is {value!r}", f"use {', '.join(kind)}") from None


def _bad(setting: str, what: str, fix: str) -> DirectoryError:
    return DirectoryError(f"{setting} {what}", where=f"setting {setting}", fix=fix)
