"""Which function sends to which kind of destination."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flexcore_gen.events.destinations import DestinationError
from flexcore_gen.events.handlers import audit_log, webhook
from flexcore_gen.events.mail import email

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flexcore_gen.events.destinations import Destination
    from flexcore_gen.events.run_event import StoredEvent

    Sender = Callable[[Destination, StoredEvent, Path], str]

SENDERS: dict[str, Sender] = {
    "webhook": webhook,
    "email": email,
    "audit_log": audit_log,
}


def sender_of(destination: Destination) -> Sender:
    """Return the function that sends an event to a destination.

    Raises:
        DestinationError: There is no such kind.
    """
    if destination.kind in SENDERS:
        return SENDERS[destination.kind]
    raise DestinationError(f'{destination.name}: unknown type "{destination.kind}"')
