"""`flexcore-gen bundle`: everything that a host without network needs."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from flexcore_gen import report
from flexcore_gen.bundling import needed_packages, write_bundle
from flexcore_gen.changes import PENDING
from flexcore_gen.errors import EXIT_DIFFERENCES
from flexcore_gen.project import compare_project
from flexcore_gen.scaffold import check_empty


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path())
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("bundle"),
    show_default=True,
    help="The new folder that becomes the bundle.",
)
@click.option("--json", "as_json", is_flag=True, help="Answer for machines.")
def bundle(path: Path, out: Path, *, as_json: bool) -> int:
    """Collect wheels with hashes and the rendered project for a closed network.

    PATH is a folder with ecosystem.yaml (default: this one) or that file. The
    versions are those of this environment, the platform is this one. On the other
    side: `sh bundle/install.sh`.
    """
    outcome = compare_project(path)
    if any(change.kind in PENDING for change in outcome.changes):
        report.say(
            "flexcore-gen: error: the rendered files are not up to date\n"
            "  fix:   run `flexcore-gen generate` first"
        )
        return EXIT_DIFFERENCES
    check_empty(out.absolute(), out)
    packages = needed_packages(outcome.project)
    report.say(f"collecting what {', '.join(packages)} need; this takes a minute")
    made = out.with_name(f".{out.name}.partial")
    shutil.rmtree(made, ignore_errors=True)
    try:
        wheels, files = write_bundle(
            outcome.project, outcome.root, outcome.manifest, made
        )
        if out.exists():
            out.rmdir()
        made.rename(out)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    size = sum(p.stat().st_size for p in out.rglob("*") if p.is_file())
    if as_json:
        report.answer_json(
            {"path": str(out), "wheels": wheels, "files": files, "bytes": size}
        )
        return 0
    report.answer(f"{out}: {wheels} wheels, {files} files, {size / 1e6:.0f} MB")
    report.say(f"next: copy {out} to the host; there: sh {out.name}/install.sh")
    return 0
