"""What every CI system is to do, said once: github_actions and gitlab_ci render it.

The commands hold nothing of the user but names that were checked (environments, dbt
commands); values of variables come by the CI system's own secrets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flexcore_gen.landing import BUILD
from flexcore_gen.references import variables_of

if TYPE_CHECKING:
    from flexcore_gen.plan import Project

#: The bundle's or your own; hashes are required, so that nothing else gets in.
REQUIREMENTS = "requirements.txt"
INSTALL = (
    "python3 -m venv .venv",
    f".venv/bin/pip install --require-hashes --no-deps -r {REQUIREMENTS}",
    ".venv/bin/flexcore-gen generate",
)
CHECK = (
    ".venv/bin/flexcore-gen validate",
    # Before generate, which would hide it: are the rendered files up to date?
    ".venv/bin/flexcore-gen check --diff",
)
PARSE = (
    ".venv/bin/dbt parse --project-dir transform --profiles-dir transform/profiles"
    " --no-partial-parse"
)


@dataclass(frozen=True, slots=True)
class Deployment:
    """One environment: the variables it needs and the models it builds."""

    environment: str
    variables: tuple[str, ...]
    commands: tuple[str, ...]


def has_models(project: Project) -> bool:
    """Whether any pipeline builds dbt models."""
    return any(task.kind == BUILD for plan in project.pipelines for task in plan.tasks)


def deployments(project: Project) -> tuple[Deployment, ...]:
    """Every environment but the default one, which is people's own machines."""
    ecosystem = project.ecosystem
    builds = tuple(
        task.blocks
        for plan in project.pipelines
        for task in plan.tasks
        if task.kind == BUILD
    )
    return tuple(
        Deployment(
            environment.name,
            variables_of(ecosystem, environment),
            tuple(
                f".venv/bin/meltano --environment={environment.name} run {build}"
                for build in builds
            )
            or (f".venv/bin/meltano --environment={environment.name} state list",),
        )
        for environment in ecosystem.environments
        if environment.name != ecosystem.default_environment
    )


def parse_variables(project: Project) -> dict[str, str]:
    """What dbt's profile asks for; parsing opens no connection."""
    del project
    return {
        "FLEXCORE_WAREHOUSE_PATH": ":memory:",
        "FLEXCORE_WAREHOUSE_HOST": "localhost",
        "FLEXCORE_WAREHOUSE_PORT": "1",
        "FLEXCORE_WAREHOUSE_DATABASE": "none",
        "FLEXCORE_WAREHOUSE_SERVICE": "none",
        "FLEXCORE_WAREHOUSE_USERNAME": "none",
        "DBT_ENV_SECRET_WAREHOUSE_PASSWORD": "none",
    }
