"""What can go wrong with Integration Cloud, by what should happen next."""

from __future__ import annotations

from typing import ClassVar

from flext_singer.errors import FlextError


class OicError(FlextError):
    """The service refused, or cannot be used.

    Args:
        what: The fault, in the service's own words where it has some.
        where: Verb and path, or the setting.
        fix: What to do; each kind of error has its own default.
    """

    default_fix: ClassVar[str] = "see what the service says, then run again"

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(what, where=where, fix=fix or self.default_fix)


class AuthenticationError(OicError):
    """Credentials or token were refused; one new token was tried at most."""

    default_fix = (
        "check oauth_client_id, oauth_client_secret and oauth_scope; a new token was"
        " refused too: give the confidential application the role ServiceUser (to"
        " write, ServiceDeveloper) in the application of this instance"
    )


class PermissionDeniedError(OicError):
    """The role is too low for this call (HTTP 403)."""

    default_fix = (
        "give the confidential application the role ServiceDeveloper (to read"
        " monitoring, ServiceMonitor) in the application of this instance, or leave"
        " the stream out"
    )


class NotFoundError(OicError):
    """HTTP 404."""

    default_fix = "check base_url and integration_instance"


class RequestRefusedError(OicError):
    """HTTP 400, 405, 409 or 412: the request itself was not accepted."""

    default_fix = "check the values against the service's message"

    def __init__(
        self, what: str, status: int, *, where: str = "", fix: str = ""
    ) -> None:
        super().__init__(what, where=where, fix=fix)
        self.status = status


class TransientError(OicError):
    """The service or the network failed for now, and went on failing."""

    default_fix = "run again later; nothing was skipped"


class RecordError(OicError):
    """One record cannot be written; others may."""

    default_fix = "mend the record"


class UnknownOutcomeError(TransientError):
    """A write that is not repeated was sent, and its answer never came."""

    default_fix = (
        "look into the console whether it was carried out before you run again:"
        " repeating it could do it twice"
    )
