"""What each part of ecosystem.yaml may hold: one table for reading and editors.

`ecosystem` reads with these shapes, `json_schema` turns them into the JSON
Schema that editors use, and the reference page is written from them; so the
three cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass

NAME_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
NAME_MAX = 40
IDENTIFIER_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
IDENTIFIER_MAX = 63

OUTPUTS = (
    "meltano",
    "dbt",
    "compose",
    "kubernetes",
    "airflow",
    "prometheus",
    "grafana",
    "github_actions",
    "gitlab_ci",
)
#: Rendered for each environment by itself; the others once.
DEPLOYED_OUTPUTS = ("compose", "kubernetes", "airflow")
#: Engines that start several steps or pipelines at the same time.
PARALLEL_OUTPUTS = ("airflow", "kubernetes")
#: What a compose stack may hold beside the runner and Postgres.
DEPLOY_PARTS = ("redis", "prometheus", "grafana")
WAREHOUSE_SYSTEMS = ("duckdb", "postgres", "oracle")


@dataclass(frozen=True, slots=True)
class Field:
    """One key: its kind of value and what it is for.

    Kinds: text, name, identifier, integer, boolean, texts, names,
    identifiers (each one or a list), mapping (of scalars), any, shape,
    shapes (a list of them), named (a mapping of them).
    """

    name: str
    kind: str
    description: str
    required: bool = False
    choices: tuple[str, ...] = ()
    shape: Shape | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """A mapping's keys; `is_open` lets a plugin's settings stand beside them."""

    title: str
    description: str
    fields: tuple[Field, ...]
    is_open: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The keys, in the order in which they are documented."""
        return tuple(field.name for field in self.fields)

    def field(self, name: str) -> Field:
        """The field of this name."""
        return next(field for field in self.fields if field.name == name)


STEP_CONFIG = Shape(
    "step configuration",
    "What a step does; any setting of its plugin may stand here too.",
    (
        Field("connection", "name", "The connection that a tap or target uses."),
        Field("query", "text", "Tap: one query; its stream is named like the step."),
        Field("streams", "texts", "Tap: the only streams to read."),
        Field("select", "texts", "Tap: Meltano selection patterns, `stream.column`."),
        Field(
            "replication_method",
            "text",
            "Tap: how its streams are read.",
            choices=("FULL_TABLE", "INCREMENTAL"),
        ),
        Field("replication_key", "text", "Tap: the column of INCREMENTAL."),
        Field("parallel_jobs", "integer", "Tap: into how many parts it is split."),
        Field(
            "partition",
            "shape",
            "Tap: how it is split.",
            shape=Shape(
                "partition",
                "How one extract is split into several.",
                (Field("count", "integer", "How many parts.", required=True),),
            ),
        ),
        Field("model", "identifier", "Transform: what to build; target: what to read."),
        Field("models", "identifiers", "The same for several models."),
        Field("schema", "identifier", "Transform: schema of the built models."),
        Field("vars", "mapping", "Transform: variables for dbt."),
        Field("stream", "text", "Target: name of the stream that it receives."),
        Field("fields", "mapping", "Target: column of the model to name of the field."),
        Field(
            "key_properties",
            "texts",
            "Target: fields that identify a record; upserts of a model need them.",
        ),
    ),
    is_open=True,
)
STEP = Shape(
    "step",
    "One step of a pipeline.",
    (
        Field("name", "name", "Unique in its pipeline.", required=True),
        Field("service", "text", "The plugin, such as flext-tap-ldif.", required=True),
        Field("description", "text", "For people."),
        Field("depends_on", "names", "Steps that come first and feed this one."),
        Field("config", "shape", "What the step does.", shape=STEP_CONFIG),
    ),
)
PIPELINE = Shape(
    "pipeline",
    "Steps that run together.",
    (
        Field("name", "name", "Unique in the project.", required=True),
        Field("description", "text", "For people."),
        Field("schedule", "text", "Cron expression or @hourly, @daily, @weekly …"),
        Field("metadata", "mapping", "Kept as annotations of the pipeline."),
        Field("foreach", "any", "Stamps out one pipeline per entry."),
        Field("steps", "shapes", "What it does.", required=True, shape=STEP),
    ),
)
REQUEST = Shape(
    "request",
    "The short form of a pipeline: tap, transform, target.",
    (
        Field(
            "pipeline_config",
            "shape",
            "The services.",
            required=True,
            shape=Shape(
                "pipeline_config",
                "The services of a short pipeline.",
                (
                    Field("name", "name", "Else the file's name is taken."),
                    Field("tap", "text", "Where data comes from.", required=True),
                    Field("transform", "text", "The dbt package, if any."),
                    Field("target", "text", "Where data goes."),
                    Field("model", "identifier", "The model to build and load."),
                    Field("schedule", "text", "Cron expression."),
                ),
            ),
        ),
        Field(
            "parameters",
            "shape",
            "Connections and sizes.",
            shape=Shape(
                "parameters",
                "Connections and sizes of a short pipeline.",
                (
                    Field("source_connection", "name", "Connection of the tap."),
                    Field("target_connection", "name", "Connection of the target."),
                    Field("batch_size", "integer", "Records per request or statement."),
                    Field("parallel_jobs", "integer", "Parts of the extract."),
                ),
            ),
        ),
        Field("metadata", "mapping", "Kept as annotations of the pipeline."),
    ),
)
CONNECTION = Shape(
    "connection",
    "A system and how to reach it; settings of its tap and target stand here.",
    (
        Field("system", "text", "Which system.", required=True),
        Field("description", "text", "For people."),
        Field("foreach", "any", "Stamps out one connection per entry."),
    ),
    is_open=True,
)
WAREHOUSE = Shape(
    "warehouse",
    "Where extracts land and dbt works.",
    (
        Field(
            "system",
            "text",
            "Which database.",
            required=True,
            choices=WAREHOUSE_SYSTEMS,
        ),
        Field("path", "text", "DuckDB: the file."),
        Field("host", "text", "Postgres, Oracle: host name."),
        Field("port", "integer", "Postgres, Oracle: port."),
        Field("database", "text", "Postgres: database."),
        Field("service_name", "text", "Oracle: service."),
        Field("username", "text", "Postgres, Oracle: who logs in."),
        Field("password", "text", "Postgres, Oracle: a ${NAME}."),
        Field("schema", "identifier", "Schema of the dbt models; default analytics."),
    ),
)
EVENT_NAMES = (
    "PipelineStarted",
    "DataExtracted",
    "DataExtractionCompleted",
    "SchemaChanged",
    "TransformationStarted",
    "DataTransformationCompleted",
    "TargetLoaded",
    "CommandCompleted",
    "PipelineCompleted",
    "PipelineFailed",
    "PipelineLost",
    "FreshnessMissed",
)
_PLAIN_TEXT = Field(
    "insecure_plain_text", "boolean", "Send in clear to another machine all the same."
)
_TOLD = (
    Field("name", "text", "Its name in `events deliver`; default its type."),
    Field("events", "texts", "Only of these.", choices=EVENT_NAMES),
    Field("pipelines", "texts", "Only of these pipelines."),
    Field("timeout_seconds", "integer", "For one attempt; default 10."),
    Field("attempts", "integer", "Before it waits for the next start; default 5."),
)
QUALITY_RULE = Shape(
    "quality rule",
    "How many rows of a stream are right.",
    (
        Field("min_rows", "integer", "At least so many."),
        Field("max_rows", "integer", "At most so many."),
        Field("max_rejected", "integer", "At most so many rejected."),
    ),
)
HANDLER = Shape(
    "handler",
    "Who is told of events, or judges a run.",
    (
        Field(
            "type",
            "text",
            "What it is.",
            required=True,
            choices=("webhook", "email", "quality", "audit_log"),
        ),
        *_TOLD,
        Field("url", "text", "webhook: where events are sent by POST."),
        Field("secret", "text", "webhook: a ${NAME}; signs each body."),
        Field("host", "text", "email: the SMTP server."),
        Field("port", "integer", "email: default 587, 465 or 25 by security."),
        Field(
            "security",
            "text",
            "email: default starttls.",
            choices=("starttls", "tls", "none"),
        ),
        Field("username", "text", "email: who logs in."),
        Field("password", "text", "email: a ${NAME}."),
        Field("from", "text", "email: the sender."),
        Field("to", "texts", "email: the receivers."),
        Field("ca_file", "text", "email: certificates to trust."),
        Field("path", "text", "audit_log: default .flexcore/audit.jsonl."),
        Field("syslog", "boolean", "audit_log: to syslog instead."),
        Field("streams", "any", "quality: stream to min_rows, max_rows, max_rejected."),
        Field("dbt_warnings", "text", "quality: what they are.", choices=("fail",)),
        _PLAIN_TEXT,
    ),
)
EXPORTER = Shape(
    "exporter",
    "Where runs are exported to.",
    (
        Field(
            "type",
            "text",
            "What it is.",
            required=True,
            choices=("openlineage", "otlp"),
        ),
        *_TOLD,
        Field("url", "text", "Default: the standard's own variables."),
        Field("path", "text", "openlineage: default .flexcore/openlineage.jsonl."),
        Field("namespace", "text", "openlineage: of jobs; default flexcore."),
        Field("api_key", "text", "openlineage: a ${NAME}."),
        _PLAIN_TEXT,
    ),
)
EVENTS = Shape(
    "events",
    "Where the history of runs is kept and who is told.",
    (
        Field("store", "text", "URL of the event store, sqlite or postgresql."),
        Field("handlers", "shapes", "Who is told of events.", shape=HANDLER),
        Field("exporters", "shapes", "Where runs are exported to.", shape=EXPORTER),
    ),
)
WATCH = Shape(
    "watch",
    "How runs are watched: for the outputs prometheus and grafana.",
    (
        Field("targets", "texts", "Where metrics are served, host:port."),
        Field("chat", "boolean", "Alerts go to a Slack-compatible webhook."),
        Field("emails", "texts", "Alerts go to these addresses."),
        Field("smtp_server", "text", "host:port of the mail server, with STARTTLS."),
        Field("smtp_from", "text", "Sender of alerts."),
        Field("smtp_username", "text", "Who logs in; its password is a file."),
    ),
)
DEPLOY = Shape(
    "deploy",
    "How the project is deployed; every key has a default.",
    (
        Field(
            "image",
            "shape",
            "The image that runs pipelines.",
            shape=Shape(
                "image",
                "An image, by tag or, which cannot change, by digest.",
                (
                    Field("repository", "text", "Default flexcore."),
                    Field("tag", "text", "Default latest; not beside digest."),
                    Field("digest", "text", "sha256: and 64 hexadecimal digits."),
                ),
            ),
        ),
        Field("namespace", "name", "Kubernetes namespace; default flexcore."),
        Field("time_zone", "text", "Of schedules, as Europe/Berlin; default Etc/UTC."),
        Field(
            "resources",
            "shape",
            "Limits of one run.",
            shape=Shape(
                "resources",
                "Limits of one run.",
                (
                    Field("cpus", "text", "Processors, as 0.5; default 1."),
                    Field("memory_mb", "integer", "MiB; default 1024."),
                    Field("disk_mb", "integer", "MiB of scratch; default 4096."),
                ),
            ),
        ),
        Field(
            "secrets",
            "shape",
            "Where deployed pipelines find secrets.",
            shape=Shape(
                "secrets",
                "Where deployed pipelines find secrets.",
                (
                    Field(
                        "backend",
                        "text",
                        "env, file (default), or vault through External Secrets.",
                        choices=("env", "file", "vault"),
                    ),
                    Field("store", "name", "vault: the External Secrets store."),
                    Field(
                        "store_kind",
                        "text",
                        "vault: kind of the store; default ClusterSecretStore.",
                        choices=("ClusterSecretStore", "SecretStore"),
                    ),
                ),
            ),
        ),
        Field(
            "postgres",
            "shape",
            "An external Postgres for state and events; compose else brings one.",
            shape=Shape(
                "postgres",
                "A Postgres server.",
                (
                    Field("host", "text", "Host name.", required=True),
                    Field("port", "integer", "Default 5432."),
                    Field("database", "identifier", "Default flexcore."),
                    Field("username", "identifier", "Default flexcore."),
                    Field("password", "text", "A ${NAME}; default POSTGRES_PASSWORD."),
                ),
            ),
        ),
        Field(
            "parts",
            "texts",
            "Optional parts of the compose stack.",
            choices=DEPLOY_PARTS,
        ),
        Field(
            "airflow",
            "shape",
            "What is asked of Airflow.",
            shape=Shape(
                "airflow",
                "What is asked of Airflow.",
                (
                    Field(
                        "executor",
                        "text",
                        "Default LocalExecutor.",
                        choices=(
                            "LocalExecutor",
                            "CeleryExecutor",
                            "KubernetesExecutor",
                        ),
                    ),
                ),
            ),
        ),
        Field(
            "runs",
            "shape",
            "How Airflow and Kubernetes treat a run that fails or hangs.",
            shape=Shape(
                "runs",
                "How a run that fails or hangs is treated.",
                (
                    Field("retries", "integer", "Default 2."),
                    Field("retry_delay_minutes", "integer", "Airflow; default 5."),
                    Field("timeout_minutes", "integer", "Of one try; default 240."),
                ),
            ),
        ),
        Field("egress", "texts", "Kubernetes: CIDR:port that pods may reach."),
    ),
)
ECOSYSTEM = Shape(
    "ecosystem",
    "What is connected to what.",
    (
        Field("version", "integer", "Version of this format: 1.", required=True),
        Field("project", "name", "The project's name.", required=True),
        Field("description", "text", "For people."),
        Field("warehouse", "shape", "Where extracts land.", shape=WAREHOUSE),
        Field("connections", "named", "The systems, by name.", shape=CONNECTION),
        Field(
            "pipelines",
            "shapes",
            "Pipelines, besides those in pipelines/*.yaml.",
            shape=PIPELINE,
        ),
        Field("defaults", "any", "Settings for every plugin that knows them."),
        Field("environments", "names", "Overlays stand in config/<environment>.yaml."),
        Field("default_environment", "name", "Else the first of environments."),
        Field("events", "shape", "History of runs.", shape=EVENTS),
        Field("watch", "shape", "Metrics and alerts.", shape=WATCH),
        Field("outputs", "texts", "What generate renders.", choices=OUTPUTS),
        Field("deploy", "shape", "How it is deployed.", shape=DEPLOY),
        Field(
            "install",
            "text",
            "shared: one virtual environment; isolated: one per plugin package.",
            choices=("shared", "isolated"),
        ),
        Field("state_backend", "text", "URI of Meltano's state, default its database."),
        Field("owned", "texts", "Rendered files that you took over."),
    ),
)
OVERLAY = Shape(
    "overlay",
    "What differs in one environment: config/<environment>.yaml.",
    (
        Field("warehouse", "shape", "Merged over the warehouse.", shape=WAREHOUSE),
        Field("connections", "named", "Merged over connections.", shape=CONNECTION),
        Field("pipelines", "any", "pipeline name, step name, settings."),
        Field("events", "shape", "Merged over events.", shape=EVENTS),
        Field("deploy", "shape", "Merged over deploy.", shape=DEPLOY),
        Field(
            "outputs",
            "texts",
            "How this environment is deployed, instead of what outputs says.",
            choices=DEPLOYED_OUTPUTS,
        ),
        Field("defaults", "any", "Merged over defaults."),
    ),
)
