"""GitHub Actions: check every change, then take it through the environments."""

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

PATH = ".github/workflows/flexcore.yml"
#: actions/checkout v4.2.2, by commit: a tag can be moved.
CHECKOUT = "actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683"
RUNNER = "ubuntu-24.04"


def plan_files(project: Project) -> Iterator[PlannedFile]:
    """The workflow."""
    yield PlannedFile(PATH, data=_workflow(project), sources=project.sources())


def _workflow(project: Project) -> dict[str, Any]:
    jobs: dict[str, Any] = {"check": _check(project)}
    before = "check"
    for stage in stages(project):
        verb = "Build and deploy" if stage.deploys else "Build in"
        jobs[stage.job] = {
            "name": f"{verb} {stage.environment}",
            "needs": [before],
            "if": "github.event_name != 'pull_request'"
            " && github.ref == format('refs/heads/{0}',"
            " github.event.repository.default_branch)",
            "runs-on": RUNNER,
            "timeout-minutes": 60,
            # Approvals and secrets belong to the environment, in GitHub's settings.
            "environment": stage.environment,
            "concurrency": {"group": f"flexcore-{stage.environment}"},
            "steps": [
                _checkout(),
                _run("Install", INSTALL),
                _run("Build the models", stage.builds, _secrets(stage.variables)),
            ],
        }
        if stage.deploys:
            jobs[stage.job]["steps"].append(
                _run("Deploy", stage.deploys, _secrets(stage.deploy_variables))
            )
        before = stage.job
    return {
        "name": "flexcore",
        "on": {
            "pull_request": {},
            "push": {"branches": ["main"]},
            "workflow_dispatch": {},
        },
        "permissions": {"contents": "read"},
        "concurrency": {"group": "flexcore-${{ github.ref }}"},
        "jobs": jobs,
    }


def _check(project: Project) -> dict[str, Any]:
    steps = [
        _checkout(),
        _run("Install", INSTALL[:2]),
        _run("Validate, and look for drift", CHECK),
    ]
    if has_models(project):
        steps.append(_run("Parse the models", (INSTALL[2], PARSE), PARSE_VARIABLES))
    return {
        "name": "Check",
        "runs-on": RUNNER,
        "timeout-minutes": 20,
        "steps": steps,
    }


def _checkout() -> dict[str, Any]:
    return {
        "name": "Check out",
        "uses": CHECKOUT,
        "with": {"persist-credentials": False},
    }


def _secrets(names: tuple[str, ...]) -> dict[str, str]:
    return {name: f"${{{{ secrets.{name} }}}}" for name in names}


def _run(
    name: str, commands: tuple[str, ...], variables: dict[str, str] | None = None
) -> dict[str, Any]:
    step: dict[str, Any] = {"name": name, "run": "\n".join(commands)}
    if variables:
        step["env"] = variables
    return step
