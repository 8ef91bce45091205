"""The steps of a run: Meltano's blocks, by what they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

EXTRACT_LOAD = "extract_load"
TRANSFORMATION = "transformation"
COMMAND = "command"


@dataclass(frozen=True)
class Step:
    """One block of a run."""

    index: int
    kind: str
    name: str
    plugins: tuple[str, ...]

    @property
    def extractor(self) -> str:
        """The plugin that data comes from, in an extract-load step."""
        return self.plugins[0]

    @property
    def loader(self) -> str:
        """The plugin that data goes to, in an extract-load step."""
        return self.plugins[-1]

    def summary(self) -> dict[str, Any]:
        """Return the step as event data."""
        return {"step": self.index, "kind": self.kind, "name": self.name}


def plan_steps(project: Any, blocks: list[list[str]]) -> list[Step]:  # noqa: ANN401 - meltano.core.project.Project
    """Return the steps that Meltano's blocks stand for.

    Args:
        project: Meltano's project, asked which commands are dbt's.
        blocks: Plugin names of each block; a command is `plugin:command`.
    """
    steps = []
    for index, block in enumerate(blocks):
        plugins = tuple(name.partition(":")[0] for name in block)
        if len(block) > 1:
            kind = EXTRACT_LOAD
        else:
            kind = TRANSFORMATION if _is_dbt(project, block[0]) else COMMAND
        steps.append(Step(index, kind, " ".join(block), plugins))
    return steps


def _is_dbt(project: Any, block: str) -> bool:  # noqa: ANN401 - meltano.core.project.Project
    name, _, command = block.partition(":")
    if command in {"deps", "clean", "debug"}:
        return False  # Nothing is transformed.
    plugin = project.plugins.find_plugin(name)
    words = (name, str(plugin.namespace or ""), str(plugin.executable or ""))
    return any("dbt" in word.rpartition("/")[2] for word in words)
