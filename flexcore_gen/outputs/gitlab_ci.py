"""GitLab CI: check every change, then take it through the environments, by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flexcore_gen.outputs.continuous_integration import (
    CHECK,
    INSTALL,
    PARSE,
    PARSE_VARIABLES,
    has_models,
    stages,
)
from flexcore_gen.plan import PlannedFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flexcore_gen.plan import Project

PATH = ".gitlab-ci.yml"
IMAGE = "python:3.12-slim-bookworm"
_ON_DEFAULT = "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"


def plan_files(project: Project) -> Iterator[PlannedFile]:
    """The pipeline."""
    yield PlannedFile(PATH, data=_pipeline(project), sources=project.sources())


def _pipeline(project: Project) -> dict[str, Any]:
    found = stages(project)
    document: dict[str, Any] = {
        "stages": ["check", *(each.job for each in found)],
        "default": {"image": IMAGE, "interruptible": True},
        "workflow": {
            "rules": [
                {"if": '$CI_PIPELINE_SOURCE == "merge_request_event"'},
                {"if": _ON_DEFAULT},
            ]
        },
    }
    script = [*INSTALL[:2], *CHECK]
    check: dict[str, Any] = {"stage": "check", "timeout": "20 minutes"}
    if has_models(project):
        script += [INSTALL[2], PARSE]
        check["variables"] = PARSE_VARIABLES
    document["check"] = {**check, "script": script}
    for each in found:
        document[each.job] = {
            "stage": each.job,
            # Variables of this scope, masked and protected, bring the secrets:
            # nothing of them is written here.
            "environment": {"name": each.environment},
            "resource_group": f"flexcore-{each.environment}",
            "interruptible": False,
            "timeout": "60 minutes",
            "rules": [{"if": _ON_DEFAULT, "when": "manual", "allow_failure": False}],
            "script": [*INSTALL, *each.builds, *each.deploys],
        }
    return document
