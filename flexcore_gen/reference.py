"""Writes docs/reference: commands, plugins, ecosystem.yaml and its schemas.

    python -m flexcore_gen.reference

A test compares the pages with what this writes, so they cannot fall behind.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flexcore_gen.cli import cli
from flexcore_gen.json_schema import KINDS, json_schema
from flexcore_gen.known_plugins import TRANSFORM, known_plugins
from flexcore_gen.shapes import DEPLOY, ECOSYSTEM, OVERLAY, PIPELINE, REQUEST, WAREHOUSE
from flexcore_gen.write import write_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flexcore_gen.known_plugins import Plugin
    from flexcore_gen.shapes import Field, Shape

#: Shapes that have a table of their own.
_OWN_TABLE = (WAREHOUSE, PIPELINE, DEPLOY)
_HEADER = "<!-- Written by `python -m flexcore_gen.reference`; do not edit. -->\n"


def reference_pages() -> dict[str, str]:
    """The pages by path below docs/reference."""
    pages = {
        "commands.md": _page("Commands", _commands()),
        "plugins.md": _page("Plugins and their settings", _plugins()),
        "ecosystem.md": _page("ecosystem.yaml, pipelines/ and config/", _ecosystem()),
    }
    for kind in KINDS:
        schema = json.dumps(json_schema(kind), indent=2)
        pages[f"{kind}.schema.json"] = f"{schema}\n"
    return pages


def _page(title: str, lines: Iterator[str]) -> str:
    return "\n".join([_HEADER, f"# {title}", "", *lines]).rstrip() + "\n"


def _commands() -> Iterator[str]:
    yield "Exit codes: 0 fine, 1 differences or findings, 2 bad usage or bad input,"
    yield "3 could not write, 130 interrupted. Answers go to stdout, everything said"
    yield "about them to stderr."
    context = click.Context(cli, info_name="flexcore-gen")
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        if command is not None:
            yield from _command(command, context, name)


def _command(command: click.Command, parent: click.Context, name: str) -> Iterator[str]:
    context = click.Context(
        command, info_name=name, parent=parent, terminal_width=80, max_content_width=80
    )
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            subcommand = command.get_command(context, child)
            if subcommand is not None:
                yield from _command(subcommand, context, child)
        return
    text = command.get_help(context).rstrip()
    yield from ("", f"## {context.command_path}", "", "```text", text, "```")


def _plugins() -> Iterator[str]:
    known = known_plugins()
    yield "The settings of a connection are those of its system's tap and target; a"
    yield "step may give any of its plugin's settings in `config`. Secrets are written"
    yield "as `${NAME}`."
    for name in known.names:
        plugin = known[name]
        yield from ("", f"## {plugin.name}", "", plugin.description)
        if plugin.kind != TRANSFORM:
            yield from _settings(plugin)


def _settings(plugin: Plugin) -> Iterator[str]:
    if plugin.streams:
        yield from ("", f"Streams: {', '.join(f'`{s}`' for s in plugin.streams)}.")
    if plugin.required:
        groups = " or ".join(
            ", ".join(f"`{name}`" for name in group) for group in plugin.required
        )
        yield from ("", f"Needs {groups}.")
    yield from ("", "| setting | kind | what it does |", "| --- | --- | --- |")
    for setting in plugin.settings.values():
        kind = "secret" if setting.is_sensitive else setting.kind
        text = setting.description
        if setting.options:
            text += f" One of {', '.join(f'`{o}`' for o in setting.options)}."
        if setting.aliases:
            text += f" Also {', '.join(f'`{a}`' for a in setting.aliases)}."
        yield f"| `{setting.name}` | {kind} | {_cell(text)} |"


def _ecosystem() -> Iterator[str]:
    yield "Unknown keys are errors. Texts may hold `${NAME}`, a variable that Meltano"
    yield "reads when it runs; any other `$` is refused. `{{ name }}` stands for what a"
    yield "`foreach` beside it gives."
    for title, shape in (
        ("ecosystem.yaml", ECOSYSTEM),
        ("warehouse", WAREHOUSE),
        ("deploy", DEPLOY),
        ("pipelines/*.yaml: pipeline", PIPELINE),
        ("pipelines/*.yaml: the request form", REQUEST),
        ("config/<environment>.yaml", OVERLAY),
    ):
        yield from ("", f"## {title}", "", shape.description)
        yield from ("", "| key | value | what it is |", "| --- | --- | --- |")
        yield from _rows(shape, "")


def _rows(shape: Shape, prefix: str) -> Iterator[str]:
    for field in shape.fields:
        name = f"{prefix}{field.name}"
        need = " **needed**" if field.required else ""
        yield f"| `{name}` | {_value(field)}{need} | {_cell(field.description)} |"
        if field.shape is None or field.shape in _OWN_TABLE:
            continue
        inner = {"shapes": f"{name}[].", "named": f"{name}.*."}
        yield from _rows(field.shape, inner.get(field.kind, f"{name}."))


def _value(field: Field) -> str:
    if field.choices:
        return ", ".join(f"`{choice}`" for choice in field.choices)
    return {
        "texts": "texts",
        "names": "names",
        "shape": "mapping",
        "shapes": "list",
        "named": "mapping by name",
        "any": "see the text",
    }.get(field.kind, field.kind)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Writes every page."""
    root = Path(__file__).resolve().parent.parent
    for path, text in reference_pages().items():
        write_file(root, f"docs/reference/{path}", text.encode())


if __name__ == "__main__":
    main()
