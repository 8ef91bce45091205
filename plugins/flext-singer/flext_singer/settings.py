"""Settings that every tap and target understands, and how they are checked."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from singer_sdk.plugin_base import JSONSchemaValidator

from flext_singer import secrets

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from jsonschema import ValidationError

COMMON: dict[str, dict[str, Any]] = {
    "max_errors": {
        "type": ["integer", "null"],
        "minimum": 0,
        "default": 0,
        "title": "Max Errors",
        "description": "How many records may be rejected before the run fails.",
    },
    "rejects_path": {
        "type": ["string", "null"],
        "title": "Rejects Path",
        "description": "File to which each rejected record is appended as JSON.",
    },
    "request_timeout_seconds": {
        "type": ["number", "null"],
        "exclusiveMinimum": 0,
        "default": 300,
        "title": "Request Timeout Seconds",
        "description": "How long one request to the system may take.",
    },
    "max_retries": {
        "type": ["integer", "null"],
        "minimum": 0,
        "default": 5,
        "title": "Max Retries",
        "description": "How often a failed request is sent again.",
    },
}

_ENCODING = {
    "type": ["object", "null"],
    "title": "Batch Encoding",
    "properties": {
        "format": {
            "type": ["string", "null"],
            "enum": ["parquet", "arrow", "jsonl", None],
            "description": "Kind of file: parquet, arrow (IPC file) or jsonl.",
        },
        "compression": {
            "type": ["string", "null"],
            "enum": ["none", "lz4", "zstd", "gzip", None],
            "description": "lz4 or zstd for parquet and arrow, gzip for jsonl.",
        },
    },
}
BATCH: dict[str, dict[str, Any]] = {
    "batch_config": {
        "type": ["object", "null"],
        "title": "Batch Configuration",
        "description": "Move records in files (BATCH messages) instead of lines.",
        "properties": {
            "encoding": _ENCODING,
            "storage": {
                "type": ["object", "null"],
                "title": "Batch Storage",
                "properties": {
                    "root": {
                        "type": ["string", "null"],
                        "description": "Folder that both ends can read.",
                    },
                    "prefix": {
                        "type": ["string", "null"],
                        "description": "Start of each file's name.",
                    },
                },
            },
            "batch_size": {
                "type": ["integer", "null"],
                "minimum": 1,
                "description": "Most records in one file; unset, size decides.",
            },
        },
    },
}
TAP: dict[str, dict[str, Any]] = {
    "emit_activate_version_messages": {
        "type": ["boolean", "null"],
        "default": False,
        "title": "Emit `ACTIVATE_VERSION` messages",
        "description": (
            "Tell the target after a full-table stream which version is whole, so"
            " that it can drop what the source no longer has."
        ),
    },
    "catalog_cache_path": {
        "type": ["string", "null"],
        "title": "Catalog Cache Path",
        "description": "Folder in which discovery is kept between processes.",
    },
    "catalog_cache_seconds": {
        "type": ["integer", "null"],
        "minimum": 0,
        "default": 0,
        "title": "Catalog Cache Seconds",
        "description": (
            "How long a kept discovery serves later runs; within one run it"
            " always serves."
        ),
    },
}
TARGET: dict[str, dict[str, Any]] = {
    "max_buffer_bytes": {
        "type": ["integer", "null"],
        "minimum": 1,
        "default": 32 * 1024 * 1024,
        "title": "Max Buffer Bytes",
        "description": "How many bytes of records are held before they are loaded.",
    },
    "process_activate_version_messages": {
        "type": ["boolean", "null"],
        "default": True,
        "title": "Process `ACTIVATE_VERSION` messages",
        "description": "Whether to drop rows of older versions of a stream.",
    },
}


def merge_missing(
    schema: dict[str, Any], *sources: Mapping[str, dict[str, Any]]
) -> None:
    """Add to a settings schema what it does not define itself.

    Args:
        schema: JSON Schema of a plugin's settings; changed in place.
        sources: Settings by name.
    """
    properties = schema.setdefault("properties", {})
    for source in sources:
        for name, setting in source.items():
            properties.setdefault(name, setting)


def problems(
    schema: Mapping[str, Any], config: dict[str, Any], *, prefix: str
) -> list[str]:
    """Return what is wrong with the settings, one sentence per fault.

    Fills in defaults, as the SDK's validator does.

    Args:
        schema: JSON Schema of the settings.
        config: The settings; defaults are added.
        prefix: Start of the environment variables, such as `TAP_LDIF_`.
    """
    validator = JSONSchemaValidator(schema)
    found = [
        _sentence(error, schema, prefix) for error in validator.iter_errors(config)
    ]
    return [secrets.mask(sentence) for sentence in found]


def _sentence(error: ValidationError, schema: Mapping[str, Any], prefix: str) -> str:
    path = [str(part) for part in error.absolute_path]
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        names = ", ".join(f'"{".".join([*path, name])}"' for name in missing)
        variable = f"{prefix}{missing[0].upper()}" if missing and not path else ""
        searched = f" and {variable} (with --config ENV)" if variable else ""
        return f"setting {names} is missing; searched --config{searched}"
    if error.validator == "additionalProperties":
        return f"{'.'.join(path) or 'settings'}: {error.message}"
    name = f'setting "{".".join(path)}"' if path else "settings"
    if _is_secret(schema, path):
        return f"{name} breaks the rule {error.validator}: {error.validator_value!r}"
    return f"{name}: {error.message}"


def _is_secret(schema: Mapping[str, Any], path: list[str]) -> bool:
    for part in path:
        schema = schema.get("properties", {}).get(part) or schema.get("items", {})
        if schema.get("secret") or schema.get("writeOnly"):
            return True
    return False


def warn_unknown(
    schema: Mapping[str, Any], config: Mapping[str, Any], logger: logging.Logger
) -> None:
    """Log each setting that the plugin does not know, with the nearest name."""
    known = schema.get("properties", {})
    for name in config:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            logger.warning('Setting "%s" is unknown and ignored%s', name, hint)
