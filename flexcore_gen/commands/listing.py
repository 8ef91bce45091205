"""`flexcore-gen list plugins`: the ten plugins, the warehouse and the packages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flexcore_gen import report
from flexcore_gen.errors import FlexCoreError, suggest
from flexcore_gen.known_plugins import known_plugins
from flexcore_gen.sources import find_root

if TYPE_CHECKING:
    from flexcore_gen.known_plugins import Plugin


@click.group("list")
def list_group() -> None:
    """List plugins and their settings."""


@list_group.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Answer for machines.")
def plugins(name: str | None, *, as_json: bool) -> int:
    """List the plugins, or one with its settings.

    NAME is a plugin, or a system for the plugins of it.
    """
    known = known_plugins(find_root(Path.cwd()))
    chosen = [known[plugin] for plugin in known.names]
    if name:
        chosen = [p for p in chosen if name in (p.name, p.system)]
        if not chosen:
            raise FlexCoreError(
                f'no plugin or system is called "{name}"',
                fix=suggest(name, {*known.names, *known.systems}),
            )
    if as_json:
        report.answer_json([_as_data(plugin) for plugin in chosen])
        return 0
    if not name:
        for line in report.table([(p.name, p.description) for p in chosen]):
            report.answer(line)
        return 0
    for plugin in chosen:
        report.answer(f"{plugin.name}: {plugin.description}")
        rows = [
            (f"  {s.name}", "secret" if s.is_sensitive else s.kind, s.description)
            for s in plugin.settings.values()
        ]
        for line in report.table(rows):
            report.answer(line)
    return 0


def _as_data(plugin: Plugin) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "kind": plugin.kind,
        "system": plugin.system,
        "description": plugin.description,
        "streams": list(plugin.streams),
        "settings": [
            {
                "name": setting.name,
                "kind": setting.kind,
                "sensitive": setting.is_sensitive,
                "aliases": list(setting.aliases),
                "options": list(setting.options),
                "description": setting.description,
            }
            for setting in plugin.settings.values()
        ],
    }
