"""Reads how runs are watched: metrics targets, and who gets alerts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flexcore_gen.model import Watch
from flexcore_gen.shapes import WATCH

if TYPE_CHECKING:
    from flexcore_gen.loading import Value
    from flexcore_gen.reading import Reader

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):[0-9]{1,5}\Z")
_EMAIL = re.compile(r"[^\s@<>,;\"']+@[A-Za-z0-9.-]+\Z")


def read_watch(value: Value | None, reader: Reader) -> Watch:
    """What `watch` says; without it metrics are expected on this host."""
    if value is None:
        return Watch()
    entries = reader.fields(value, WATCH, "watch")
    usual = Watch()
    targets = usual.targets
    if "targets" in entries:
        targets = _fitting(entries["targets"], "targets", _ADDRESS, "host:port", reader)
    emails: tuple[str, ...] = ()
    if "emails" in entries:
        emails = _fitting(entries["emails"], "emails", _EMAIL, "name@host", reader)
    texts = {
        name: reader.text(entries[name], f"watch.{name}") or ""
        for name in ("smtp_server", "smtp_from", "smtp_username")
        if name in entries
    }
    if "smtp_server" in entries and not _ADDRESS.match(texts["smtp_server"]):
        reader.error(
            entries["smtp_server"].mark,
            f'"{texts["smtp_server"][:60]}" is no mail server',
            "write host:port, such as smtp.example.com:587",
            "watch.smtp_server",
        )
    for name in ("smtp_server", "smtp_from"):
        if emails and not texts.get(name):
            reader.error(
                entries["emails"].mark,
                f"alerts by e-mail need {name}",
                f"add watch.{name}",
                "watch.emails",
            )
    chat = entries.get("chat")
    if chat is not None and not isinstance(chat.data, bool):
        reader.error(
            chat.mark,
            "chat is true or false: its URL is a secret, in a file of its own",
            "write `chat: true`",
            "watch.chat",
        )
    return Watch(
        targets=targets,
        chat=chat is not None and chat.data is True,
        emails=emails,
        **texts,
    )


def _fitting(
    value: Value, name: str, pattern: re.Pattern[str], form: str, reader: Reader
) -> tuple[str, ...]:
    texts = reader.texts(value, f"watch.{name}")
    for text in texts:
        if not pattern.match(text):
            reader.error(
                value.mark,
                f'"{text[:60]}" is not {form}',
                f"write {form}",
                f"watch.{name}",
            )
    return texts
