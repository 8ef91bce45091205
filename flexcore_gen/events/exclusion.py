"""Which runs must not go side by side: one rule, for one host and for many.

`running` applies it to the list of a host's runs, `postgres_locks` says it in the
locks of a store that hosts share; a test holds the two against each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Claim:
    """What a run takes for itself."""

    key: str
    """Only one run has it: the same blocks with the same state."""
    pipeline: str | None = None
    """The pipeline in its environment that it is, or that its engine runs."""
    party: str = ""
    """The correlation id: runs of one engine's run share it."""
    is_engines: bool = False
    """It is a part of a pipeline, whose parts an engine runs as processes."""

    def excludes(self, other: Claim) -> bool:
        """Tell whether the two must not run side by side.

        Parts that one engine run starts go side by side, each different from the
        others: a retry waits for a first try that lives on. All else of the pipeline
        waits for the parts, and they for it.
        """
        if self.key == other.key:
            return True
        return (
            (self.is_engines or other.is_engines)
            and self.pipeline is not None
            and self.pipeline == other.pipeline
            and self.party != other.party
        )

    def in_project(self, project: str) -> Claim:
        """Return the claim for a place where projects meet.

        Args:
            project: The project's id, not its folder: hosts keep it in different ones.
        """
        within = f"{project}\n"
        pipeline = None if self.pipeline is None else within + self.pipeline
        return replace(self, key=within + self.key, pipeline=pipeline)
