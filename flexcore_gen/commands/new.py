"""`flexcore-gen new plugin`: a tap or target of your own on flext-singer."""

from __future__ import annotations

import keyword
import re
import sys
from pathlib import Path

import click

from flexcore_gen import report
from flexcore_gen.errors import FlexCoreError
from flexcore_gen.known_plugins import TAP, TARGET, known_plugins
from flexcore_gen.scaffold import check_empty, new_folder, render_scaffold
from flexcore_gen.shapes import NAME_MAX, NAME_PATTERN
from flexcore_gen.sources import find_root

_TEMPLATE = "new_plugin"
#: Our own packages; one of the same name would stand in their way.
_OURS = frozenset(
    f"flext-{name}"
    for name in [
        "ldap",
        "ldif",
        "oracle",
        "oracle-oic",
        "oracle-wms",
        "singer",
        "warehouse",
    ]
)


@click.group()
def new() -> None:
    """Make a plugin of your own."""


@new.command()
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(["tap", "target", "both"]),
    default="both",
    help="What the plugin is.  [default: both]",
)
@click.option("--title", help="The system's name for people; else NAME's words.")
def plugin(name: str, kind: str, title: str | None) -> int:
    """Make the plugin package plugins/NAME.

    What stands there is a tap of JSON Lines files and a target of SQLite tables
    that pass the SDK's and the conformance suite: replace the few lines that read
    or write by those of your system. Pipelines name it as `tap-NAME` and
    `target-NAME`.
    """
    if not re.match(NAME_PATTERN, name) or len(name) > NAME_MAX or name[0].isdigit():
        raise FlexCoreError(
            f'"{name}" cannot be the name of a plugin',
            fix="use lower-case letters and digits joined by single hyphens: "
            "`flexcore-gen new plugin acme-crm`",
        )
    folder = find_root(Path.cwd()) or Path.cwd()
    taken = known_plugins(folder)
    if name in taken.systems or name in _OURS:
        raise FlexCoreError(
            f'there is a plugin for "{name}" already', fix="choose another name"
        )
    words = name.split("-")
    package = "_".join(words)
    if keyword.iskeyword(package) or package in sys.stdlib_module_names:
        raise FlexCoreError(
            f'"{name}" cannot be the name of a plugin: {package} is Python\'s own',
            fix=f"choose another name, such as {name}-system",
        )
    title = title or " ".join(word.capitalize() for word in words)
    if not re.fullmatch(r"[\w .()/+-]+", title):
        raise FlexCoreError(
            f"{title!r} cannot be a title", fix="use letters, digits and spaces"
        )
    root = folder / "plugins" / name
    check_empty(root, root.relative_to(folder))
    values = {
        "name": name,
        "package": package,
        "class_name": "".join(word.capitalize() for word in words),
        "title": title,
        "kind": kind,
    }
    with new_folder(root) as stage:
        render_scaffold(_TEMPLATE, stage, values)
        for unwanted in {TAP, TARGET} - ({TAP, TARGET} if kind == "both" else {kind}):
            (stage / package / f"{unwanted}.py").unlink()
            (stage / f"tests/test_{unwanted}.py").unlink()
    for path in sorted(root.rglob("*")):
        if path.is_file():
            report.answer(f"create   {path.relative_to(folder).as_posix()}")
    report.say(f"next: uv pip install -e 'plugins/{name}[test]'; pytest plugins/{name}")
    return 0
