"""The target: the SDK's standard suites, and what happens when it is stopped."""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path

from {{cookiecutter.package}}.target import Target{{cookiecutter.class_name}}
from flext_singer.conformance import TargetUnderTest, target_suite
from singer_sdk.testing import get_target_test_class

ROOT = Path(__file__).parents[1]


def committed(settings, stream: str) -> list[int]:
    """The ids in a stream's table that other processes can see now."""
    path = Path(settings["path"])
    if not path.exists():
        return []
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        name = stream.replace('"', '""')
        rows = database.execute(f'select record from "{name}"').fetchall()
    except sqlite3.OperationalError:  # there is no table yet
        return []
    finally:
        database.close()
    return [json.loads(record)["id"] for (record,) in rows]


TestTarget = get_target_test_class(
    Target{{cookiecutter.class_name}},
    config={"path": ":memory:"},
    custom_suites=[
        target_suite(
            TargetUnderTest(
                [sys.executable, "-m", "{{cookiecutter.package}}.target"],
                configure=lambda folder: {"path": str(folder / "out.db")},
                committed=committed,
                secrets=["password"],
                environment={"PYTHONPATH": str(ROOT)},
                records=25_000,  # enough for two commits midway
            )
        )
    ],
)
