"""Records one run: turns what the listener hears into events.

It exists from the moment Meltano has validated the blocks of a run and is about to
start the first one; from then on exactly one terminal event is written, however
the process ends. Short of `kill -9`: the next start does that (recovery).
"""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from flexcore_gen.events import (
    background,
    failure,
    moved_data,
    plugin_starts,
    processes,
    schema_changes,
    verdict,
)
from flexcore_gen.events.block_notes import BlockNotes
from flexcore_gen.events.dbt_results import DbtArtifacts, artifacts_of
from flexcore_gen.events.listener import warn
from flexcore_gen.events.locations import STORE_VARIABLE, flexcore_directory
from flexcore_gen.events.quality import QualityRules
from flexcore_gen.events.run_writer import RunWriter
from flexcore_gen.events.steps import EXTRACT_LOAD, TRANSFORMATION, Step
from flexcore_gen.events.store import RunClosedError
from flexcore_gen.events.termination import Termination

if TYPE_CHECKING:
    from pathlib import Path

    from flexcore_gen.events.destinations import Destination
    from flexcore_gen.events.journal import Journal
    from flexcore_gen.events.masking import Secrets
    from flexcore_gen.events.running import RunningRun, RunRegistry


class Recorder:
    """The run of this process, from PipelineStarted to its terminal event."""

    def __init__(
        self,
        *,
        run: RunningRun,
        steps: list[Step],
        project: Any,  # noqa: ANN401 - meltano.core.project.Project
        journal: Journal,
        registry: RunRegistry,
        secrets: Secrets,
        destinations: list[Destination],
    ) -> None:
        self._run = run
        self._steps = steps
        self._project = project
        self._journal = journal
        self._registry = registry
        self._writer = RunWriter(run, journal, secrets, project)
        self._destinations = destinations
        self._quality = QualityRules(destinations, run.pipeline)
        self._notes = BlockNotes()
        self._artifacts: DbtArtifacts | None = None
        self._catalog: Path | None = None
        self._step = 0
        self._step_began = time.monotonic()
        self._rows_extracted = 0
        self._rows_loaded = 0
        self._failure: failure.Failure | None = None
        self._error: str | None = None
        self._is_open = True
        self._startup_seconds = 0.0
        self._began = time.monotonic()
        self._termination = Termination()

    # -- the beginning ---------------------------------------------------------

    def start(self, details: dict[str, Any]) -> None:
        """Write PipelineStarted and be ready for every ending."""
        atexit.register(self._at_exit)
        plugin_starts.observers.append(self.plugin_starts)
        self._startup_seconds = round(processes.age_seconds(), 3)
        self._began = self._step_began = time.monotonic()
        self._write(
            "PipelineStarted",
            {**details, "startup_seconds": self._startup_seconds},
        )
        self._enter_step()
        run, told = self._run, self._destinations
        background.mark_beginning(told, self._journal.store, run.run_id)
        if any(each.wants("PipelineStarted", run.pipeline) for each in told):
            self._deliver(wait=False)

    # -- what the listener hears -----------------------------------------------

    def plugin_line(self, level: int, event: object, said: dict[str, Any]) -> None:
        """Take in a line that a plugin wrote to stderr."""
        self._notes.line(level, event, said)

    def plugin_starts(self, invoker: Any) -> None:  # noqa: ANN401 - PluginInvoker
        """Look at a plugin's resolved settings, right before its process starts."""
        self._writer.plugin_starts(invoker)
        step = self._steps[self._step]
        if step.kind == TRANSFORMATION:
            self._artifacts = artifacts_of(invoker)
        elif step.kind == EXTRACT_LOAD and invoker.plugin.name == step.extractor:
            self._catalog = invoker.files.get("catalog")

    def block_done(
        self,
        index: int,
        *,
        succeeded: bool,
        seconds: float,
        error: object = None,
        exit_codes: object = None,
    ) -> None:
        """Record the end of a block.

        Raises:
            RunIncompleteError: The block says it succeeded but did not move all.
        """
        if not self._is_open:
            return
        step = self._steps[index]
        done: dict[str, Any] = {**step.summary(), "duration_seconds": seconds}
        if step.kind == TRANSFORMATION and self._artifacts is not None:
            done |= self._artifacts.read(self._run.run_id)
        if not succeeded:
            self._failure = failure.of_block(
                step, done, self._notes, str(error), exit_codes
            )
            return
        if step.kind == EXTRACT_LOAD:
            self._refuse_false_success(step, done)
        self._refuse_bad_quality(step, done)
        if step.kind == EXTRACT_LOAD:
            self._extract_load_done(step, done)
        elif step.kind == TRANSFORMATION:
            self._write("DataTransformationCompleted", done)
        else:
            self._write("CommandCompleted", done)
        self._step = index + 1
        self._enter_step()

    def timed_out(self, seconds: float) -> None:
        """Remember that `--timeout` ended the run."""
        self._error = f"timed out after {seconds} s"

    def stopping(self) -> None:
        """See to it that plugins which ignore SIGTERM do not hold up the end."""
        self._termination.kill_stragglers_later()

    def command_error(self, text: str) -> None:
        """Remember the error with which Meltano's command ends."""
        self._error = self._error or text

    def run_done(self, *, succeeded: bool) -> None:
        """Write the terminal event; called inside Meltano's own `finally`."""
        if succeeded and self._failure is None:
            self._complete()
        else:
            self._fail(self._signal() or self._error or self._why())

    def el_done(self) -> None:
        """Record the one block of `meltano el`; the run ends with the process."""
        self.block_done(
            0,
            succeeded=True,
            seconds=round(time.monotonic() - self._step_began, 3),
        )

    def el_failed(self, error: str, side: str, code: object) -> None:
        """Record that the tap or the target of `meltano el` failed."""
        seconds = round(time.monotonic() - self._step_began, 3)
        self.block_done(
            0, succeeded=False, seconds=seconds, error=error, exit_codes={side: code}
        )

    # -- one step --------------------------------------------------------------

    def _enter_step(self) -> None:
        self._notes = BlockNotes()
        self._artifacts = None
        self._catalog = None
        self._step_began = time.monotonic()
        self._termination.arm()
        if self._step >= len(self._steps):
            return
        step = self._steps[self._step]
        if step.kind == TRANSFORMATION:
            self._write("TransformationStarted", step.summary())

    def _extract_load_done(self, step: Step, done: dict[str, Any]) -> None:
        notes, settings = self._notes, self._writer.settings
        self._rows_extracted += notes.rows_extracted()
        self._rows_loaded += notes.rows_loaded()
        self._report_schema_changes(step)
        extracted = moved_data.extracted(step, done, notes, settings)
        self._write("DataExtracted", extracted)
        self._write("TargetLoaded", moved_data.loaded(step, done, notes, settings))
        if moved_data.ends_extraction(self._steps, step):
            self._write(
                "DataExtractionCompleted",
                {"rows": self._rows_extracted, "steps": step.index + 1},
            )

    def _report_schema_changes(self, step: Step) -> None:
        if self._catalog is None:
            return
        now = schema_changes.read_catalog(self._catalog)
        directory = flexcore_directory(self._project.root)
        for change in schema_changes.changes_since_last_time(
            directory, step.extractor, now
        ):
            self._write(
                "SchemaChanged", {**step.summary(), "plugin": step.extractor, **change}
            )

    def _refuse_false_success(self, step: Step, done: dict[str, Any]) -> None:
        notes = self._notes
        problems = verdict.unfinished_streams(notes)
        unequal = verdict.unequal_counts(notes)
        if unequal and not moved_data.maps_streams(step, self._writer.settings):
            problems += unequal
        if not problems:
            return
        self._failure = failure.of_incomplete(step, done, notes, problems)
        raise failure.incomplete_error(step, problems)

    def _refuse_bad_quality(self, step: Step, done: dict[str, Any]) -> None:
        said = {"streams": self._notes.streams(), "tests": done.get("tests")}
        is_last = step.index == len(self._steps) - 1
        if problems := self._quality.judge(said, is_last=is_last):
            self._failure = failure.of_quality(done, self._notes, problems)
            raise failure.quality_error(step, problems)

    # -- the endings -----------------------------------------------------------

    def _complete(self) -> None:
        self._end(
            "PipelineCompleted",
            {"steps_done": self._step, "steps_total": len(self._steps)},
        )

    def _fail(self, error: str | None) -> None:
        found = self._failure
        if found is None and self._step < len(self._steps):
            done = self._steps[self._step].summary()
            seconds = round(time.monotonic() - self._step_began, 3)
            if self._artifacts is not None:
                done |= self._artifacts.read(self._run.run_id)
            found = failure.of_cut(
                {**done, "duration_seconds": seconds},
                self._notes,
                error or "the process ended before the run did",
            )
        data: dict[str, Any] = {
            "steps_done": self._step,
            "steps_total": len(self._steps),
            "reason": found.reason if found else "error",
            "error": (found.error if found else error) or "the run failed",
            "failed_step": found.step if found else None,
        }
        self._end("PipelineFailed", data)

    def _end(self, name: str, data: dict[str, Any]) -> None:
        if not self._is_open:
            return
        with self._termination.deferred():
            self._is_open = False
            self._write(
                name,
                {
                    **data,
                    "duration_seconds": round(time.monotonic() - self._began, 3),
                    "startup_seconds": self._startup_seconds,
                    "wall_seconds": round(processes.age_seconds(), 3),
                    "rows": self._rows_loaded,
                    "rows_extracted": self._rows_extracted,
                },
            )
            self._registry.leave()
            self._journal.close()
        self._deliver(wait=True)

    def _deliver(self, *, wait: bool) -> None:
        if not self._destinations:
            return
        run = self._run
        # What Meltano knows and its environment does not say.
        variables = {**self._project.dotenv_env, **os.environ}
        if run.environment:
            variables["MELTANO_ENVIRONMENT"] = run.environment
        variables[STORE_VARIABLE] = self._journal.address
        known = {name: str(value) for name, value in variables.items() if value}
        background.start(
            self._destinations, run.run_id, self._project.root, known, wait=wait
        )

    def _signal(self) -> str | None:
        """Say which signal ended the run, if one did."""
        from meltano.core.job.job import (  # noqa: PLC0415 - only when a run fails
            sigterm_received,
        )

        name = self._termination.signal_name or (sigterm_received() and "SIGTERM")
        return f"terminated ({name})" if name else None

    def _why(self) -> str | None:
        """Meltano says `Run completed` in a `finally`: the cause is in flight."""
        cause = sys.exc_info()[1]
        if isinstance(cause, (asyncio.CancelledError, KeyboardInterrupt)):
            return "interrupted (Ctrl-C)"
        if cause is None or str(cause) in {"", "0", "1"}:
            return None
        return f"{type(cause).__name__}: {cause}"

    def _at_exit(self) -> None:
        if not self._is_open or os.getpid() != self._run.pid:
            return
        try:
            code = getattr(sys.modules.get("meltano.cli"), "exit_code", None)
            if code == 0 and self._failure is None:
                self._complete()
            else:
                stopped = self._signal()
                if stopped:  # `meltano el` leaves its plugins behind
                    self._termination.stop_descendants()
                self._fail(stopped or self._error)
        except Exception as error:  # noqa: BLE001 - the process is ending anyway
            warn(f"the end of this run is not recorded: {error}")

    def _write(self, name: str, data: dict[str, Any]) -> None:
        step = self._steps[self._step] if self._step < len(self._steps) else None
        with self._termination.deferred():
            try:
                self._writer.write(name, data, step.plugins if step else ())
            except RunClosedError as error:
                self._is_open = False
                warn(str(error))
