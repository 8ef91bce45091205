"""Reads what dbt says about its own run: target/run_results.json (schema v4-v6).

https://docs.getdbt.com/reference/artifacts/run-results-json
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from flexcore_gen.events.data_places import warehouse_of

_MANIFEST_MAX_BYTES = 64 * 1024 * 1024
_MESSAGE_LENGTH = 2000
_BAD = frozenset({"error", "fail", "runtime error"})


class DbtArtifacts:
    """The artifacts of one dbt step: only those written during it."""

    def __init__(
        self,
        project_directory: Path,
        target_directory: Path,
        warehouse: dict[str, Any],
    ) -> None:
        self._warehouse = warehouse
        self._target = target_directory
        if not target_directory.is_absolute():
            self._target = project_directory / target_directory
        self._before = _signature(self._results)

    @property
    def _results(self) -> Path:
        return self._target / "run_results.json"

    def read(self, run_id: str) -> dict[str, Any]:
        """Return `{models, tests, artifacts, warehouse}` of this step, or `{}`.

        Args:
            run_id: What dbt was given as FLEXCORE_RUN_ID; results that carry
                another run's id were written by another run beside this one.
        """
        if _signature(self._results) in {None, self._before}:
            return {}
        try:
            document = json.loads(self._results.read_bytes())
            results = document["results"]
            environment = (document.get("metadata") or {}).get("env") or {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {"note": f"{self._results} cannot be read"}
        if environment.get("FLEXCORE_RUN_ID", run_id) != run_id:
            return {"note": f"{self._results} was overwritten by another run"}
        return {
            **self._summary(results),
            "artifacts": str(self._target),
            "warehouse": self._warehouse,
        }

    def _summary(self, results: list[dict[str, Any]]) -> dict[str, Any]:
        models = []
        passed, bad = 0, []
        for result in results:
            kind, _, name = str(result["unique_id"]).partition(".")
            if kind in {"test", "unit_test"}:
                if result["status"] in {"pass", "skipped"}:
                    passed += result["status"] == "pass"
                else:
                    bad.append(result)
                continue
            models.append(
                {
                    "name": name.rpartition(".")[2],
                    "kind": kind,
                    "unique_id": result["unique_id"],
                    "status": result["status"],
                    "rows": (result.get("adapter_response") or {}).get("rows_affected"),
                    "seconds": round(result.get("execution_time") or 0.0, 3),
                    "message": _message(result) if result["status"] in _BAD else None,
                    "failed_tests": [],
                }
            )
        tests = [
            {
                "unique_id": result["unique_id"],
                "status": result["status"],
                "failures": result.get("failures"),
                "message": _message(result),
            }
            for result in bad
        ]
        self._attach(models, tests)
        return {"models": models, "tests": {"passed": passed, "failed": tests}}

    def _attach(
        self, models: list[dict[str, Any]], tests: list[dict[str, Any]]
    ) -> None:
        """Put failed tests to their models; only the manifest knows which."""
        if not tests:
            return
        manifest = self._target / "manifest.json"
        try:
            if manifest.stat().st_size > _MANIFEST_MAX_BYTES:
                return
            nodes = json.loads(manifest.read_bytes())["nodes"]
            for test in tests:
                node = nodes.get(test["unique_id"]) or {}
                above = set((node.get("depends_on") or {}).get("nodes") or [])
                for model in models:
                    if model["unique_id"] in above:
                        model["failed_tests"].append(test["unique_id"].split(".")[2])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
            return


def artifacts_of(invoker: Any) -> DbtArtifacts:  # noqa: ANN401 - meltano.core.plugin_invoker.PluginInvoker
    """Return the artifacts of a dbt that is about to start.

    They are where its settings say (environment DBT_PROJECT_DIR, DBT_TARGET_PATH),
    else in transform/target.
    """
    environment = {**os.environ, **invoker.plugin_config_env}
    root: Path = invoker.project.root
    directory = environment.get("DBT_PROJECT_DIR") or root / "transform"
    target = environment.get("DBT_TARGET_PATH") or "target"
    warehouse = warehouse_of(invoker.plugin_config)
    return DbtArtifacts(root / directory, Path(target), warehouse)


def _message(result: dict[str, Any]) -> str | None:
    message = result.get("message")
    return None if message is None else str(message)[:_MESSAGE_LENGTH]


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
