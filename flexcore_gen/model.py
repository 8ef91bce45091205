"""What an ecosystem says, after every check: frozen and without YAML.

`ecosystem` builds these, `landing` and the outputs read them. A setting's
value may hold `${NAME}` references; nothing here ever holds a secret's value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flexcore_gen.deployment import Deployment
from flexcore_gen.shapes import DEPLOYED_OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from flexcore_gen.errors import Mark, Problem
    from flexcore_gen.loading import Plain


@dataclass(frozen=True, slots=True)
class Connection:
    """A system and how to reach it. `settings` holds canonical setting names."""

    name: str
    system: str
    settings: Mapping[str, Plain]
    mark: Mark
    secrets: Mapping[str, str] = field(default_factory=dict)

    @property
    def schema(self) -> str:
        """The warehouse schema in which its extracts land."""
        return f"raw_{self.name.replace('-', '_')}"

    @property
    def source(self) -> str:
        """The name of its dbt source."""
        return self.name.replace("-", "_")


@dataclass(frozen=True, slots=True)
class Warehouse:
    """Where extracts land. Settings: path, or host, port, database and so on."""

    system: str
    settings: Mapping[str, Plain]
    mark: Mark
    model_schema: str = "analytics"
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Partition:
    """How an extract is split: into `count` parts, which its tap tells apart."""

    count: int


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    `settings` are the plugin's; the other fields are what the generator acts
    on. `models` are dbt models: built by a transform, read by a load.
    """

    name: str
    plugin: str
    kind: str
    mark: Mark
    connection: str | None = None
    depends_on: tuple[str, ...] = ()
    settings: Mapping[str, Plain] = field(default_factory=dict)
    streams: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    replication_method: str | None = None
    replication_key: str | None = None
    partition: Partition | None = None
    models: tuple[str, ...] = ()
    model_schema: str | None = None
    variables: Mapping[str, Plain] = field(default_factory=dict)
    stream: str | None = None
    fields: Mapping[str, Plain] = field(default_factory=dict)
    key_properties: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Steps that run together, in file order."""

    name: str
    steps: tuple[Step, ...]
    mark: Mark
    description: str = ""
    schedule: str | None = None
    metadata: Mapping[str, Plain] = field(default_factory=dict)

    def step(self, name: str) -> Step:
        """The step of this name."""
        return next(step for step in self.steps if step.name == name)


@dataclass(frozen=True, slots=True)
class Environment:
    """What one environment changes.

    `connections` and `warehouse` are complete, for what the overlay touches;
    `steps` maps (pipeline, step) to the settings that differ. `outputs` says how it
    is deployed; None: as the ecosystem says. `mark` is the overlay's, if it has one.
    """

    name: str
    mark: Mark | None = None
    connections: Mapping[str, Connection] = field(default_factory=dict)
    warehouse: Warehouse | None = None
    steps: Mapping[tuple[str, str], Mapping[str, Plain]] = field(default_factory=dict)
    events: Mapping[str, Plain] = field(default_factory=dict)
    defaults: Mapping[str, Plain] | None = None
    deployment: Deployment | None = None
    outputs: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """How runs are watched."""

    targets: tuple[str, ...] = ("127.0.0.1:9464",)
    chat: bool = False
    emails: tuple[str, ...] = ()
    smtp_server: str = ""
    smtp_from: str = ""
    smtp_username: str = ""


@dataclass(frozen=True, slots=True)
class Ecosystem:
    """Everything that ecosystem.yaml, pipelines/ and config/ say.

    `folder` is where they stand, and the project's own plugins below it.
    """

    project: str
    warehouse: Warehouse
    connections: Mapping[str, Connection]
    pipelines: tuple[Pipeline, ...]
    environments: tuple[Environment, ...]
    default_environment: str
    outputs: tuple[str, ...]
    mark: Mark
    folder: Path
    source: str = "ecosystem.yaml"
    events: Mapping[str, Plain] = field(default_factory=dict)
    defaults: Mapping[str, Plain] = field(default_factory=dict)
    deployment: Deployment = field(default_factory=Deployment)
    install: str = "shared"
    state_backend: str | None = None
    watch: Watch = field(default_factory=Watch)
    owned: tuple[str, ...] = ()
    remarks: tuple[Problem, ...] = ()

    def connection_in(self, name: str, environment: Environment | None) -> Connection:
        """A connection as one environment sees it; None means the base."""
        if environment and name in environment.connections:
            return environment.connections[name]
        return self.connections[name]

    def warehouse_in(self, environment: Environment) -> Warehouse:
        """The warehouse as one environment sees it."""
        return environment.warehouse or self.warehouse

    def deployment_in(self, environment: Environment) -> Deployment:
        """How one environment is deployed."""
        return environment.deployment or self.deployment

    def deployed_by(self, environment: Environment) -> tuple[str, ...]:
        """The outputs that deploy one environment."""
        chosen = self.outputs if environment.outputs is None else environment.outputs
        return tuple(name for name in DEPLOYED_OUTPUTS if name in chosen)
