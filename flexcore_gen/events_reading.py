"""Reads `events`: the store, who is told, and where events are exported to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flexcore_gen.shapes import EVENTS, EXPORTER, HANDLER, QUALITY_RULE

if TYPE_CHECKING:
    from flexcore_gen.loading import Plain, Value
    from flexcore_gen.reading import Reader
    from flexcore_gen.shapes import Field, Shape

_MAX_PORT = 65_535
_NEEDED = {
    "webhook": ("url",),
    "email": ("host", "from", "to"),
    "quality": (),
    "audit_log": (),
    "openlineage": (),
    "otlp": (),
}
_SHARED = ("name", "type", "events", "pipelines", "timeout_seconds", "attempts")
_OWN = {
    "webhook": ("url", "secret", "insecure_plain_text"),
    "email": (
        "host",
        "port",
        "security",
        "username",
        "password",
        "from",
        "to",
        "ca_file",
        "insecure_plain_text",
    ),
    "quality": ("streams", "dbt_warnings"),
    "audit_log": ("path", "syslog"),
    "openlineage": ("url", "path", "namespace", "api_key", "insecure_plain_text"),
    "otlp": ("url", "insecure_plain_text"),
}


def read_events(value: Value | None, path: str, reader: Reader) -> dict[str, Plain]:
    """The events as they are rendered: store, handlers, exporters."""
    if value is None:
        return {}
    entries = reader.fields(value, EVENTS, path)
    for key, shape in (("handlers", HANDLER), ("exporters", EXPORTER)):
        if key in entries:
            for index, item in enumerate(reader.items(entries[key], f"{path}.{key}")):
                _check(item, shape, f"{path}.{key}[{index}]", reader)
    return {
        key: reader.anything(item, f"{path}.{key}") for key, item in entries.items()
    }


def _check(item: Value, shape: Shape, path: str, reader: Reader) -> None:
    entries = reader.fields(item, shape, path)
    if "type" not in entries:
        return
    choices = shape.field("type").choices
    kind = reader.choice(entries["type"], choices, f"{path}.type")
    if kind is None:
        return
    for key, found in entries.items():
        if key in (*_SHARED, *_OWN[kind]):
            _check_value(shape.field(key), found, f"{path}.{key}", reader)
        else:
            reader.error(
                item.key_marks.get(key, found.mark),
                f'a handler or exporter of type {kind} has no "{key}"',
                f"allowed: {', '.join(sorted((*_SHARED, *_OWN[kind])))}",
                f"{path}.{key}",
            )
    for key in _NEEDED[kind]:
        if key not in entries:
            reader.error(
                item.mark,
                f'a handler of type {kind} has no "{key}"',
                f"add `{key}:`",
                path,
            )


def _check_value(field: Field, found: Value, path: str, reader: Reader) -> None:
    if field.choices and field.kind == "texts":
        reader.choices(found, field, path)
    elif field.choices:
        reader.choice(found, field.choices, path)
    elif field.kind == "integer":
        reader.integer(found, path, 1, _MAX_PORT)
    elif field.kind == "texts":
        reader.texts(found, path)
    elif field.name == "streams":
        for stream, rules in (reader.mapping(found, path) or {}).items():
            where = f"{path}.{stream}"
            for rule, number in reader.fields(rules, QUALITY_RULE, where).items():
                reader.integer(number, f"{where}.{rule}")
