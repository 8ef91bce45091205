"""The tap: the SDK's standard suites, and what happens when it is stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from {{cookiecutter.package}}.tap import Tap{{cookiecutter.class_name}}
from flext_singer.conformance import TapUnderTest, tap_suite
from singer_sdk.testing import SuiteConfig, get_tap_test_class

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "{{cookiecutter.package}}.tap"]
ENVIRONMENT = {"PYTHONPATH": str(ROOT)}


def sample(folder: Path, records: int = 5000) -> str:
    path = folder / "records.jsonl"
    with path.open("w", encoding="utf-8") as lines:
        for number in range(1, records + 1):
            record = {
                "id": number,
                "name": f"Märta {number}" if number % 7 else None,
                "amount": number / 4,
                "updated_at": f"2024-01-01T00:00:{number % 60:02d}+00:00",
            }
            lines.write(json.dumps(record) + "\n")
    return str(path)


_FOLDER = tempfile.TemporaryDirectory()
CONFIG = {"path": sample(Path(_FOLDER.name))}

TestTap = get_tap_test_class(
    Tap{{cookiecutter.class_name}},
    config=CONFIG,
    suite_config=SuiteConfig(max_records_limit=50),
    custom_suites=[
        tap_suite(
            TapUnderTest(COMMAND, CONFIG, secrets=["password"], environment=ENVIRONMENT)
        )
    ],
)


def test_a_line_that_is_no_record_is_rejected_by_its_number(tmp_path):
    path = sample(tmp_path, records=3)
    with Path(path).open("a", encoding="utf-8") as lines:
        lines.write("not JSON\n")
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"path": path, "max_errors": 0}))
    ended = subprocess.run(
        [*COMMAND, "--config", str(config)],
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    assert f"{path}:4" in ended.stderr
