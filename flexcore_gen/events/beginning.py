"""Begins a run: its lock, its ids, what dead runs left behind, PipelineStarted."""

from __future__ import annotations

import contextlib
import os
import uuid
from typing import TYPE_CHECKING, Any

from flexcore_gen.events import destinations, locations, privacy, processes
from flexcore_gen.events.journal import Journal
from flexcore_gen.events.lineage_ids import (
    PARENT_VARIABLE,
    ROOT_VARIABLE,
    above,
    own_run,
)
from flexcore_gen.events.listener import warn
from flexcore_gen.events.recorder import Recorder
from flexcore_gen.events.recovery import settle
from flexcore_gen.events.run_event import utc_now
from flexcore_gen.events.running import RunningRun, RunRefusedError, RunRegistry
from flexcore_gen.events.sensitive_settings import environment_secrets
from flexcore_gen.events.steps import plan_steps
from flexcore_gen.events.store import Holder, StoreError
from flexcore_gen.events.trace import begin_trace, engine_run_id, hand_on, handed_in

if TYPE_CHECKING:
    from flexcore_gen.events.destinations import Destination
    from flexcore_gen.events.exclusion import Claim
    from flexcore_gen.events.trace import Trace

EXIT_REFUSED = 75
"""EX_TEMPFAIL of sysexits.h: try again later."""

PIPELINE_VARIABLE = "FLEXCORE_PIPELINE"
"""An engine's tasks are runs of their own; this names the pipeline they belong to."""


def begin(
    command: str, meltano_run_id: str, blocks: list[list[str]]
) -> Recorder | None:
    """Begin recording a run.

    Args:
        command: `run` or `el`.
        meltano_run_id: Meltano's own id of the run, a UUID.
        blocks: Plugin names of each block of `run`; empty for `el`.

    Returns:
        The recorder, or None when nothing is going to run (`--dry-run`).

    Raises:
        CliError: The pipeline is running already; Meltano ends with exit code 75.
    """
    import click  # noqa: PLC0415 - only for runs
    from meltano.core.project import Project  # noqa: PLC0415 - only for runs

    context = click.get_current_context(silent=True)
    options: dict[str, Any] = dict(context.params) if context else {}
    if _moves_nothing(options):
        return None
    project = Project.find()
    if command == "el":
        blocks = [[options["extractor"], options["loader"]]]
    trace = begin_trace(meltano_run_id)
    run = _describe(command, meltano_run_id, blocks, options, project, trace)
    directory = locations.flexcore_directory(project.root)
    registry = RunRegistry(directory)
    dead = _enter(registry, run)
    privacy.close_run_directory(project.sys_dir_root)
    journal = Journal(
        locations.store_address(
            project.root, project.settings.get("flexcore.events_store"), run.environment
        ),
        project.root,
        directory,
        warn,
    )
    has_store_lock = _hold(journal, registry, run, project)
    settle(dead, registry, journal, project.sys_dir_root, warn)
    trace.export(run.run_id)
    told = _destinations(project, run.environment)
    _hand_down_lineage(run, told)
    recorder = Recorder(
        run=run,
        steps=plan_steps(project, blocks),
        project=project,
        journal=journal,
        registry=registry,
        secrets=environment_secrets(project),
        destinations=told,
    )
    details = _details(run, options, trace, blocks)
    if has_store_lock:
        details["store_lock"] = _shared_claim(project, run).key
    recorder.start(details)
    return recorder


def _destinations(project: Any, environment: str | None) -> list[Destination]:  # noqa: ANN401 - meltano.core.project.Project
    try:
        document: dict[str, Any] = {
            "annotations": _annotated(project.meltano),
            "environments": [],
        }
        if project.environment:
            own = {"name": environment, "annotations": _annotated(project.environment)}
            document["environments"] = [own]
        return destinations.read(destinations.notes_of(document, environment))
    except Exception as error:  # noqa: BLE001 - the run goes on without them
        warn(f"nobody is told of this run: {type(error).__name__}: {error}")
        return []


def _hand_down_lineage(run: RunningRun, told: list[Destination]) -> None:
    """Put this run above what its plugins report to OpenLineage, if it is reported."""
    exporter = next((each for each in told if each.kind == "openlineage"), None)
    if exporter is None:
        for name in (PARENT_VARIABLE, ROOT_VARIABLE):
            hand_on(name)
        return
    own = own_run(run.pipeline, run.run_id, exporter.optional("namespace"))
    top = above(handed_in(PARENT_VARIABLE), handed_in(ROOT_VARIABLE))[1]
    os.environ[PARENT_VARIABLE] = str(own)
    os.environ[ROOT_VARIABLE] = str(top or own)


def _annotated(part: Any) -> dict[str, Any]:  # noqa: ANN401 - meltano.core.behavior.canonical.Canonical
    # `canonical()` would give them too, and take a while with 500 pipelines.
    found = getattr(part, "_annotations", None)
    return dict(found.data or {}) if found else {}


def _moves_nothing(options: dict[str, Any]) -> bool:
    install = getattr(options.get("install_plugins"), "__name__", "")
    only_installs = install == "_install_plugins_and_exit"
    return bool(options.get("dry_run") or options.get("dry") or only_installs)


def _describe(
    command: str,
    meltano_run_id: str,
    blocks: list[list[str]],
    options: dict[str, Any],
    project: Any,  # noqa: ANN401 - meltano.core.project.Project
    trace: Trace,
) -> RunningRun:
    environment = project.environment.name if project.environment else None
    typed = options.get("blocks") or [name for block in blocks for name in block]
    pipeline = " ".join(typed).encode("utf-8", "replace").decode()
    # A run id given by hand (--run-id) may come again; an event stream may not.
    # An engine says that its id is new. It must be Meltano's too: others judge by it
    # whether the row that a dead run left in Meltano's database may be failed.
    given = options.get("run_id") is not None and engine_run_id() != meltano_run_id
    run_id = str(uuid.uuid4()) if given else meltano_run_id
    if command == "el":
        # Without a state id each `meltano el` stands alone, files and all.
        state_id = options.get("state_id")
        lock_key = f"el\n{environment}\n{state_id or run_id}"
    else:
        suffix = options.get("state_id_suffix") or ""
        lock_key = f"run\n{environment}\n{pipeline}\n{suffix}"
    pid = os.getpid()
    return RunningRun(
        run_id=run_id,
        correlation_id=trace.correlation_id,
        meltano_run_id=meltano_run_id,
        pipeline=pipeline,
        environment=environment,
        lock_key=lock_key,
        command=command,
        plugins=[name.partition(":")[0] for block in blocks for name in block],
        source=f"/flexcore/{project.root.name}/{environment or ''}",
        host=processes.host_name(),
        pid=pid,
        process_started=processes.start_ticks(pid),
        boot_id=processes.boot_id(),
        since=utc_now(),
        engine_pipeline=os.environ.get(PIPELINE_VARIABLE, ""),
    )


def _enter(registry: RunRegistry, run: RunningRun) -> list[RunningRun]:
    try:
        return registry.enter(run)
    except RunRefusedError as refusal:
        holder = refusal.holder
        _say_who(run, Holder(holder.run_id, holder.host, holder.pid, holder.since))
        raise _refusal() from None
    except OSError as error:
        warn(f"this run holds no lock: {error}")
        return []


def _hold(
    journal: Journal,
    registry: RunRegistry,
    run: RunningRun,
    project: Any,  # noqa: ANN401 - meltano.core.project.Project
) -> bool:
    """Hold the run's claim in a store that hosts share; return whether it does."""
    store = journal.store
    if store is None or not store.has_locks:
        return False
    try:
        other = store.hold(_shared_claim(project, run), run.run_id)
    except StoreError as error:
        journal.give_up(error)
        return False
    if other is None:
        return True
    registry.leave()
    journal.close()
    _say_who(run, other)
    raise _refusal()


def _shared_claim(project: Any, run: RunningRun) -> Claim:  # noqa: ANN401 - meltano.core.project.Project
    return run.claim.in_project(str(project.settings.get("project_id") or ""))


def _say_who(run: RunningRun, holder: Holder) -> None:
    where = [
        f"run {holder.run_id}" if holder.run_id else "a run of another login",
        f"pid {holder.pid} on {holder.host}" if holder.pid else "about to start",
    ]
    if holder.since:
        where.append(f"since {holder.since}")
    stop = f", or stop it with `kill {holder.pid}`" if holder.pid else ""
    if stop and holder.host != run.host:
        stop += f" on {holder.host}"
    warn(
        f'error: pipeline "{run.pipeline}" is running already'
        f"{f' in {run.environment}' if run.environment else ''}\n"
        f"  where: {', '.join(where)}\n"
        f"  fix:   wait for it to end{stop}"
    )


def _refusal() -> Exception:
    from meltano.cli.utils import CliError  # noqa: PLC0415 - rarely

    error = CliError("The pipeline is running already", exit_code=EXIT_REFUSED)
    error.printed = True
    error.stops_the_run = True  # type: ignore[attr-defined]
    return error


def _details(
    run: RunningRun,
    options: dict[str, Any],
    trace: Trace,
    blocks: list[list[str]],
) -> dict[str, Any]:
    user = ""
    with contextlib.suppress(Exception):  # an id without a name, in containers
        import pwd  # noqa: PLC0415 - only for runs

        user = pwd.getpwuid(os.getuid()).pw_name
    return {
        "run_id": run.run_id,
        "meltano_run_id": run.meltano_run_id,
        "pipeline": run.pipeline,
        "environment": run.environment,
        "command": run.command,
        "steps": [" ".join(block) for block in blocks],
        "plugins": run.plugins,
        "full_refresh": bool(options.get("full_refresh")),
        "state_id": options.get("state_id"),
        "state_id_suffix": options.get("state_id_suffix"),
        "trigger": os.environ.get("MELTANO_JOB_TRIGGER"),
        "user": user,
        "host": run.host,
        "pid": run.pid,
        "process_started": run.process_started,
        "boot_id": run.boot_id,
        "trace_id": trace.trace_id,
        "span_id": trace.span_id,
        "parent_span_id": trace.parent_span_id,
        "openlineage_parent": handed_in(PARENT_VARIABLE),
        "openlineage_root": handed_in(ROOT_VARIABLE),
    }
