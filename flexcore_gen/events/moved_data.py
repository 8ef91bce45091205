"""What is said of an extract-load step that has ended well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flexcore_gen.events.data_places import destination_of, source_of
from flexcore_gen.events.steps import EXTRACT_LOAD, Step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flexcore_gen.events.block_notes import BlockNotes

Settings = dict[str, dict[str, Any]]
"""Of each plugin that has started."""


def extracted(
    step: Step, done: Mapping[str, Any], notes: BlockNotes, settings: Settings
) -> dict[str, Any]:
    """Return the data of DataExtracted.

    Args:
        step: The step.
        done: What is said of every step that ends.
        notes: What its plugins said.
        settings: Theirs.
    """
    streams = notes.streams()
    total_bytes = sum(numbers.get("bytes", 0) for numbers in streams.values())
    data = {
        **done,
        "plugin": step.extractor,
        "target": step.loader,
        "rows": notes.rows_extracted(),
        "rows_loaded": notes.rows_loaded(),
        "bytes": total_bytes or None,
        "streams": streams,
        "source": source_of(settings.get(step.extractor, {}), streams),
    }
    return {**data, "mapped": True} if maps_streams(step, settings) else data


def loaded(
    step: Step, done: Mapping[str, Any], notes: BlockNotes, settings: Settings
) -> dict[str, Any]:
    """Return the data of TargetLoaded; arguments as for `extracted`."""
    return {
        **done,
        "plugin": step.loader,
        **destination_of(settings.get(step.loader, {})),
        "rows": notes.rows_loaded(),
        "streams": {
            stream: {"rows": side.records, "rejected": side.rejected}
            for stream, side in notes.loaded.items()
        },
        "files": notes.files,
    }


def maps_streams(step: Step, settings: Settings) -> bool:
    """Whether records may be dropped or renamed on the way, on purpose."""
    return len(step.plugins) > 2 or any(  # noqa: PLR2004 - a mapper in between
        value and key.startswith("stream_maps")
        for name in step.plugins
        for key, value in settings.get(name, {}).items()
    )


def ends_extraction(steps: Sequence[Step], step: Step) -> bool:
    """Whether this was the last of the first steps that extract in a row."""
    kinds = [each.kind for each in steps]
    if step.index + 1 < len(kinds) and kinds[step.index + 1] == EXTRACT_LOAD:
        return False
    first = kinds.index(EXTRACT_LOAD)
    return all(kind == EXTRACT_LOAD for kind in kinds[first : step.index])
