"""`flexcore-gen dbt-models`: staging models from what a tap discovered."""

from __future__ import annotations

from pathlib import Path

import click

from flexcore_gen import report
from flexcore_gen.changes import CREATE, compare
from flexcore_gen.dbt_models import plan_models
from flexcore_gen.errors import EXIT_NOT_WRITTEN, FlexCoreError
from flexcore_gen.manifest import Manifest
from flexcore_gen.render import render
from flexcore_gen.write import write_file


@click.command("dbt-models")
@click.argument("catalog", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of the models, such as transform/models/staging.",
)
@click.option(
    "--schema",
    help="Warehouse schema of the landed tables; else the variable oracle_schema.",
)
@click.option("--json", "as_json", is_flag=True, help="Answer for machines.")
def dbt_models(catalog: Path, out: Path, *, schema: str | None, as_json: bool) -> int:
    """Write staging models for the tables of a catalog.

    CATALOG is what `flext-tap-oracle --discover` printed. A file that is there
    already is kept as it is. The models call macros of the dbt package oracle.
    """
    files = [render(file, catalog.name) for file in plan_models(catalog, schema)]
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FlexCoreError(
            f"cannot make {out}: {error.strerror}", exit_code=EXIT_NOT_WRITTEN
        ) from error
    changes = compare(files, out, Manifest())
    for change in changes:
        if change.kind == CREATE and change.file is not None:
            write_file(out, change.path, change.file.content)
    if as_json:
        report.answer_json(
            {"changes": [{"kind": c.kind, "path": c.path} for c in changes]}
        )
    else:
        report.answer_changes(changes, diff=False)
    return 0
