"""Renders our cookiecutter templates: a new environment, a new plugin.

Nothing is asked by cookiecutter, no hook runs, and nothing is kept outside the
folder that is made.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from flexcore_gen.errors import EXIT_NOT_WRITTEN, FlexCoreError
from flexcore_gen.resources import resource_root

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def check_empty(root: Path, shown: Path) -> None:
    """Refuses a folder that holds anything but a .git.

    Raises:
        FlexCoreError: It is a file, or not empty.
    """
    if not root.exists():
        return
    if not root.is_dir():
        raise FlexCoreError(f"{shown} is a file", fix="name a new or empty folder")
    there = sorted(path.name for path in root.iterdir() if path.name != ".git")
    if there:
        raise FlexCoreError(
            f"{shown} is not empty: {', '.join(there[:3])}"
            + (" …" if len(there) > 3 else ""),  # noqa: PLR2004 - as many as are shown
            fix="name a new or empty folder",
        )


def render_scaffold(template: str, root: Path, values: Mapping[str, object]) -> None:
    """Renders a template into `root`.

    Args:
        template: Its folder below templates/.
        root: The folder that is made; its name is the template's outer folder.
        values: What replaces the defaults of its cookiecutter.json.

    Raises:
        FlexCoreError: It cannot be written.
    """
    from cookiecutter.exceptions import (  # noqa: PLC0415 - 100 ms, only here
        CookiecutterException,
    )
    from cookiecutter.generate import generate_files  # noqa: PLC0415 - the same

    source = resource_root("templates") / template
    context = json.loads((source / "cookiecutter.json").read_text(encoding="utf-8"))
    context.update(values)
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        generate_files(
            repo_dir=str(source),
            context={"cookiecutter": context},
            output_dir=str(root.parent),
            overwrite_if_exists=True,
            accept_hooks=False,
        )
    except (CookiecutterException, OSError) as error:
        raise FlexCoreError(
            f"cannot make {root}: {error}", exit_code=EXIT_NOT_WRITTEN
        ) from error
