"""`flexcore-gen ui`: the event store in a browser, by Datasette, on this host only."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click

from flexcore_gen import report
from flexcore_gen.errors import EXIT_NOT_WRITTEN, FlexCoreError
from flexcore_gen.events.command_place import Place, store_option
from flexcore_gen.events.store import SQLITE_SCHEME

if TYPE_CHECKING:
    from pathlib import Path

HOST = "127.0.0.1"
_METADATA = "ui-metadata.json"


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8001,
    show_default=True,
    help="Port on 127.0.0.1; 0 takes a free one.",
)
@store_option
def ui(port: int, address: str | None) -> int:
    """Show runs and events in a browser, until Ctrl-C.

    Datasette serves the store read-only on 127.0.0.1: runs and events with filters,
    ready questions, SQL and JSON. It needs the extra: `flexcore[ui]`.
    """
    place = Place(address)
    path = _store_path(place)
    if importlib.util.find_spec("datasette") is None:
        raise FlexCoreError(
            "datasette is not installed", fix="uv pip install 'flexcore[ui]'"
        )
    described = place.directory / _METADATA
    _write_private(described, json.dumps(metadata(path.stem), indent=2))
    command = [sys.executable, "-m", "datasette", str(path)]
    command += ["--host", HOST, "--port", str(port), "--metadata", str(described)]
    command += ["--setting", "default_page_size", "50"]
    report.say(f"serving {path} on {HOST} only; Ctrl-C ends it")
    # SIGTERM too must not leave the server behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return subprocess.run(command, check=False).returncode  # noqa: S603 - ours
    except KeyboardInterrupt:
        return 0


def metadata(database: str) -> dict[str, Any]:
    """What Datasette shows beside the tables.

    Args:
        database: Datasette's name of the store: its file's name without suffix.
    """
    return {
        "title": "FlexCore runs",
        "databases": {
            database: {
                "description": "Append-only: what ran, what it moved, how it ended.",
                "tables": {
                    "runs": {
                        "description": "One row per run, read from its events.",
                        "facets": ["status", "pipeline", "environment"],
                        "sort_desc": "started_at",
                        "columns": {
                            "duration_seconds": "Without Meltano's own start-up.",
                            "rows": "Rows that targets took.",
                        },
                    },
                    "events": {
                        "description": "Events as they happened, chained by hashes.",
                        "facets": ["name", "subject"],
                        "sort_desc": "sequence",
                        "columns": {
                            "aggregate_id": "The run.",
                            "version": "The n-th event of its run.",
                            "subject": "The pipeline.",
                        },
                    },
                },
                "queries": {
                    "failures": {
                        "title": "Runs that did not succeed, newest first",
                        "sql": "select started_at, pipeline, environment, status,"
                        " error, run_id from runs where status in ('failed', 'lost')"
                        " order by started_at desc",
                    },
                    "last_success": {
                        "title": "When each pipeline last succeeded",
                        "sql": "select pipeline, environment, max(ended_at)"
                        " as last_success, count(*) as successes from runs"
                        " where status = 'success' group by pipeline, environment"
                        " order by last_success",
                    },
                    "rows_per_day": {
                        "title": "Rows moved per day",
                        "sql": "select substr(started_at, 1, 10) as day, pipeline,"
                        " sum(rows) as rows, count(*) as runs from runs"
                        " group by day, pipeline order by day desc, pipeline",
                    },
                },
            }
        },
    }


def _store_path(place: Place) -> Path:
    if not place.address.startswith(SQLITE_SCHEME):
        raise FlexCoreError(
            "the event store is not an SQLite file",
            where=place.shown,
            fix="`flexcore-gen report` and `runs` read every kind of store",
        )
    path = place.root / place.address.removeprefix(SQLITE_SCHEME)
    if not path.is_file():
        raise FlexCoreError(
            "nothing has run yet", where=str(path), fix="meltano run <pipeline>"
        )
    return path


def _write_private(path: Path, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    try:
        path.parent.mkdir(exist_ok=True)
        with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise FlexCoreError(
            f"cannot write {path}: {error.strerror}",
            fix="name a folder where you may write by FLEXCORE_DIRECTORY",
            exit_code=EXIT_NOT_WRITTEN,
        ) from error
