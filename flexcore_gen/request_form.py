"""The request form: tap, transform and target of a pipeline, in one mapping.

It is what the integration guide posts to start a pipeline:
`{pipeline_config: {tap, target, transform}, parameters: {...}, metadata}`. Here
it becomes the pipeline of up to three steps that it stands for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flexcore_gen.loading import Value
from flexcore_gen.reading import Reader
from flexcore_gen.shapes import REQUEST

if TYPE_CHECKING:
    from pathlib import Path

    from flexcore_gen.errors import Mark, Problem

#: Step name and the key of pipeline_config that names its service.
_ROLES = (("extract", "tap"), ("transform", "transform"), ("load", "target"))


def read_request(
    value: Value, path: Path, problems: list[Problem]
) -> tuple[Value, str]:
    """The pipeline that a request stands for, and the path that messages use.

    Args:
        value: The request.
        path: Its file; a request without a name is called after it.
        problems: Receives what is wrong, and notes on what was chosen.
    """
    reader = Reader(problems)
    entries = reader.fields(value, REQUEST, "")
    config = _part(reader, entries, "pipeline_config", value.mark)
    parameters = _part(reader, entries, "parameters", value.mark)
    mark = value.mark
    name = config.get("name") or _text(_name_of(path), mark)
    model = config.get("model") or _text(name.text.replace("-", "_"), mark)
    steps: list[Value] = []
    before: list[str] = []
    for role, key in _ROLES:
        if (service := config.get(key)) is None:
            continue
        settings = _settings(role, parameters, model, is_last="target" not in config)
        steps.append(_step(role, service, before, settings))
        before = [role]
    pipeline = {"name": name, "steps": Value(steps, mark)}
    for key, place in (("schedule", config), ("metadata", entries)):
        if key in place:
            pipeline[key] = place[key]
    roles = ", ".join(role for role, key in _ROLES if key in config)
    reader.note(
        mark, f'the request became pipeline "{name.text}" with steps {roles}', ""
    )
    if "transform" in config and "model" not in config:
        reader.note(
            config["transform"].mark,
            f'the request names no model: "{model.text}" is built and loaded',
            "pipeline_config",
        )
    return Value(pipeline, mark), f"pipelines.{name.text}"


def _part(
    reader: Reader, entries: dict[str, Value], key: str, mark: Mark
) -> dict[str, Value]:
    shape = REQUEST.field(key).shape
    assert shape is not None  # noqa: S101 - both parts have one
    return reader.fields(entries.get(key, Value({}, mark)), shape, key)


def _settings(
    role: str, parameters: dict[str, Value], model: Value, *, is_last: bool
) -> dict[str, Value]:
    if role == "transform":
        return {"model": model}
    keys = {"connection": "target_connection", "batch_size": "batch_size"}
    if role == "extract":
        keys = {"connection": "source_connection", "parallel_jobs": "parallel_jobs"}
        if is_last:
            keys["batch_size"] = "batch_size"
    return {key: parameters[name] for key, name in keys.items() if name in parameters}


def _step(
    role: str, service: Value, before: list[str], settings: dict[str, Value]
) -> Value:
    mark = service.mark
    return Value(
        {
            "name": _text(role, mark),
            "service": service,
            "depends_on": Value([_text(name, mark) for name in before], mark),
            "config": Value(settings, mark),
        },
        mark,
    )


def _name_of(path: Path) -> str:
    stem = re.sub(r"-request$", "", path.stem.lower())
    return re.sub(r"[^a-z0-9]+", "-", stem).strip("-") or "pipeline"


def _text(text: str, mark: Mark) -> Value:
    return Value(text, mark, text)
