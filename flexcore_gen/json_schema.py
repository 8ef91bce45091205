"""The JSON Schemas of ecosystem.yaml, pipelines/*.yaml and config/*.yaml.

Made from the shapes that reading uses. Plugin settings and seed forms are left
open: `flexcore-gen validate` checks them with more to say.
"""

from __future__ import annotations

from typing import Any

from flexcore_gen.shapes import (
    ECOSYSTEM,
    IDENTIFIER_MAX,
    IDENTIFIER_PATTERN,
    NAME_MAX,
    NAME_PATTERN,
    OVERLAY,
    PIPELINE,
    REQUEST,
    Field,
    Shape,
)

KINDS = ("ecosystem", "pipeline", "overlay")
_NAME = {"type": "string", "pattern": NAME_PATTERN, "maxLength": NAME_MAX}
_IDENTIFIER = {
    "type": "string",
    "pattern": IDENTIFIER_PATTERN,
    "maxLength": IDENTIFIER_MAX,
}
_SCALAR = {"type": ["string", "number", "boolean", "null"]}
#: What a `foreach` may replace, so patterns cannot hold before it is stamped.
_PLACE = {"type": "string", "pattern": r"\{\{"}


def json_schema(kind: str) -> dict[str, Any]:
    """The schema of one kind of file: ecosystem, pipeline or overlay."""
    if kind == "ecosystem":
        body = _shape(ECOSYSTEM)
    elif kind == "overlay":
        body = _shape(OVERLAY, is_partial=True)
    else:
        body = {
            "oneOf": [
                {
                    "type": "object",
                    "required": ["pipeline"],
                    "additionalProperties": False,
                    "properties": {"pipeline": _shape(PIPELINE), "foreach": {}},
                },
                _shape(REQUEST),
            ]
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"FlexCore {kind}",
        **body,
    }


def _shape(shape: Shape, *, is_partial: bool = False) -> dict[str, Any]:
    """The schema of a shape; a partial one, merged over another, requires nothing."""
    schema: dict[str, Any] = {
        "type": "object",
        "description": shape.description,
        "properties": {
            field.name: _field(field, is_partial=is_partial) for field in shape.fields
        },
    }
    required = [field.name for field in shape.fields if field.required]
    if required and not is_partial:
        schema["required"] = required
    if not shape.is_open:
        schema["additionalProperties"] = False
    return schema


def _field(field: Field, *, is_partial: bool) -> dict[str, Any]:
    return {"description": field.description, **_kind(field, is_partial=is_partial)}


def _kind(field: Field, *, is_partial: bool) -> dict[str, Any]:
    text: dict[str, Any] = {"type": ["string", "number"]}
    if field.choices:
        text = {"type": "string", "enum": list(field.choices)}
    kinds: dict[str, dict[str, Any]] = {
        "text": text,
        "texts": _one_or_list(text),
        "name": {"anyOf": [_NAME, _PLACE]},
        "names": _one_or_list({"anyOf": [_NAME, _PLACE]}),
        "identifier": {"anyOf": [_IDENTIFIER, _PLACE]},
        "identifiers": _one_or_list({"anyOf": [_IDENTIFIER, _PLACE]}),
        "integer": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        "boolean": {"type": "boolean"},
        "mapping": {"type": "object", "additionalProperties": _SCALAR},
        "any": {},
    }
    if field.kind in kinds:
        return kinds[field.kind]
    assert field.shape is not None  # noqa: S101 - the other kinds have one
    shape = _shape(field.shape, is_partial=is_partial)
    if field.kind == "shapes":
        return {"type": "array", "items": shape}
    if field.kind == "named":
        return {"type": "object", "additionalProperties": shape}
    return shape


def _one_or_list(item: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [item, {"type": "array", "items": item}]}
