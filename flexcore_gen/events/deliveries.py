"""What became of an event at a destination, as the store keeps it."""

from __future__ import annotations

from dataclasses import dataclass

from flexcore_gen.events.run_event import utc_now


@dataclass(frozen=True)
class Delivery:
    """What became of one event at one destination."""

    destination: str
    position: int
    """The last event that is done with, after this."""
    event_id: str
    outcome: str
    """delivered, refused (for good), away (to be tried again), skipped, begins."""
    attempts: int
    detail: str
    time: str


def beginning(destination: str, position: int) -> Delivery:
    """Return the first row of a destination: where it begins."""
    return Delivery(destination, position, "", "begins", 0, "", utc_now())
