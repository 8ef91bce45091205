"""How a project is deployed, after every check: what the outputs decide from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Image:
    """The image that runs pipelines, by tag or, which cannot change, by digest."""

    repository: str = "flexcore"
    tag: str = "latest"
    digest: str | None = None

    @property
    def reference(self) -> str:
        """What a container runtime is asked for."""
        if self.digest:
            return f"{self.repository}@{self.digest}"
        return f"{self.repository}:{self.tag}"


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits of one run. `cpus` is a decimal number, memory and disk are MiB."""

    cpus: str = "1"
    memory_mb: int = 1024
    disk_mb: int = 4096


@dataclass(frozen=True, slots=True)
class Secrets:
    """Where deployed pipelines find secrets.

    `backend` is env, file or vault; `store` names the ExternalSecrets store of
    vault and `store_kind` its kind.
    """

    backend: str = "file"
    store: str | None = None
    store_kind: str = "ClusterSecretStore"


@dataclass(frozen=True, slots=True)
class Airflow:
    """What the Airflow output asks of Airflow."""

    executor: str = "LocalExecutor"


@dataclass(frozen=True, slots=True)
class Runs:
    """How an engine treats a run that fails or hangs; times are minutes."""

    retries: int = 2
    retry_delay_minutes: int = 5
    timeout_minutes: int = 240


@dataclass(frozen=True, slots=True)
class Deployment:
    """The section `deploy:`; every field has a default.

    `postgres` is an external server for Meltano's state and events (host, port,
    database, username, password as `${NAME}`); empty, compose brings its own.
    `egress` are (CIDR, port) pairs that pods may reach, beside DNS.
    """

    image: Image = field(default_factory=Image)
    namespace: str = "flexcore"
    time_zone: str = "Etc/UTC"
    resources: Resources = field(default_factory=Resources)
    secrets: Secrets = field(default_factory=Secrets)
    postgres: Mapping[str, str | int] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    airflow: Airflow = field(default_factory=Airflow)
    runs: Runs = field(default_factory=Runs)
    egress: tuple[tuple[str, int], ...] = ()
