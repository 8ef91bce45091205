"""Which function sends to which kind of destination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flexcore_gen.events.destinations import DestinationError
from flexcore_gen.events.handlers import audit_log, webhook
from flexcore_gen.events.mail import email
from flexcore_gen.events.openlineage import openlineage
from flexcore_gen.events.otlp import otlp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flexcore_gen.events.destinations import Destination
    from flexcore_gen.events.run_event import StoredEvent
    from flexcore_gen.events.store import EventStore

    Sender = Callable[[Destination, StoredEvent, "Surroundings"], str]


@dataclass(frozen=True)
class Surroundings:
    """What a sender may look at beside the event."""

    root: Path
    """The project's folder."""
    store: EventStore


SENDERS: dict[str, Sender] = {
    "webhook": webhook,
    "email": email,
    "audit_log": audit_log,
    "openlineage": openlineage,
    "otlp": otlp,
}


def sender_of(destination: Destination) -> Sender:
    """Return the function that sends an event to a destination.

    Raises:
        DestinationError: There is no such kind.
    """
    if destination.kind in SENDERS:
        return SENDERS[destination.kind]
    raise DestinationError(f'{destination.name}: unknown type "{destination.kind}"')
