"""Reads the warehouse: DuckDB, Postgres or Oracle, each with its own keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flexcore_gen.loading import Value
from flexcore_gen.model import Warehouse
from flexcore_gen.reading import REFERENCE, SECRET_STORE
from flexcore_gen.shapes import WAREHOUSE
from flexcore_gen.sources import merge

if TYPE_CHECKING:
    from flexcore_gen.errors import Mark
    from flexcore_gen.loading import Plain
    from flexcore_gen.reading import Reader

DEFAULT_PATH = "data/warehouse.duckdb"
_NEEDED = {
    "duckdb": ("path",),
    "postgres": ("host", "database", "username", "password"),
    "oracle": ("host", "service_name", "username", "password"),
}
_OPTIONAL = {"duckdb": (), "postgres": ("port",), "oracle": ("port",)}
_MAX_PORT = 65_535
_PASSWORD = "WAREHOUSE_PASSWORD"  # noqa: S105 - the name of a variable


def read_warehouse(value: Value | None, mark: Mark, reader: Reader) -> Warehouse:
    """The warehouse; a DuckDB file in data/ if none is given."""
    if value is None:
        return Warehouse("duckdb", {"path": DEFAULT_PATH}, mark)
    entries = reader.fields(value, WAREHOUSE, "warehouse")
    system = "duckdb"
    if "system" in entries:
        choices = WAREHOUSE.field("system").choices
        chosen = reader.choice(entries["system"], choices, "warehouse.system")
        system = chosen or system
    allowed = (*_NEEDED[system], *_OPTIONAL[system])
    settings: dict[str, Plain] = {}
    secrets: dict[str, str] = {}
    for key, item in entries.items():
        if key in {"system", "schema"}:
            continue
        if key not in allowed:
            reader.error(
                value.key_marks.get(key, item.mark),
                f'a {system} warehouse has no "{key}"',
                f"allowed: {', '.join(sorted((*allowed, 'schema', 'system')))}",
                f"warehouse.{key}",
            )
            continue
        settings[key] = _setting(key, item, reader)
        if key == "password" and SECRET_STORE.match(item.text):
            secrets[_PASSWORD] = item.text
            settings[key] = f"${{{_PASSWORD}}}"
    if system == "duckdb":
        settings.setdefault("path", DEFAULT_PATH)
    _check_complete(system, settings, value, reader)
    schema = None
    if "schema" in entries:
        schema = reader.identifier(entries["schema"], "warehouse.schema")
    return Warehouse(system, settings, value.mark, schema or "analytics", secrets)


def _check_complete(
    system: str, settings: dict[str, Plain], value: Value, reader: Reader
) -> None:
    for key in _NEEDED[system]:
        if key not in settings:
            reader.error(
                value.mark,
                f'a {system} warehouse needs "{key}"',
                f"add `{key}:`" + (" as ${NAME}" if key == "password" else ""),
                "warehouse",
            )


def _setting(key: str, item: Value, reader: Reader) -> Plain:
    path = f"warehouse.{key}"
    if key == "password":
        return reader.secret(key, item, path)
    if key == "port" and not REFERENCE.fullmatch(item.text):
        return reader.integer(item, path, 1, _MAX_PORT)
    reader.check_no_secret(key, item, path)
    return reader.text(item, path)


def merged_warehouse(base: Value | None, overlay: Value) -> Value:
    """The overlay's warehouse; over the base unless it names another system."""
    if (
        base is not None
        and isinstance(base.data, dict)
        and isinstance(overlay.data, dict)
    ):
        now, before = overlay.data.get("system"), base.data.get("system")
        if not (now and before and now.data != before.data):
            return merge(base, overlay)
        if "schema" in base.data:
            # Another system's place, but the same schema for the models.
            kept = Value({"schema": base.data["schema"]}, base.mark)
            return merge(kept, overlay)
    return overlay
