"""`flexcore-gen schema`: the JSON Schema that editors use."""

from __future__ import annotations

import click

from flexcore_gen import report
from flexcore_gen.json_schema import KINDS, json_schema


@click.command()
@click.argument("kind", type=click.Choice(KINDS), default=KINDS[0])
def schema(kind: str) -> int:
    """Print the JSON Schema for editors.

    KIND is the file that it describes: ecosystem, pipeline or overlay.
    """
    report.answer_json(json_schema(kind))
    return 0
