"""Hears Meltano's own log records and passes them to the recorder of the run.

Every text of Meltano's that the hook relies on is a constant in `Text`; the
contract test (tests/events/test_meltano_contract.py) fails by name when Meltano
changes one. Loaded by every `meltano` command: only the standard library here,
and the recorder is imported when a run begins.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flexcore_gen.events.recorder import Recorder

RUN_LOGGER = "meltano.cli.run"
EL_LOGGER = "meltano.cli.elt"
PLUGIN_LOGGER = "meltano.plugin.stderr"
ERROR_LOGGER = "meltano.cli.utils"

RUN_COMMANDS = frozenset({"run", "el", "elt"})
PLUGIN_COMMANDS = RUN_COMMANDS | {"invoke", "test"}
"""Commands that write plugin configuration, passwords included, to disk."""


_OPTIONS_WITH_VALUE = frozenset(
    {
        "--log-level",
        "--log-format",
        "--log-config",
        "--environment",
        "--cwd",
        "--env-file",
    }
)


class Text:
    """The texts of Meltano 4.4 that the hook relies on."""

    COMMAND_FOUND = "plugin command added for execution"
    PLUGIN_FOUND = "found plugin in cli invocation"
    EL_BLOCK_FOUND = "found ExtractLoadBlocks set"
    COMMAND_BLOCK_FOUND = "found PluginCommand"
    RUN_STARTS = "All ExtractLoadBlocks validated, starting execution."
    BLOCK_DONE = "Block run completed"
    TIMED_OUT = "Run timed out"
    STOPPING = "Attempting graceful termination of current block"
    RUN_DONE = "Run completed"
    EL_STARTS = "Running extract & load..."
    EL_EXTRACT_FAILED = "Extraction failed"
    EL_LOAD_FAILED = "Loading failed"
    EL_DONE = "Extract & load complete!"


class _HeardLogger(logging.Logger):
    """A logger whose level the hook sets, and that remembers what a person asked.

    `dictConfig` (logging.yaml) sets levels, and mutes every logger it does not name
    unless it says `disable_existing_loggers: false`. The hook has to hear all the
    same; `asked_level` is what may be seen.
    """

    @property
    def disabled(self) -> bool:
        """Always false, so that records reach the filter."""
        return False

    @disabled.setter
    def disabled(self, value: bool) -> None:
        self.__dict__["_is_muted"] = value

    def setLevel(self, level: int | str) -> None:  # noqa: N802 - logging's own name
        """Remember the level that logging settings ask for."""
        self.__dict__["_asked"] = logging._checkLevel(level)  # type: ignore[attr-defined] # noqa: SLF001 - as logging does

    def hear_from(self, level: int) -> None:
        """Set the level from which the hook hears."""
        super().setLevel(level)

    @property
    def is_muted(self) -> bool:
        """Whether logging settings muted this logger (but none below it)."""
        return bool(self.__dict__.get("_is_muted"))

    @property
    def asked_level(self) -> int:
        """The level from which records may be seen."""
        asked: int = self.__dict__.get("_asked", logging.NOTSET)
        parent = self.parent
        return asked or (parent.getEffectiveLevel() if parent else logging.WARNING)


def _heard(name: str) -> _HeardLogger:
    logger = logging.getLogger(name)
    logger.__class__ = _HeardLogger
    assert isinstance(logger, _HeardLogger)  # noqa: S101 - for the type checker
    return logger


class Listener:
    """One per process. Meltano runs its blocks strictly one after the other."""

    def __init__(self) -> None:
        self.recorder: Recorder | None = None
        self.is_off = False
        self._plugins: list[str] = []
        self._offsets: list[int] = []
        self._command: str | None = None

    def handle(self, record: logging.LogRecord) -> None:
        """Take in a record; an error of the hook costs one line, never the run."""
        if self.is_off or not isinstance(record.msg, dict):
            return
        try:
            self._hear(record, record.msg)
        except Exception as error:  # the run goes on without the hook
            if getattr(error, "stops_the_run", False):
                raise
            self.is_off = True
            warn(f"this run is no longer recorded: {type(error).__name__}: {error}")

    def _hear(self, record: logging.LogRecord, said: dict[str, Any]) -> None:
        event = said.get("event")
        if said.get("stdio") == "stderr":
            if self.recorder is not None:
                self.recorder.plugin_line(record.levelno, event, said)
        elif record.name == RUN_LOGGER:
            self._hear_run(event, said)
        elif record.name == EL_LOGGER:
            self._hear_el(event, said)
        elif record.levelno >= logging.ERROR and self.recorder is not None:
            self.recorder.command_error(str(event))

    def _hear_run(self, event: Any, said: dict[str, Any]) -> None:  # noqa: ANN401 - a log field
        recorder = self.recorder
        if recorder is None:
            self._hear_plan(event, said)
        elif event == Text.BLOCK_DONE:
            recorder.block_done(
                said["set_number"],
                succeeded=said["success"],
                seconds=said["duration_seconds"],
                error=said.get("err"),
                exit_codes=said.get("exit_codes"),
            )
        elif event == Text.TIMED_OUT:
            recorder.timed_out(said["timeout_seconds"])
        elif event == Text.STOPPING:
            recorder.stopping()
        elif event == Text.RUN_DONE:
            recorder.run_done(succeeded=said["status"] == "success")

    def _hear_plan(self, event: Any, said: dict[str, Any]) -> None:  # noqa: ANN401 - a log field
        if event == Text.COMMAND_FOUND:
            self._command = f"{said['plugin_name']}:{said['command_name']}"
        elif event == Text.PLUGIN_FOUND:
            self._plugins.append(self._command or said["plugin_name"])
            self._command = None
        elif event in {Text.EL_BLOCK_FOUND, Text.COMMAND_BLOCK_FOUND}:
            self._offsets.append(said["offset"])
        elif event == Text.RUN_STARTS:
            ends = [*self._offsets[1:], len(self._plugins)]
            blocks = [
                self._plugins[start:end]
                for start, end in zip(self._offsets, ends, strict=True)
            ]
            self._begin("run", said["run_id"], blocks)

    def _hear_el(self, event: Any, said: dict[str, Any]) -> None:  # noqa: ANN401 - a log field
        recorder = self.recorder
        if recorder is None:
            if event == Text.EL_STARTS:
                self._begin("el", said["run_id"], [])
        elif event == Text.EL_DONE:
            recorder.el_done()
        elif event in {Text.EL_EXTRACT_FAILED, Text.EL_LOAD_FAILED}:
            side = "extractors" if event == Text.EL_EXTRACT_FAILED else "loaders"
            recorder.el_failed(str(event), side, said.get("code"))

    def _begin(self, command: str, run_id: str, blocks: list[list[str]]) -> None:
        from flexcore_gen.events.beginning import begin  # noqa: PLC0415 - only for runs

        attach(self)
        try:
            self.recorder = begin(command, run_id, blocks)
        finally:
            if self.recorder is None:
                from flexcore_gen.events import trace  # noqa: PLC0415 - only for runs

                trace.put_back()
        self.is_off = self.recorder is None


class _Filter(logging.Filter):
    """Hears all records of a logger; lets through what was asked for."""

    def __init__(self, listener: Listener, logger: _HeardLogger) -> None:
        super().__init__()
        self._listener = listener
        self._logger = logger

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the person's own logging settings want this record."""
        self._listener.handle(record)
        asked = self._logger
        return record.levelno >= asked.asked_level and not asked.is_muted


class _Ear(logging.Handler):
    """Hears all records below a logger; passes on what was asked for."""

    def __init__(self, listener: Listener, logger: _HeardLogger) -> None:
        super().__init__(logging.DEBUG)
        self._listener = listener
        self._logger = logger

    def handle(self, record: logging.LogRecord) -> bool:
        """Hear a record, then do what the logger would have done without the hook."""
        self._listener.handle(record)
        parent = self._logger.parent
        if parent is not None and record.levelno >= self._logger.asked_level:
            parent.callHandlers(record)
        return True


def warn(text: str) -> None:
    """Say one line on stderr, past every logging setting."""
    stream = sys.__stderr__
    if stream is not None:
        stream.write(f"flexcore: {text}\n")
        stream.flush()


def attach(listener: Listener) -> None:
    """Listen to Meltano's loggers, past whatever logging settings have done to them.

    Levels: INFO where the plugins' metrics pass, so that they arrive under
    `--log-level=error` too; what was asked for where that is more, because Meltano
    derives the plugins' own level from it. DEBUG only where the plan of a run is
    said: for `meltano el`, DEBUG would log every single record.
    """
    _heard(RUN_LOGGER).hear_from(logging.DEBUG)
    for name in (EL_LOGGER, PLUGIN_LOGGER, ERROR_LOGGER):
        logger = _heard(name)
        logger.hear_from(min(logger.asked_level, logging.INFO))
    for name in (RUN_LOGGER, EL_LOGGER):
        logger = _heard(name)
        if not any(isinstance(each, _Filter) for each in logger.filters):
            logger.addFilter(_Filter(listener, logger))
    for name in (PLUGIN_LOGGER, ERROR_LOGGER):
        logger = _heard(name)
        if not any(isinstance(each, _Ear) for each in logger.handlers):
            logger.addHandler(_Ear(listener, logger))
            logger.propagate = False


def command_of(arguments: list[str]) -> str | None:
    """Return the command among Meltano's arguments; `schedule` in `schedule run x`."""
    words = iter(arguments)
    for word in words:
        if word in _OPTIONS_WITH_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            return word
    return None


_installed: Listener | None = None


def install() -> None:
    """Start listening, once per process; `FLEXCORE_HOOK=0` turns the hook off."""
    global _installed  # noqa: PLW0603 - one hook per process
    if _installed is not None or os.environ.get("FLEXCORE_HOOK") == "0":
        return
    _installed = Listener()
    attach(_installed)
    command = command_of(sys.argv[1:])
    if command in PLUGIN_COMMANDS:
        from flexcore_gen.events import plugin_starts, privacy  # noqa: PLC0415

        plugin_starts.install()
        privacy.guard_plugin_files()
    if command in RUN_COMMANDS:
        from flexcore_gen.events import stale_rows, trace  # noqa: PLC0415

        stale_rows.install()
        trace.set_aside()
