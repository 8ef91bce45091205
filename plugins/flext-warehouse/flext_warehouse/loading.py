"""What the settings say about loading, and what is counted of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum


class LoadMethod(StrEnum):
    """How rows that are there already are treated; names are the SDK's."""

    APPEND = "append-only"
    UPSERT = "upsert"
    OVERWRITE = "overwrite"


@dataclass(frozen=True)
class LoadOptions:
    """What the settings say about loading, the same for all streams.

    Args:
        schema: database schema of the tables.
        method: as the user asked; upsert without keys appends.
        add_metadata: add the `_sdc_` columns.
        hard_delete: delete rows instead of marking them in `_sdc_deleted_at`.
        evolve: change tables to fit; else refuse.
        native_lists: arrays of scalars as lists instead of JSON.
        replace_invalid: put U+FFFD for characters that cannot be stored.
        sync_started_ms: start of the run, milliseconds since 1970.
    """

    schema: str
    method: LoadMethod = LoadMethod.UPSERT
    add_metadata: bool = False
    hard_delete: bool = False
    evolve: bool = True
    native_lists: bool = True
    replace_invalid: bool = False
    sync_started_ms: int = field(default_factory=lambda: int(time.time() * 1000))


@dataclass
class Counts:
    """Rows of one stream in this run, as far as the database tells."""

    loaded: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0

    def __str__(self) -> str:
        """Describe them as the log does."""
        parts = ("inserted", "updated", "unchanged", "deleted")
        counted = [(getattr(self, part), part) for part in parts]
        shown = [f"{number} {part}" for number, part in counted if number]
        return ", ".join(shown) or "no rows"
