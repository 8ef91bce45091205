"""Renders our cookiecutter templates: a new environment, a new plugin.

Nothing is asked by cookiecutter, no hook runs, and nothing is kept outside the
folder that is made. That folder is complete or as it was before: everything is
made in a folder of its own inside, and moved up when it is whole.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from flexcore_gen.errors import EXIT_NOT_WRITTEN, FlexCoreError
from flexcore_gen.resources import resource_root

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


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


@contextlib.contextmanager
def new_folder(root: Path) -> Iterator[Path]:
    """A folder to fill; what stands in it at the end is moved up into `root`.

    If the filling ends in any error, an interruption too, `root` is as it was.

    Raises:
        FlexCoreError: It cannot be written, or somebody else filled `root`.
    """
    made = [path for path in (root, *root.parents) if not path.exists()]
    try:
        root.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".flexcore-new-", dir=root))
    except OSError as error:
        raise _not_made(root, error) from error
    try:
        yield stage
        there = {path.name for path in root.iterdir()} - {stage.name, ".git"}
        if there:
            raise FlexCoreError(
                f"{root} was filled meanwhile: {', '.join(sorted(there)[:3])}",
                fix="name a new or empty folder",
                exit_code=EXIT_NOT_WRITTEN,
            )
        for path in sorted(stage.iterdir()):
            path.rename(root / path.name)
    except OSError as error:
        raise _not_made(root, error) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        with contextlib.suppress(OSError):
            # Ends at the first that holds something: all, when all went well.
            for path in made:
                path.rmdir()


def _not_made(root: Path, error: OSError) -> FlexCoreError:
    return FlexCoreError(
        f"cannot make {root}: {error.strerror}",
        where=str(error.filename or root),
        fix="name a folder where you may write",
        exit_code=EXIT_NOT_WRITTEN,
    )


def render_scaffold(template: str, stage: Path, values: Mapping[str, object]) -> None:
    """Renders a template into `stage`.

    Args:
        template: Its folder below templates/.
        stage: An empty folder, see `new_folder`. Cookiecutter takes the names of
            all folders above for templates, so it writes elsewhere first.
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
    context.update(values, folder="made")
    try:
        with tempfile.TemporaryDirectory(prefix="flexcore-") as elsewhere:
            generate_files(
                repo_dir=str(source),
                context={"cookiecutter": context},
                output_dir=elsewhere,
                accept_hooks=False,
            )
            shutil.copytree(Path(elsewhere, "made"), stage, dirs_exist_ok=True)
    except CookiecutterException as error:
        raise FlexCoreError(
            f"cannot make {stage.parent}: {error}", exit_code=EXIT_NOT_WRITTEN
        ) from error
