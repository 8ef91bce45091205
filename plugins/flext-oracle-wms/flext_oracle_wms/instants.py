"""Instants: the service writes the offset of the user's facility, we write UTC.

Offsets change with daylight saving and with the user, so text order is not time
order; instants are only compared after parsing (WMS REST API Guide 25B, "Dates").
"""

from __future__ import annotations

import datetime as dt

from flext_oracle_wms.errors import WmsError


def parse_instant(text: str, zone: dt.tzinfo | None = None) -> dt.datetime:
    """ISO 8601 with an offset, as an aware datetime in UTC.

    Args:
        text: Date and time.
        zone: Of a text without an offset; None refuses it.

    Raises:
        WmsError: The text is no instant, or has no offset and so could be any.
    """
    try:
        value = dt.datetime.fromisoformat(text)
    except ValueError:
        raise WmsError(f"{text!r} is not a date and time in ISO 8601") from None
    if value.tzinfo is None and zone is not None:
        value = value.replace(tzinfo=zone)
    if value.tzinfo is None:
        raise WmsError(
            f"{text!r} has no offset, so it could be any instant; set time_zone to the"
            " zone it is meant in"
        )
    return value.astimezone(dt.UTC)


def format_instant(value: dt.datetime) -> str:
    """UTC with microseconds: the one form this tap writes into records and state."""
    return value.astimezone(dt.UTC).isoformat(timespec="microseconds")
