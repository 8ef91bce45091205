"""The errors that a person meets, each in three parts: what, where, fix.

Everything else in flext-singer raises these; `command_line` prints them. A
system's package raises them too, or the SDK's own where the SDK tells what
should happen next (retry, skip, abort).
"""

from __future__ import annotations

from typing import Any

from singer_sdk.exceptions import ConfigValidationError, SingerSDKError
from singer_sdk.singerlib.exceptions import InvalidInputLine


class FlextError(SingerSDKError):
    """An error that says what is wrong, where, and how to fix it.

    Args:
        what: The fault in one sentence, without the values of secret settings.
        where: File, line, stream or key; empty when `what` says it already.
        fix: What the reader can do about it.
    """

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix


class TooManyErrorsError(FlextError):
    """More records were rejected than `max_errors` allows."""


class UnencodableValueError(FlextError):
    """A record holds a value that has no exact form in JSON.

    Args:
        what: As in `FlextError`.
        where: Stream and key.
        fix: As in `FlextError`.
        record: The record.
    """

    def __init__(
        self, what: str, *, where: str, fix: str, record: dict[str, Any]
    ) -> None:
        super().__init__(what, where=where, fix=fix)
        self.record = record


class BrokenLineError(FlextError, InvalidInputLine):
    """A line of the input is no Singer message."""


class PeerVanishedError(FlextError):
    """The process that reads our output, or that started us, is gone."""


class FailpointError(FlextError):
    """A failpoint was asked for that does not exist, or that raises."""


class SettingsError(ConfigValidationError):
    """The settings are wrong; `errors` names every one of them.

    Args:
        plugin: Name of the tap or target.
        errors: One sentence per wrong setting, without secret values.
    """

    def __init__(self, plugin: str, errors: list[str]) -> None:
        # The schema stays out: the SDK would log it as a whole.
        super().__init__(f"{plugin}: wrong settings", errors=errors)
        self.what = "; ".join(errors)
        self.where = f"settings of {plugin}"
        self.fix = f"`{plugin} --about` lists every setting with its kind"


def add_place(error: Exception, place: str) -> None:
    """Note where a foreign error happened, unless that is known already."""
    if not getattr(error, "where", ""):
        error.where = place  # type: ignore[attr-defined]


def place_of(error: BaseException) -> str:
    """Return the place that `add_place` or the error itself noted, or ''."""
    return str(getattr(error, "where", "") or "")
