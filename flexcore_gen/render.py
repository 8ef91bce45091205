r"""Turns planned files into bytes. It opens nothing but what we ship.

Same input, same bytes: no times, no random names, `\n` endings. Structured
files are dumped from data, so no value can change their structure; text comes
from templates with square-bracket delimiters, where undefined names are errors.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml

from flexcore_gen.errors import FlexCoreError
from flexcore_gen.plan import GENERATED, PlannedFile
from flexcore_gen.resources import resource_root

if TYPE_CHECKING:
    import jinja2

    from flexcore_gen.errors import Mark

_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_COMMENTS = {
    ".yml": ("# ", ""),
    ".yaml": ("# ", ""),
    # dbt's comment, not SQL's: a model that begins with a trimming tag would draw
    # its first line up into a comment of SQL.
    ".sql": ("{# ", " #}"),
    ".md": ("<!-- ", " -->"),
    ".py": ("# ", ""),
    ".toml": ("# ", ""),
}


class _Dumper(_DUMPER):  # type: ignore[misc,valid-type] # C or Python, by machine
    """Writes equal objects out instead of making anchors of them."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002, ANN401 - PyYAML's own
        return True


def _text_node(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """Several lines as a block, as a person would write them."""
    style = "|" if "\n" in text and not text.endswith("\n\n") else None
    node: yaml.ScalarNode = dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style=style
    )
    return node


_Dumper.add_representer(str, _text_node)


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """A file's bytes with what was planned about it."""

    path: str
    owner: str
    content: bytes
    template: str
    sources: tuple[Mark, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return hashlib.sha256(self.content).hexdigest()


def render(file: PlannedFile, source: str) -> RenderedFile:
    """Renders one file.

    Args:
        file: What was planned.
        source: The name of the input that the first line gives.

    Raises:
        FlexCoreError: A template is broken or a shipped file is unreadable.
    """
    if file.template is not None:
        template = file.template
        body = _text(file)
    elif file.copy_of is not None:
        template = f"copy of {file.copy_of.name}"
        body = _copied(file)
    else:
        template = "data"
        body = _dumped(file)
    header = _header(file, source) if file.template is None else ""
    content = (header + body).replace("\r\n", "\n").encode("utf-8")
    return RenderedFile(file.path, file.owner, content, template, file.sources)


def dump_yaml(data: Any) -> str:  # noqa: ANN401 - any plain data
    """Plain data as YAML in insertion order, without anchors."""
    text: str = yaml.dump(
        data,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=100,
    )
    return text


def _dumped(file: PlannedFile) -> str:
    if file.path.endswith(".json"):
        return json.dumps(file.data, indent=2, ensure_ascii=False) + "\n"
    return dump_yaml(file.data)


def _header(file: PlannedFile, source: str) -> str:
    suffix = f".{file.path.rsplit('.', 1)[-1]}"
    if suffix not in _COMMENTS:
        return ""
    start, end = _COMMENTS[suffix]
    if file.owner == GENERATED:
        text = (
            f"Written by flexcore-gen from {source}; do not edit. "
            "To own it, add its path to `owned` there."
        )
    else:
        text = f"Written once by flexcore-gen from {source}; it is yours now."
    return f"{start}{text}{end}\n"


def _copied(file: PlannedFile) -> str:
    assert file.copy_of is not None  # noqa: S101 - asked by render
    try:
        return file.copy_of.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FlexCoreError(
            f"cannot read {file.copy_of}: {error}",
            fix="install the package again: `uv pip install --reinstall flexcore`",
        ) from error


def _text(file: PlannedFile) -> str:
    import jinja2  # noqa: PLC0415 - 60 ms that most commands do not need

    try:
        template = _environment().get_template(file.template or "")
        return template.render(**file.context)
    except jinja2.TemplateError as error:
        raise FlexCoreError(
            f"template {file.template} is broken: {error}", where=file.path
        ) from error


@cache
def _environment() -> jinja2.Environment:
    """Templates with square brackets: dbt and others need the curly ones."""
    import jinja2  # noqa: PLC0415 - 60 ms that most commands do not need

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(resource_root("templates")),
        undefined=jinja2.StrictUndefined,
        variable_start_string="[=",
        variable_end_string="=]",
        block_start_string="[%",
        block_end_string="%]",
        comment_start_string="[#",
        comment_end_string="#]",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - the outputs are not HTML
    )
