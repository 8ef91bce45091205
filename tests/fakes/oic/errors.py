"""The service's own error answers."""

from __future__ import annotations

from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fakes.http_service.handler import Reply, dump

if TYPE_CHECKING:
    from fakes.oic.switches import Switches


class Refused(Exception):  # noqa: N818 - it is an answer, not a fault of ours
    """Ends a request with an error body."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail

    def body(self, switches: Switches) -> dict[str, Any]:
        title = HTTPStatus(self.status).phrase
        out: dict[str, Any] = {"title": title, "detail": self.detail}
        if switches.error_status == "string":
            out["status"] = f"HTTP {self.status} {title}"
        elif switches.error_status == "int":
            out["status"] = self.status
        out["o:errorCode"] = f"ICS-{10000 + self.status}"
        detail = {"title": self.detail, "detail": self.detail, "o:errorPath": ""}
        out["o:errorDetails"] = {"list": [detail], "object": detail, "null": None}[
            switches.error_details
        ]
        return out

    def reply(self, switches: Switches) -> Reply:
        """The answer, in the form of `error_body`."""
        if switches.error_body == "text":
            return Reply(self.status, self.detail.encode(), "text/plain")
        if switches.error_body == "html":
            page = f"<html><body>{escape(self.detail)}</body></html>"
            return Reply(self.status, page.encode(), "text/html")
        if switches.error_body == "empty":
            return Reply(self.status)
        return Reply(self.status, dump(self.body(switches)))
