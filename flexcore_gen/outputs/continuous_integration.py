"""What every CI system is to do, said once: github_actions and gitlab_ci render it.

The commands hold nothing of the user but names that were checked (environments, dbt
commands); values of variables come by the CI system's own secrets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flexcore_gen.environments import as_seen_in
from flexcore_gen.outputs.compose import stack_secrets
from flexcore_gen.references import variables_of
from flexcore_gen.tasks import BUILD

if TYPE_CHECKING:
    from flexcore_gen.model import Environment
    from flexcore_gen.plan import Project

DEPLOY = "deploy/deploy.sh"

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

#: What dbt's profile asks for while it parses, which opens no connection.
PARSE_VARIABLES = {
    "FLEXCORE_WAREHOUSE_PATH": ":memory:",
    "FLEXCORE_WAREHOUSE_HOST": "localhost",
    "FLEXCORE_WAREHOUSE_PORT": "1",
    "FLEXCORE_WAREHOUSE_DATABASE": "none",
    "FLEXCORE_WAREHOUSE_SERVICE": "none",
    "FLEXCORE_WAREHOUSE_USERNAME": "none",
    "DBT_ENV_SECRET_WAREHOUSE_PASSWORD": "none",
}


@dataclass(frozen=True, slots=True)
class Stage:
    """What a change goes through in one environment.

    `variables` are those of building the models; `deploy_variables` those that
    Compose takes from its caller. Commands are shell lines; none means nothing to do.
    """

    environment: str
    variables: tuple[str, ...]
    builds: tuple[str, ...]
    deploys: tuple[str, ...] = ()
    deploy_variables: tuple[str, ...] = ()

    @property
    def job(self) -> str:
        """The name of its job."""
        return f"{'deploy' if self.deploys else 'build'}-{self.environment}"


def has_models(project: Project) -> bool:
    """Whether any pipeline builds dbt models."""
    return any(task.kind == BUILD for plan in project.pipelines for task in plan.tasks)


def stages(project: Project) -> tuple[Stage, ...]:
    """The environments in their order, through which a change is promoted.

    The default environment is people's own machines, unless it is the only one.
    """
    ecosystem = project.ecosystem
    builds = [
        task.blocks
        for plan in project.pipelines
        for task in plan.tasks
        if task.kind == BUILD
    ]
    return tuple(
        _stage(project, environment, builds)
        for environment in ecosystem.environments
        if environment.name != ecosystem.default_environment
        or len(ecosystem.environments) == 1
    )


def _stage(project: Project, environment: Environment, builds: list[str]) -> Stage:
    seen = as_seen_in(project.ecosystem, environment, environment.name)
    deployed_by = project.ecosystem.deployed_by(environment)
    meltano = f".venv/bin/meltano --environment={environment.name}"
    is_handed_on = "compose" in deployed_by and seen.deployment.secrets.backend == "env"
    return Stage(
        environment.name,
        variables_of(seen),
        tuple(f"{meltano} run {build}" for build in builds)
        or (f"{meltano} state list",),
        (f"sh {DEPLOY} {environment.name}",) if deployed_by else (),
        stack_secrets(seen) if is_handed_on else (),
    )
