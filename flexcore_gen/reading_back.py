"""How a load reads the warehouse: settings of its tap, and the keys that it needs.

Pure functions of a step. dbt models have no primary key that a tap could find, so a
load that merges them by key has to say which fields those are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flexcore_gen.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flexcore_gen.known_plugins import Plugin
    from flexcore_gen.loading import Plain
    from flexcore_gen.model import Ecosystem, Environment, Pipeline, Step


def from_warehouse(step: Step, tables: list[tuple[str, str]]) -> dict[str, Plain]:
    """Settings of flext-tap-warehouse that read these (schema, table) back."""
    schemas = {schema for schema, _ in tables}
    entries: list[Plain] = []
    for schema, table in tables:
        entry: dict[str, Plain] = {"table": table}
        if len(schemas) > 1:
            entry["schema"] = schema
        entry.update(_options(step))
        entries.append(table if len(entry) == 1 else entry)
    found: dict[str, Plain] = {"tables": entries}
    if len(schemas) == 1:
        found["schema"] = next(iter(schemas))
    return found


def from_oracle(step: Step, tables: list[tuple[str, str]]) -> dict[str, Plain]:
    """Settings of flext-tap-oracle that read these (schema, table) back.

    Other names and keys are more than its filters can say: queries can.
    """
    if not _options(step):
        schemas: list[Plain] = list(dict.fromkeys(schema for schema, _ in tables))
        return {
            "schemas_filter": schemas,
            "tables_filter": [table for _, table in tables],
        }
    columns = ", ".join(
        f"{_quoted(column)} AS {_quoted(str(name))}"
        for column, name in step.fields.items()
    )
    queries: list[Plain] = []
    for schema, table in tables:
        place = f"{_quoted(schema)}.{_quoted(table)}"
        query: dict[str, Plain] = {
            "name": step.stream or table,
            "sql": f"SELECT {columns or '*'} FROM {place}",  # noqa: S608 - own names
        }
        if step.key_properties:
            query["key_properties"] = list(step.key_properties)
        queries.append(query)
    return {"queries": queries}


def _options(step: Step) -> dict[str, Plain]:
    """What a load says about the streams that it receives."""
    found: dict[str, Plain] = {}
    if step.stream:
        found["stream"] = step.stream
    if step.fields:
        found["fields"] = dict(step.fields)
    if step.key_properties:
        found["key_properties"] = list(step.key_properties)
    return found


def _quoted(name: str) -> str:
    """A name of Oracle's: upper case, unless its own case carries meaning."""
    return f'"{name.upper() if name == name.lower() else name}"'


def missing_keys(
    ecosystem: Ecosystem, pipeline: Pipeline, step: Step, plugin: Plugin
) -> Iterator[Problem]:
    """What is wrong with the keys of a load of models."""
    path = f"pipelines.{pipeline.name}.{step.name}"
    needs_keys = plugin.upserts_by_key and not step.key_properties
    if needs_keys and (upserting := _upserting(ecosystem, pipeline, step)):
        where = f", in {', '.join(upserting)}" if all(upserting) else ""
        yield Problem(
            step.mark,
            f'step "{step.name}" merges a model by its key{where}, but does not '
            "say which fields that is",
            "add `key_properties: [...]` to its config, or `load_method: "
            "overwrite` (replace all rows) or `append-only` (add to them)",
            path,
        )
    names = {str(name) for name in step.fields.values()}
    for key in step.key_properties:
        if names and key not in names:
            yield Problem(
                step.mark,
                f'key "{key}" of step "{step.name}" is none of its fields',
                f"name one of {', '.join(sorted(names))}, or add it to `fields`",
                path,
            )


def _upserting(ecosystem: Ecosystem, pipeline: Pipeline, step: Step) -> list[str]:
    """The environments in which a load upserts; an empty name for all of them."""

    def upserts(environment: Environment | None) -> bool:
        changed: Mapping[str, Plain] = {}
        defaults = ecosystem.defaults
        if environment is not None:
            changed = environment.steps.get((pipeline.name, step.name), {})
            if environment.defaults is not None:
                defaults = environment.defaults
        connection = (
            ecosystem.connection_in(step.connection, environment).settings
            if step.connection
            else {}
        )
        given = (
            settings["load_method"]
            for settings in (changed, step.settings, connection, defaults)
            if settings.get("load_method")
        )
        return next(given, "upsert") == "upsert"

    if upserts(None):
        return [""]
    return [e.name for e in ecosystem.environments if upserts(e)]
