"""The service's own error answers."""

from __future__ import annotations

from typing import Any
from uuid import uuid4


class Refused(Exception):  # noqa: N818 - it is an answer, not a fault of ours
    """Ends a request with an error body, as the REST API guide shows it."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str = "VALIDATION_ERROR",
        details: Any = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {
            "reference": str(uuid4()),
            "code": code,
            "message": message,
        }
        if details is not None:
            self.body["details"] = details


def not_found(message: str = "Not found.") -> Refused:
    return Refused(404, message, code="NOT_FOUND")


def invalid(details: dict[str, str]) -> Refused:
    return Refused(400, "Invalid input.", details=details)
