"""deploy/kubernetes/<environment>: CronJobs in a namespace that is closed.

Pods keep nothing, so Meltano's state and the events must be in Postgres. A pipeline
that is only the parts of one step is an Indexed Job, a pod per part; any other runs
its tasks in order in one pod.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from flexcore_gen.errors import InvalidEcosystemError, Problem
from flexcore_gen.outputs.kubernetes_pods import (
    ACCOUNT,
    FILES,
    SECRET,
    keeps_files,
    pod_template,
    secret_names,
)
from flexcore_gen.plan import PlannedFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flexcore_gen.deployment import Deployment
    from flexcore_gen.model import Pipeline
    from flexcore_gen.plan import Project
    from flexcore_gen.tasks import PipelinePlan

FOLDER = "deploy/kubernetes"
#: Exit codes that another try cannot change: EX_USAGE and EX_CONFIG of sysexits.h.
_CONFIGURATION_ERRORS = [64, 78]
#: The Job's uid, one per start; and the pod's, new for each try.
_JOB_UID = "metadata.labels['batch.kubernetes.io/controller-uid']"
_POD_UID = "metadata.uid"


def plan_files(project: Project) -> Iterator[PlannedFile]:
    """The namespace and its rules, secrets, discovery, and a file per pipeline.

    Raises:
        InvalidEcosystemError: Pods could not do without loss what is asked for.
    """
    ecosystem = project.ecosystem
    if problems := list(_problems(project)):
        raise InvalidEcosystemError(problems)
    deployment = ecosystem.deployment
    folder = f"{FOLDER}/{ecosystem.default_environment}"
    scheduled = [plan for plan in project.pipelines if plan.pipeline.schedule]
    files: dict[str, list[dict[str, Any]]] = {
        "namespace.yaml": _namespace(deployment, scheduled),
        "network.yaml": _network(deployment, scheduled),
        "discovery.yaml": [_discovery(project, deployment)],
        "prepare.yaml": [_prepare(project, deployment)],
    }
    if keeps_files(ecosystem):
        files["files.yaml"] = [_claim(deployment)]
    if deployment.secrets.backend == "vault":
        files["secrets.yaml"] = [_external_secret(project)]
    for name, objects in files.items():
        yield PlannedFile(
            f"{folder}/{name}", data=_list(objects), sources=project.sources()
        )
    pipelines = {pipeline.name: pipeline for pipeline in ecosystem.pipelines}
    for plan in scheduled:
        # With the settings of this environment, which the plan does not have.
        seen = pipelines[plan.pipeline.name]
        yield PlannedFile(
            f"{folder}/pipelines/{plan.pipeline.name}.yaml",
            data=_cron_job(project, plan, seen),
            sources=(plan.pipeline.mark, *(s.mark for s in plan.pipeline.steps)),
        )


def _problems(project: Project) -> Iterator[Problem]:
    ecosystem = project.ecosystem
    mark, deployment = ecosystem.mark, ecosystem.deployment
    if not any(plan.pipeline.schedule for plan in project.pipelines):
        yield Problem(
            mark,
            "kubernetes runs pipelines at their times, and none has a schedule",
            "give a pipeline a `schedule:`, or remove kubernetes from outputs",
            "outputs",
        )
    if not deployment.postgres:
        yield Problem(
            mark,
            "pods keep nothing, so Meltano's state needs a Postgres",
            "name it: `deploy: {postgres: {host: …}}`",
            "deploy.postgres",
        )
    if not str(ecosystem.events.get("store", "")).startswith("postgresql://"):
        yield Problem(
            mark,
            "pods keep nothing, so the events of runs need a store in Postgres",
            "set `events: {store: postgresql://…}`; see docs/how-to/runs.md",
            "events.store",
        )
    if not deployment.egress:
        yield Problem(
            mark,
            "pods would reach nothing: every way out of the namespace is closed",
            "list them: `deploy: {egress: [10.20.30.40/32:1521]}`",
            "deploy.egress",
        )
    if deployment.secrets.backend == "env":
        yield Problem(
            mark,
            "secrets as variables stand readable in a pod's description",
            "use `backend: file`, a Secret that is mounted, or vault",
            "deploy.secrets.backend",
        )


def _namespace(
    deployment: Deployment, scheduled: list[PipelinePlan]
) -> list[dict[str, Any]]:
    levels = ("enforce", "warn", "audit")
    labels = {f"pod-security.kubernetes.io/{level}": "restricted" for level in levels}
    at_once = 1 + sum(len(p.tasks) if _is_only_parts(p) else 1 for p in scheduled)
    # Twice, because a pod that is being replaced may still be ending.
    pods = 2 * at_once
    resources = deployment.resources
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": deployment.namespace, "labels": labels},
        },
        {
            **_object("v1", "ServiceAccount", ACCOUNT, deployment),
            "automountServiceAccountToken": False,
        },
        {
            **_object("v1", "ResourceQuota", "flexcore", deployment),
            "spec": {
                "hard": {
                    "pods": str(pods),
                    "limits.cpu": f"{round(float(resources.cpus) * 1000) * pods}m",
                    "limits.memory": f"{resources.memory_mb * pods}Mi",
                }
            },
        },
    ]


def _network(
    deployment: Deployment, scheduled: list[PipelinePlan]
) -> list[dict[str, Any]]:
    dns = {
        "to": [
            {
                "namespaceSelector": {
                    "matchLabels": {"kubernetes.io/metadata.name": "kube-system"}
                }
            }
        ],
        "ports": [{"protocol": name, "port": 53} for name in ("UDP", "TCP")],
    }
    ways = [
        {
            "to": [{"ipBlock": {"cidr": cidr}}],
            "ports": [{"protocol": "TCP", "port": port}],
        }
        for cidr, port in deployment.egress
    ]
    closed = _object("networking.k8s.io/v1", "NetworkPolicy", "closed", deployment)
    closed["spec"] = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    found = [closed]
    for name in ("flexcore-prepare", *(plan.pipeline.name for plan in scheduled)):
        policy = _object(
            "networking.k8s.io/v1", "NetworkPolicy", f"{name}-egress", deployment
        )
        policy["spec"] = {
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "policyTypes": ["Egress"],
            "egress": [dns, *ways],
        }
        found.append(policy)
    return found


def _discovery(project: Project, deployment: Deployment) -> dict[str, Any]:
    """What other services may look up: pipelines, and where they run."""
    services = {
        plan.pipeline.name: {
            "namespace": deployment.namespace,
            "cronjob": plan.pipeline.name,
            "schedule": plan.pipeline.schedule,
            "plugins": sorted({instance.plugin for instance in plan.instances}),
        }
        for plan in project.pipelines
        if plan.pipeline.schedule
    }
    text = json.dumps({"services": services}, indent=2)
    return {
        **_object("v1", "ConfigMap", "flexcore-service-discovery", deployment),
        # JSON is YAML too, and no text in it can become structure.
        "data": {"services.yaml": text},
    }


def _claim(deployment: Deployment) -> dict[str, Any]:
    return {
        **_object("v1", "PersistentVolumeClaim", FILES, deployment),
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": f"{deployment.resources.disk_mb}Mi"}},
        },
    }


def _external_secret(project: Project) -> dict[str, Any]:
    seen = project.ecosystem
    deployment = seen.deployment
    stores = {
        **seen.warehouse.secrets,
        **{k: v for c in seen.connections.values() for k, v in c.secrets.items()},
    }
    entries = []
    for name in secret_names(seen):
        key, _, part = stores.get(name, name).removeprefix("secret://").partition("#")
        reference = {"key": key, **({"property": part} if part else {})}
        entries.append({"secretKey": name, "remoteRef": reference})
    return {
        **_object("external-secrets.io/v1", "ExternalSecret", SECRET, deployment),
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {
                "name": deployment.secrets.store,
                "kind": deployment.secrets.store_kind,
            },
            "target": {"name": SECRET},
            "data": entries,
        },
    }


def _prepare(project: Project, deployment: Deployment) -> dict[str, Any]:
    """Meltano's database is made once, before pods start side by side."""
    job = _object("batch/v1", "Job", "flexcore-prepare", deployment)
    job["spec"] = {
        "backoffLimit": 2,
        "activeDeadlineSeconds": 600,
        "ttlSecondsAfterFinished": 86_400,
        "template": pod_template(
            project.ecosystem, "flexcore-prepare", ["meltano", "state", "list"], {}
        ),
    }
    return job


def _cron_job(
    project: Project, plan: PipelinePlan, pipeline: Pipeline
) -> dict[str, Any]:
    deployment = project.ecosystem.deployment
    command = ["meltano", "run", "--run-id", "$(FLEXCORE_ENGINE_RUN)"]
    # Each try has an id of its own; the parts of one start share theirs.
    variables: dict[str, Any] = {
        "FLEXCORE_PIPELINE": pipeline.name,
        "FLEXCORE_CORRELATION_ID": {"fieldRef": {"fieldPath": _JOB_UID}},
        "FLEXCORE_ENGINE_RUN": {"fieldRef": {"fieldPath": _POD_UID}},
    }
    retries = deployment.runs.retries
    spec: dict[str, Any] = {
        "activeDeadlineSeconds": deployment.runs.timeout_minutes * 60,
        "ttlSecondsAfterFinished": 86_400,
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "FailJob",
                    "onExitCodes": {
                        "containerName": "runner",
                        "operator": "In",
                        "values": _CONFIGURATION_ERRORS,
                    },
                },
                {
                    "action": "Ignore",
                    "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                },
            ]
        },
    }
    if _is_only_parts(plan):
        blocks = [task.blocks.split(" ") for task in plan.tasks]
        variables["FLEXCORE_PARTS"] = json.dumps(blocks)
        spec |= {
            "completionMode": "Indexed",
            "completions": len(blocks),
            "parallelism": len(blocks),
            "backoffLimitPerIndex": retries,
        }
    else:
        command.append(pipeline.name)
        spec["backoffLimit"] = retries
    spec["template"] = pod_template(
        project.ecosystem, pipeline.name, command, variables, [pipeline]
    )
    job = _object("batch/v1", "CronJob", pipeline.name, deployment)
    job["spec"] = {
        "schedule": pipeline.schedule,
        "timeZone": deployment.time_zone,
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 600,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 5,
        "jobTemplate": {"spec": spec},
    }
    return job


def _is_only_parts(plan: PipelinePlan) -> bool:
    tasks = plan.tasks
    return len(tasks) > 1 and not any(
        t.needs or t.steps != tasks[0].steps for t in tasks
    )


def _object(
    version: str, kind: str, name: str, deployment: Deployment
) -> dict[str, Any]:
    labels = {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/part-of": "flexcore",
        "app.kubernetes.io/managed-by": "flexcore-gen",
    }
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": deployment.namespace,
            "labels": labels,
        },
    }


def _list(objects: list[dict[str, Any]]) -> dict[str, Any]:
    if len(objects) == 1:
        return objects[0]
    return {"apiVersion": "v1", "kind": "List", "items": objects}
