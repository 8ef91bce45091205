"""Whether a block that ended with exit code 0 really moved everything.

Meltano believes exit codes. A tap that is told to stop may exit 0 half-way, a
target may exit 0 before its input has ended (singer-sdk 0.54 does both); their
own counts and timers tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flexcore_gen.events.block_notes import BlockNotes


def unfinished_streams(notes: BlockNotes) -> list[str]:
    """Return a line for each stream that the tap began and did not finish."""
    # A tap whose metrics are switched off says neither; then only a target that
    # has received something and counts makes an unfinished stream believable.
    is_timed = any(side.succeeded or side.failed for side in notes.extracted.values())
    problems = []
    for stream, side in notes.extracted.items():
        if side.failed:
            problems.append(f'stream "{stream}" was broken off, yet the tap exited 0')
        elif (
            side.begun > side.succeeded
            and not side.sends_batches
            and (is_timed or notes.rows_loaded())
        ):
            problems.append(f'stream "{stream}" was begun and not finished')
    return problems


def unequal_counts(notes: BlockNotes) -> list[str]:
    """Return a line for each stream of which not all records arrived.

    Compared only where both sides count: a target that says nothing about any
    stream is no witness, and neither is a tap that sends batches uncounted.
    """
    is_witness = any(side.records is not None for side in notes.loaded.values())
    if not is_witness:
        return []
    problems = []
    for stream, side in notes.extracted.items():
        if not side.records:
            continue
        into = notes.loaded.get(stream)
        arrived = (into.records or 0) if into else 0
        refused = into.rejected if into else 0
        if arrived + refused != side.records:
            refused_text = f" and {refused} rejected" if refused else ""
            problems.append(
                f'stream "{stream}": the tap sent {side.records} records, '
                f"{arrived} were loaded{refused_text}"
            )
    return problems
