"""Who is told about events: `handlers` and `exporters` as meltano.yml says.

Rendered from `events:` of ecosystem.yaml into `annotations: {flexcore: …}`, of an
environment or of the project. `${NAME}` is replaced from the environment, in the
process that delivers and nowhere else.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flexcore_gen.events.masking import Secrets, is_secret_name

if TYPE_CHECKING:
    from collections.abc import Mapping

ALERTS = ("PipelineFailed", "PipelineLost", "SchemaChanged", "FreshnessMissed")
"""What webhook and email tell of unless `events` says otherwise."""

TIMEOUT_SECONDS = 10.0
TELLS_ALL = frozenset({"audit_log", "openlineage", "otlp"})
IN_RUN = "quality"
"""The kind that judges inside the run; nothing is delivered to it."""

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class DestinationError(Exception):
    """A destination cannot be used as it is configured."""


@dataclass(frozen=True)
class Destination:
    """One handler or exporter."""

    name: str
    kind: str
    settings: Mapping[str, Any]
    secrets: Secrets = field(default_factory=Secrets)

    def wants(self, name: str, pipeline: str) -> bool:
        """Whether an event of this name and pipeline is for this destination."""
        all_names = () if self.kind in TELLS_ALL else ALERTS
        names = _listed(self.settings.get("events")) or all_names
        pipelines = _listed(self.settings.get("pipelines"))
        return (not names or name in names) and (not pipelines or pipeline in pipelines)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a setting.

        Raises:
            DestinationError: It is missing, or empty once `${NAME}` is replaced.
        """
        value = self.settings.get(key)
        found = default if value is None else _filled(str(value))
        if not found:
            raise DestinationError(f"{self.name}: {key} is not set")
        return found

    def optional(self, key: str) -> str | None:
        """Return a setting, None when it is missing or empty."""
        value = self.settings.get(key)
        return (_filled(str(value)) or None) if value is not None else None


def timeout_of(destination: Destination) -> float:
    """Return how long one attempt may take, in seconds."""
    return float(destination.settings.get("timeout_seconds") or TIMEOUT_SECONDS)


def read(notes: Mapping[str, Any]) -> list[Destination]:
    """Return the destinations among the annotations `flexcore` of meltano.yml."""
    found: list[Destination] = []
    taken: dict[str, int] = {}
    for key in ("handlers", "exporters"):
        entries = notes.get(key)
        for entry in entries if isinstance(entries, list) else []:
            settings = {"type": entry} if isinstance(entry, str) else entry
            if not isinstance(settings, dict) or not settings.get("type"):
                continue
            kind = str(settings["type"])
            name = str(settings.get("name") or kind)
            taken[name] = taken.get(name, 0) + 1
            if taken[name] > 1:
                name = f"{name}-{taken[name]}"
            found.append(Destination(name, kind, settings, _secrets(settings)))
    return found


def notes_of(document: Mapping[str, Any], environment: str | None) -> dict[str, Any]:
    """Return the annotations `flexcore` of a parsed meltano.yml.

    Args:
        document: The whole file.
        environment: Its keys stand before the project's; None: `default_environment`.
    """
    chosen = environment or document.get("default_environment")
    notes = dict((document.get("annotations") or {}).get("flexcore") or {})
    for each in document.get("environments") or []:
        if each.get("name") == chosen:
            own = (each.get("annotations") or {}).get("flexcore") or {}
            notes.update({k: v for k, v in own.items() if v is not None})
    return notes


def _listed(value: object) -> tuple[str, ...]:
    """Return one text or a list of them as a list."""
    if isinstance(value, str):
        return (value,)
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _secrets(settings: Mapping[str, Any]) -> Secrets:
    secrets = Secrets()
    for key, value in settings.items():
        names = _REFERENCE.findall(str(value))
        secrets.add(os.environ.get(name, "") for name in names)
        if is_secret_name(key) and not names and isinstance(value, str):
            secrets.add([value])
    return secrets


def _filled(text: str) -> str:
    return _REFERENCE.sub(lambda found: os.environ.get(found[1], ""), text)
