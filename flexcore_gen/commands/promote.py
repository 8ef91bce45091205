"""`flexcore-gen promote`: give an environment the image that another one runs."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from flexcore_gen import report
from flexcore_gen.deployment import Image
from flexcore_gen.ecosystem import load_ecosystem
from flexcore_gen.environments import environment_of
from flexcore_gen.errors import EXIT_NOT_WRITTEN, FlexCoreError
from flexcore_gen.promotion import with_image


@click.command()
@click.argument("before")
@click.argument("after")
@click.argument("path", type=click.Path(path_type=Path), default=Path())
def promote(before: str, after: str, path: Path) -> int:
    """Give environment AFTER the image that environment BEFORE runs.

    Writes `deploy.image` into config/AFTER.yaml and nothing else; `generate` then
    renders what deploys it. PATH is as for generate.
    """
    ecosystem = load_ecosystem(path)
    target = environment_of(ecosystem, after)
    old = ecosystem.deployment_in(target).image
    new = ecosystem.deployment_in(environment_of(ecosystem, before)).image
    if new == Image():
        raise FlexCoreError(
            f"{before} has no image of its own, so there is nothing to promote",
            where="deploy.image",
            fix=f"set `deploy: {{image: …}}` in config/{before}.yaml",
        )
    if old == new:
        report.say(f"{after} has {new.reference} already")
        return 0
    # An overlay may be a .yml or .json as well; its mark knows.
    name = Path(target.mark.file).name if target.mark else f"{after}.yaml"
    overlay = ecosystem.folder / "config" / name
    try:
        text = overlay.read_bytes().decode() if target.mark else ""
        _replace(overlay, with_image(text, new, str(overlay)))
    except OSError as error:
        raise FlexCoreError(
            f"cannot rewrite it: {error.strerror}",
            where=str(overlay),
            fix="make the file and its folder writable, and run it again",
            exit_code=EXIT_NOT_WRITTEN,
        ) from error
    report.answer(f"{overlay}: {old.reference} → {new.reference}")
    report.say("next: flexcore-gen generate")
    return 0


def _replace(path: Path, text: str) -> None:
    """Writes a file in one step, with the mode that it had."""
    path.parent.mkdir(exist_ok=True)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            os.fchmod(descriptor, mode)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
