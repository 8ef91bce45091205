"""Writes the events of one run: each masked, and caused by the one before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flexcore_gen.events import failure
from flexcore_gen.events.listener import warn
from flexcore_gen.events.run_event import RunEvent
from flexcore_gen.events.sensitive_settings import (
    add_secrets_by_name,
    add_secrets_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flexcore_gen.events.journal import Journal
    from flexcore_gen.events.masking import Secrets
    from flexcore_gen.events.running import RunningRun

_TEXTLESS = frozenset({"PipelineStarted", "TransformationStarted"})
"""Events that hold nothing of what a plugin said."""


class RunWriter:
    """The way from the recorder to the journal.

    Attributes:
        settings: Of each plugin that has started, as Meltano resolved them.
    """

    def __init__(
        self,
        run: RunningRun,
        journal: Journal,
        secrets: Secrets,
        project: Any,  # noqa: ANN401 - meltano.core.project.Project
    ) -> None:
        self.settings: dict[str, dict[str, Any]] = {}
        self._run = run
        self._journal = journal
        self._secrets = secrets
        self._project = project
        self._last_event: str | None = None

    def plugin_starts(self, invoker: Any) -> None:  # noqa: ANN401 - PluginInvoker
        """Learn a plugin's settings and secrets, right before its process starts."""
        add_secrets_of(self._secrets, invoker)
        self.settings[invoker.plugin.name] = dict(invoker.plugin_config)

    def write(self, name: str, data: dict[str, Any], plugins: Iterable[str]) -> None:
        """Write one event.

        Args:
            name: The event's name.
            data: What it says.
            plugins: Those whose words may be in it.

        Raises:
            RunClosedError: The store knows the run as ended.
        """
        event = RunEvent(
            name=name,
            source=self._run.source,
            subject=self._run.pipeline,
            aggregate_id=self._run.run_id,
            correlation_id=self._run.correlation_id,
            causation_id=self._last_event,
            data=self._masked(name, data, plugins),
        )
        self._last_event = event.id
        self._journal.write(event)

    def _masked(
        self, name: str, data: dict[str, Any], plugins: Iterable[str]
    ) -> dict[str, Any]:
        unseen = [each for each in plugins if each not in self.settings]
        if unseen and name not in _TEXTLESS:
            try:
                add_secrets_by_name(self._secrets, self._project, unseen)
                self.settings.update({each: {} for each in unseen})
            except Exception as error:  # noqa: BLE001 - then say less
                warn(f"what plugins said is left out of events: {type(error).__name__}")
                data = failure.without_plugin_text(data)
        masked: dict[str, Any] = self._secrets.mask_all(data)
        return masked
