"""The command `flext-target-oracle-wms`."""

from __future__ import annotations

import difflib
import functools
from pathlib import Path
from typing import TYPE_CHECKING

from flext_singer import FlextTarget, entry_point
from singer_sdk import typing as th

from flext_oracle_wms.client import Client
from flext_oracle_wms.dry_run import DryRunFile
from flext_oracle_wms.entities import list_entities
from flext_oracle_wms.errors import PermissionDeniedError, WmsError
from flext_oracle_wms.journal import Journal, default_path
from flext_oracle_wms.operations import MODES
from flext_oracle_wms.related import Related
from flext_oracle_wms.settings import ALIASES, CONNECTION, canonical, problems
from flext_oracle_wms.sinks import WmsSink, options_of, policy_of
from flext_oracle_wms.staging import MAX_PARALLEL_SUBMITS, Options

if TYPE_CHECKING:
    from flext_oracle_wms.stage_statuses import Policy

TARGET_ALIASES = {
    **ALIASES,
    "operation": "operation_mode",
    "entity_mapping": "entity",
    "max_parallel_submits": "max_parallel_requests",
}
STATUSES = th.ArrayType(th.IntegerType)


class TargetOracleWms(FlextTarget):
    """Writes records into one environment of Oracle WMS Cloud."""

    name = "flext-target-oracle-wms"
    package_name = "flext-oracle-wms"
    default_sink_class = WmsSink
    config_jsonschema = th.PropertiesList(
        *CONNECTION,
        th.Property(
            "entity",
            th.CustomType({"type": ["string", "object"]}),
            title="Entity",
            description=(
                "Entity to write, or {stream or *: entity}; default the stream's name."
                " lgfapi/<entity> writes it through the REST API in any case."
            ),
        ),
        th.Property(
            "operation_mode",
            th.StringType,
            default="upsert",
            allowed_values=list(MODES),
            title="Operation",
            description="What is done with each record; its _operation wins.",
        ),
        th.Property(
            "upsert_action_code",
            th.StringType,
            default="auto",
            allowed_values=["auto", "CREATE", "UPDATE"],
            title="Action code of upserts",
            description="What an interface is told; auto looks whether it exists.",
        ),
        th.Property(
            "field_mapping",
            th.ObjectType(additional_properties=th.CustomType({"type": "object"})),
            title="Fields",
            description="{stream or *: {column: field}}; null leaves a column out.",
        ),
        th.Property(
            "relation_lookups",
            th.ObjectType(additional_properties=th.StringType),
            title="Relations",
            description="{stem: entity.field}: where the id of stem_key is found.",
        ),
        th.Property(
            "batch_size",
            th.IntegerType(minimum=1),
            default=200,
            title="Batch size",
            description="Records per interface document; size limits it as well.",
        ),
        th.Property(
            "max_parallel_requests",
            th.IntegerType(minimum=1, maximum=MAX_PARALLEL_SUBMITS),
            default=4,
            title="Parallel requests",
            description="Interface documents under way at once; Oracle allows 9.",
        ),
        th.Property(
            "stage_async",
            th.BooleanType,
            default=True,
            title="Asynchronous interface",
            description="Whether the service answers before it processes.",
        ),
        th.Property(
            "validate_xml",
            th.BooleanType,
            default=True,
            title="Validate documents",
            description="Whether the service checks documents as it receives them.",
        ),
        th.Property(
            "stage_timeout_seconds",
            th.NumberType(exclusive_minimum=0),
            default=1200,
            title="Stage timeout (seconds)",
            description="How long to wait until staged records are processed.",
        ),
        th.Property(
            "stage_rejected_statuses",
            STATUSES,
            default=[99, 101],
            title="Rejected statuses",
            description="Statuses of stage rows that mean rejected.",
        ),
        th.Property(
            "stage_processed_statuses",
            STATUSES,
            default=[90],
            title="Processed statuses",
            description="Statuses of stage rows that mean processed.",
        ),
        th.Property(
            "origin_system",
            th.StringType,
            default="Host",
            title="Origin system",
            description="OriginSystem in the header of interface documents.",
        ),
        th.Property(
            "client_environment",
            th.StringType,
            title="Client environment",
            description="ClientEnvCode in the header of interface documents.",
        ),
        th.Property(
            "inventory_reason_code",
            th.StringType,
            title="Inventory reason",
            description="Reason code of inventory whose record names none.",
        ),
        th.Property(
            "journal_path",
            th.StringType,
            title="Journal",
            description=(
                "File that remembers which inventory was sent, so that a rerun adds"
                " none twice; default in the project's .flexcore folder."
            ),
        ),
        th.Property(
            "dry_run_path",
            th.StringType,
            title="Dry run file",
            description="Write the requests there instead of sending them; no STATE.",
        ),
    ).to_dict()

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        self._config = canonical(self._config, TARGET_ALIASES, ())
        return super()._validate_config(raise_errors=raise_errors)

    def check_settings(self) -> list[str]:
        """Sentences about settings that do not go together."""
        return problems(self.config)

    @functools.cached_property
    def client(self) -> Client:
        """The connection; made when it is first needed."""
        return Client(self.config, user_agent=f"{self.name}/{self.plugin_version}")

    @functools.cached_property
    def related(self) -> Related:
        """Ids of rows that records refer to by key."""
        return Related(self.client, self.config.get("relation_lookups") or {})

    @functools.cached_property
    def journal(self) -> Journal:
        """Which inventory was sent."""
        path = self.config.get("journal_path")
        return Journal(Path(path) if path else default_path(self.client.base_url))

    @functools.cached_property
    def stage_options(self) -> Options:
        """How interface documents are sent."""
        return options_of(self.config)

    @functools.cached_property
    def stage_policy(self) -> Policy:
        """How long to wait for staged records."""
        return policy_of(self.config)

    @functools.cached_property
    def dry_run(self) -> DryRunFile | None:
        """The file of a dry run, if this is one."""
        path = self.config.get("dry_run_path")
        return DryRunFile(path) if path else None

    @functools.cached_property
    def entities(self) -> list[str] | None:
        """What the service lists; None where this user may not see the list."""
        try:
            return list_entities(self.client)
        except PermissionDeniedError:
            return None

    def check_entity(self, entity: str, stream: str) -> None:
        """An entity that does not exist is an error, not a record that is not there.

        Raises:
            WmsError: The service lists entities, and not this one.
        """
        if self.entities is None or entity in self.entities:
            return
        near = difflib.get_close_matches(entity, self.entities, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise WmsError(
            f"the service has no entity {entity!r}",
            where=f"stream {stream!r}",
            fix=f"{hint}Set `entity` to the one that this stream is to be written to",
        )

    def commit(self) -> None:
        """Nothing is left to do: `load` returns when every record has its verdict."""

    def close(self, *, failed: bool) -> None:
        """Closes connections; puts a dry run's file in its place."""
        if self.config.get("dry_run_path") and (
            not failed or "dry_run" in self.__dict__
        ):
            file = self.dry_run
            if file is not None:
                file.finish(failed=failed)
                self.logger.info("Dry run: %d requests planned", file.requests)
        if "client" in self.__dict__:
            self.client.close()

    def _write_state(self) -> None:
        """Keeps STATE back in a dry run: nothing has been moved."""
        if self.config.get("dry_run_path"):
            self._waiting_state = None
            return
        super()._write_state()


main = entry_point(TargetOracleWms)
