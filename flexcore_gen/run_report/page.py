"""Renders the page from what the other modules of this package found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jinja2

from flexcore_gen.events.display import clean, one_run
from flexcore_gen.resources import resource_root
from flexcore_gen.run_report.collect import summaries, title
from flexcore_gen.run_report.lineage import BOX_HEIGHT, BOX_WIDTH
from flexcore_gen.run_report.timeline import LABEL_WIDTH, LANE_HEIGHT, WIDTH, timeline

if TYPE_CHECKING:
    from datetime import datetime

    from flexcore_gen.events.run_state import RunState
    from flexcore_gen.run_report.lineage import Lineage


def render_page(
    project: str,
    runs: list[RunState],
    pictures: list[Lineage],
    now: datetime,
    dbt_docs: str | None,
) -> str:
    """The page as HTML.

    Args:
        project: The project's name.
        runs: Newest first.
        pictures: One per pipeline.
        now: The time that the page gives for itself; aware.
        dbt_docs: Where dbt's docs lie, as the page's link has it.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resource_root("templates")),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("report/report.html.jinja")
    return template.render(
        project=project,
        runs=runs,
        summaries=summaries(runs),
        timeline=timeline(runs, now),
        pictures=pictures,
        made=now.strftime("%Y-%m-%d %H:%M UTC"),
        dbt_docs=dbt_docs,
        title=title,
        clean=clean,
        text=lambda run: "\n".join(one_run(run)),
        sizes={
            "width": WIDTH,
            "label": LABEL_WIDTH,
            "lane": LANE_HEIGHT,
            "box_width": BOX_WIDTH,
            "box_height": BOX_HEIGHT,
        },
    )
