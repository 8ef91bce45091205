"""What can go wrong with WMS Cloud, by what should happen next."""

from __future__ import annotations


class WmsError(Exception):
    """The service refused, or cannot be used. The message says what to do."""


class AuthenticationError(WmsError):
    """Credentials or token were refused; never retried (a user may be locked)."""


class PermissionDeniedError(WmsError):
    """The user lacks a permission for this entity or verb (HTTP 403)."""


class NotFoundError(WmsError):
    """HTTP 404 with the service's own error body; on a list it can mean no rows."""


class RequestRefusedError(WmsError):
    """HTTP 400, 405 or 409: the request itself was not accepted."""

    def __init__(self, message: str, status: int, details: object = None) -> None:
        """Keeps the status and the service's `details` (a map or a list)."""
        super().__init__(message)
        self.status = status
        self.details = details


class TransientError(WmsError):
    """The service or the network failed for now, and went on failing."""
