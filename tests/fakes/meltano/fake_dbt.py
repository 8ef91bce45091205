#!/usr/bin/env python3
"""dbt as the hook sees it: writes target/run_results.json and exits.

FAKE_DBT_FAIL (a model fails), FAKE_DBT_TEST_FAIL, FAKE_DBT_HANG_FILE (writes its pid
there and waits for SIGTERM), FAKE_DBT_SILENT (writes no results),
FAKE_DBT_OTHER_RESULTS (touches this file as another run beside it would).
"""
# ruff: noqa: T201 - printing is what plugins do; no pathlib, to start fast

import json
import os
import sys
import time
from pathlib import Path


def main() -> None:
    env = os.environ
    target = Path(env.get("DBT_PROJECT_DIR", "transform")) / "target"
    target.mkdir(parents=True, exist_ok=True)
    print("Running with dbt=1.11.0", flush=True)
    if path := env.get("FAKE_DBT_HANG_FILE"):
        Path(path).write_text(str(os.getpid()))
        while True:
            time.sleep(60)
    failed = bool(env.get("FAKE_DBT_FAIL"))
    bad_test = bool(env.get("FAKE_DBT_TEST_FAIL"))
    results = [
        {
            "unique_id": "model.demo.stg_people",
            "status": "success",
            "execution_time": 0.1,
            "adapter_response": {"rows_affected": 5},
            "message": "OK",
            "failures": None,
        },
        {
            "unique_id": "model.demo.people",
            "status": "error" if failed else "success",
            "execution_time": 0.2,
            "adapter_response": {},
            "message": "Compilation Error in model people" if failed else "OK",
            "failures": None,
        },
        {
            "unique_id": "test.demo.not_null_people_id.abc123",
            "status": "fail" if bad_test else "pass",
            "execution_time": 0.05,
            "adapter_response": {},
            "message": "Got 2 results" if bad_test else None,
            "failures": 2 if bad_test else 0,
        },
    ]
    if other := env.get("FAKE_DBT_OTHER_RESULTS"):
        os.utime(other)
    test_node = {"depends_on": {"nodes": ["model.demo.people"]}}
    if not env.get("FAKE_DBT_SILENT"):
        custom = {
            name.removeprefix("DBT_ENV_CUSTOM_ENV_"): value
            for name, value in env.items()
            if name.startswith("DBT_ENV_CUSTOM_ENV_")
        }
        document = {"metadata": {"env": custom}, "results": results}
        (target / "run_results.json").write_text(json.dumps(document))
        nodes = {"test.demo.not_null_people_id.abc123": test_node}
        (target / "manifest.json").write_text(json.dumps({"nodes": nodes}))
    print("Done.", flush=True)
    sys.exit(1 if failed or bad_test else 0)


if __name__ == "__main__":
    main()
