"""deploy/compose/<environment>: a runner that keeps schedules, and its Postgres.

Built from data, and each text passes `_escaped`, because Compose replaces `$NAME`
in every value. Secrets are files below /run/secrets, never variables in this file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flexcore_gen.errors import InvalidEcosystemError, Problem
from flexcore_gen.outputs import compose_parts
from flexcore_gen.outputs.container import PASSWORD, USER
from flexcore_gen.plan import PlannedFile
from flexcore_gen.references import event_variables_of, state_password, variables_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flexcore_gen.deployment import Deployment
    from flexcore_gen.model import Ecosystem
    from flexcore_gen.plan import Project

FOLDER = "deploy/compose"
POSTGRES_IMAGE = "postgres:17.6-alpine"
_DATABASE = "flexcore"
#: User and group of Postgres in its Alpine image.
_POSTGRES_USER = 70
_PROJECT = "/srv/project"


def plan_files(project: Project) -> Iterator[PlannedFile]:
    """The stack of the project's one environment.

    Raises:
        InvalidEcosystemError: `deploy` asks for what the stack cannot give.
    """
    ecosystem = project.ecosystem
    if problems := list(_problems(project)):
        raise InvalidEcosystemError(problems)
    yield PlannedFile(
        f"{FOLDER}/{ecosystem.default_environment}/compose.yaml",
        data=_escaped(_stack(project)),
        sources=project.sources(),
    )


def stack_secrets(seen: Ecosystem) -> tuple[str, ...]:
    """The secrets that the stack of one environment asks for, sorted."""
    own = compose_parts.part_secrets(seen.deployment.parts, seen.watch)
    return tuple(sorted({*variables_of(seen), state_password(seen.deployment), *own}))


def _problems(project: Project) -> Iterator[Problem]:
    mark = project.ecosystem.mark
    deployment = project.ecosystem.deployment
    if not any(plan.pipeline.schedule for plan in project.pipelines):
        yield Problem(
            mark,
            "compose runs pipelines at their times, and none has a schedule",
            "give a pipeline a `schedule:`, or remove compose from outputs",
            "outputs",
        )
    for what, fix in compose_parts.part_problems(
        deployment.parts, project.ecosystem.outputs
    ):
        yield Problem(mark, what, fix, "deploy.parts")
    if deployment.secrets.backend == "vault":
        yield Problem(
            mark,
            "compose cannot read secrets from vault",
            "use `backend: file` and have vault's agent write the files",
            "deploy.secrets.backend",
        )


def _stack(project: Project) -> dict[str, Any]:
    ecosystem = project.ecosystem
    deployment = ecosystem.deployment
    password = state_password(deployment)
    own = not deployment.postgres
    services = {"runner": _runner(project, deployment, password)}
    if own:
        services["postgres"] = _postgres(deployment, password)
    services |= _parts(project, deployment)
    parts = deployment.parts
    is_env = deployment.secrets.backend == "env"
    volumes = ["state", "events", "data", "output", *(["postgres"] if own else [])]
    volumes += [volume for part in parts for volume in compose_parts.VOLUMES[part]]
    return {
        "name": f"{ecosystem.project}-{ecosystem.default_environment}",
        "services": services,
        "secrets": {
            name: {"environment": name} if is_env else {"file": f"./secrets/{name}"}
            for name in stack_secrets(ecosystem)
        },
        "networks": {"backend": {"internal": True}, "outside": {}},
        "volumes": {name: {} for name in volumes},
    }


def _parts(project: Project, deployment: Deployment) -> dict[str, Any]:
    watch = project.ecosystem.watch
    found: dict[str, Any] = {}
    if "redis" in deployment.parts:
        found["redis"] = (compose_parts.REDIS[1], compose_parts.redis())
    if "prometheus" in deployment.parts:
        image = _image(deployment)
        found["prometheus"] = (compose_parts.PROMETHEUS[1], compose_parts.prometheus())
        found["alertmanager"] = (
            compose_parts.ALERTMANAGER[1],
            compose_parts.alertmanager(watch),
        )
        secrets = list(event_variables_of(project.ecosystem))
        found["metrics"] = (USER, compose_parts.metrics(image, secrets))
    if "grafana" in deployment.parts:
        found["grafana"] = (compose_parts.GRAFANA[1], compose_parts.grafana())
    return {
        name: {
            **_hardened(user, 512, deployment),
            "restart": "unless-stopped",
            "tmpfs": ["/tmp:size=64m,noexec,nosuid"],  # noqa: S108 - in the container
            **service,
        }
        for name, (user, service) in found.items()
    }


def _image(deployment: Deployment) -> str:
    image = deployment.image
    # What is built here has no version of its own; "latest" would say it had.
    if image.digest is None and image.tag == "latest":
        return f"{image.repository}:local"
    return image.reference


def _runner(project: Project, deployment: Deployment, password: str) -> dict[str, Any]:
    image = deployment.image
    place = deployment.postgres
    database = (
        f"{place.get('username', _DATABASE)}@{place['host']}:"
        f"{place.get('port', 5432)}/{place.get('database', _DATABASE)}"
        if place
        else f"{_DATABASE}@postgres:5432/{_DATABASE}"
    )
    service: dict[str, Any] = {}
    if image.digest is None:
        service["build"] = {
            "context": "../../../bundle",
            "dockerfile": "project/deploy/container/Dockerfile",
        }
    service["image"] = _image(deployment)
    service |= _hardened(USER, deployment.resources.memory_mb, deployment)
    service["tmpfs"] = [
        "/tmp:size=256m,mode=1777,noexec,nosuid",  # noqa: S108 - in the container
        *(
            f"{_PROJECT}/transform/{name}:size=256m,uid={USER},gid={USER},noexec,nosuid"
            for name in ("target", "logs")
        ),
    ]
    service |= {
        "init": True,
        "restart": "unless-stopped",
        "stop_grace_period": "30s",
        "environment": {
            "MELTANO_ENVIRONMENT": project.ecosystem.default_environment,
            "FLEXCORE_POSTGRES": database,
        },
        "secrets": [
            *variables_of(project.ecosystem),
            {"source": password, "target": PASSWORD},
        ],
        "networks": ["backend", "outside"],
        "volumes": [
            f"state:{_PROJECT}/.meltano",
            "events:/var/lib/flexcore",
            f"data:{_PROJECT}/data",
            f"output:{_PROJECT}/output",
        ],
        # The schedule's process is the container's: when it ends, so does this.
        "healthcheck": {"disable": True},
    }
    if not place:
        service["depends_on"] = {"postgres": {"condition": "service_healthy"}}
    return service


def _postgres(deployment: Deployment, password: str) -> dict[str, Any]:
    return {
        "image": POSTGRES_IMAGE,
        **_hardened(_POSTGRES_USER, 1024, deployment),
        "tmpfs": [
            "/tmp:size=64m,noexec,nosuid",  # noqa: S108 - in the container
            f"/var/run/postgresql:size=8m,uid={_POSTGRES_USER},gid={_POSTGRES_USER}",
        ],
        "restart": "unless-stopped",
        "shm_size": "128m",
        "environment": {
            "POSTGRES_USER": _DATABASE,
            "POSTGRES_DB": _DATABASE,
            "POSTGRES_PASSWORD_FILE": f"/run/secrets/{password}",
            "POSTGRES_INITDB_ARGS": "--auth-host=scram-sha-256 --data-checksums",
        },
        "secrets": [password],
        "healthcheck": {
            "test": ["CMD", "pg_isready", "-U", _DATABASE, "-d", _DATABASE],
            "interval": "5s",
            "timeout": "3s",
            "retries": 20,
        },
        "networks": ["backend"],
        "volumes": ["postgres:/var/lib/postgresql/data"],
    }


def _hardened(user: int, memory_mb: int, deployment: Deployment) -> dict[str, Any]:
    return {
        "user": f"{user}:{user}",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "mem_limit": f"{memory_mb}m",
        "cpus": float(deployment.resources.cpus),
        "pids_limit": 256,
        "logging": {
            "driver": "json-file",
            "options": {"max-size": "10m", "max-file": "5"},
        },
    }


def _escaped(value: Any) -> Any:  # noqa: ANN401 - plain data of any shape
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return value
