"""The pods that run pipelines: restricted, with secrets as files, and nothing kept.

Kubernetes replaces `$(NAME)` in arguments and variables only, and the arguments here
are names and options of our own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flexcore_gen.outputs.container import PASSWORD, USER
from flexcore_gen.references import state_password, variables_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flexcore_gen.model import Ecosystem, Pipeline

ACCOUNT = "flexcore-runner"
SECRET = "flexcore-secrets"  # noqa: S105 - the name of an object
FILES = "flexcore-files"
_PROJECT = "/srv/project"


def pod_template(
    seen: Ecosystem,
    name: str,
    command: list[str],
    variables: dict[str, Any],
    pipelines: Iterable[Pipeline] = (),
) -> dict[str, Any]:
    """A pod that runs one command.

    Args:
        seen: The ecosystem as its environment sees it.
        name: What its label says.
        command: The command's words.
        variables: Name to text, or to a `valueFrom`.
        pipelines: What it may run: it finds their secrets, and no other.
    """
    deployment = seen.deployment
    place = deployment.postgres
    variables = {
        "MELTANO_ENVIRONMENT": seen.default_environment,
        "FLEXCORE_POSTGRES": (
            f"{place.get('username', 'flexcore')}@{place['host']}:"
            f"{place.get('port', 5432)}/{place.get('database', 'flexcore')}"
        ),
        # A pod ends with its run: what is to be delivered goes first.
        "FLEXCORE_DELIVERY": "wait",
        **variables,
    }
    resources = deployment.resources
    memory, disk = f"{resources.memory_mb}Mi", f"{resources.disk_mb}Mi"
    sizes = {"cpu": resources.cpus, "memory": memory, "ephemeral-storage": disk}
    scratch = {
        "meltano": f"{_PROJECT}/.meltano",
        "target": f"{_PROJECT}/transform/target",
        "logs": f"{_PROJECT}/transform/logs",
        "events": "/var/lib/flexcore",
        "tmp": "/tmp",  # noqa: S108 - in the container
    }
    mounts = [{"name": key, "mountPath": path} for key, path in scratch.items()]
    mounts.append(
        {"name": "secrets", "mountPath": "/run/secrets", "readOnly": True}  # type: ignore[dict-item] # a flag beside texts
    )
    volumes: list[dict[str, Any]] = [
        {"name": key, "emptyDir": {"sizeLimit": disk}} for key in scratch
    ]
    volumes.append({"name": "secrets", "projected": _secret_files(seen, pipelines)})
    if keeps_files(seen):
        volumes.append({"name": "files", "persistentVolumeClaim": {"claimName": FILES}})
        mounts += [
            {"name": "files", "mountPath": f"{_PROJECT}/{key}", "subPath": key}
            for key in ("data", "output")
        ]
    return {
        "metadata": {"labels": {"app.kubernetes.io/name": name}},
        "spec": {
            "restartPolicy": "Never",
            "serviceAccountName": ACCOUNT,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 120,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "runner",
                    "image": deployment.image.reference,
                    "imagePullPolicy": "Always",
                    "args": command,
                    "env": [_variable(*item) for item in variables.items()],
                    "resources": {"requests": sizes, "limits": sizes},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "runAsNonRoot": True,
                        "runAsUser": USER,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": mounts,
                }
            ],
            "volumes": volumes,
        },
    }


def _variable(name: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 - a text or a source
    if isinstance(value, dict):
        return {"name": name, "valueFrom": value}
    # `$(NAME)` in a value would be replaced; `$$` stands for one `$`.
    return {"name": name, "value": str(value).replace("$", "$$")}


def _secret_files(seen: Ecosystem, pipelines: Iterable[Pipeline]) -> dict[str, Any]:
    names = secret_names(seen, pipelines)
    items = [{"key": name, "path": name} for name in names]
    items.append({"key": state_password(seen.deployment), "path": PASSWORD})
    source = {"secret": {"name": SECRET, "items": items}}
    return {"defaultMode": 0o440, "sources": [source]}


def secret_names(
    seen: Ecosystem, pipelines: Iterable[Pipeline] | None = None
) -> list[str]:
    """Every secret that the pods of some pipelines, or of all, ask for, sorted."""
    return sorted({*variables_of(seen, pipelines), state_password(seen.deployment)})


def keeps_files(ecosystem: Ecosystem) -> bool:
    """Whether files outlive a pod: what is read and written as LDIF."""
    return any(c.system == "ldif" for c in ecosystem.connections.values())
