"""What was sent of writes that add up: inventory, which a repeat would double.

One line before a write, one after it. A rerun skips what is done; what was begun and
not answered is looked for in the service before anything is sent. The file holds
digests, times and ids only, no data.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def default_path(base_url: str) -> Path:
    """Where the journal of an environment lies when no setting says so."""
    name = hashlib.sha256(base_url.encode()).hexdigest()[:16] + ".jsonl"
    root = os.environ.get("MELTANO_PROJECT_ROOT")
    if root:
        return Path(root) / ".flexcore" / "wms_journal" / name
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "flexcore" / "wms_journal" / name


def digest(stream: str, keys: Mapping[str, Any]) -> str:
    """Names one write for ever, by stream and key; or its content, by its fields."""
    text = json.dumps([stream, dict(keys)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


class Journal:
    """Begun and done writes.

    Args:
        path: The file; made with mode 0600 at the first write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.begun: dict[str, str] = {}
        self.done: dict[str, str] = {}
        self._read_to = 0
        self._refresh()

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Keeps other processes of this machine from writing the same meanwhile.

        Two runs at once would each see that a write is not done yet, and do it.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        file = os.open(self.path, flags, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)  # ends with the descriptor
            self._refresh()
            yield
        finally:
            os.close(file)

    def _refresh(self) -> None:
        """Takes what was written since, by this process or another."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._read_to)
            text = file.read()
        text = text[: text.rfind(b"\n") + 1]  # a line that is still being written
        self._read_to += len(text)
        for line in text.decode("utf-8", "replace").splitlines():
            self._take(line)

    def _take(self, line: str) -> None:
        try:
            entry = json.loads(line)
            name, what = entry["write"], entry["what"]
        except (ValueError, KeyError, TypeError):
            return  # a line that a crash cut off was never acted upon
        if what == "begun":
            self.begun[name] = entry.get("at", "")
        elif what == "done":
            self.done[name] = entry.get("content", "")
        else:
            self.begun.pop(name, None)

    def begin(self, name: str, at: str) -> None:
        """Notes durably that a write is about to be sent, at the service's time."""
        self._append({"what": "begun", "write": name, "at": at})
        self.begun[name] = at

    def finish(self, name: str, content: str) -> None:
        """Notes that it was carried out, and the digest of what was sent."""
        self._append({"what": "done", "write": name, "content": content})
        self.done[name] = content

    def forget(self, name: str) -> None:
        """Notes that it was refused or never arrived."""
        self._append({"what": "refused", "write": name})
        self.begun.pop(name, None)

    def _append(self, entry: Mapping[str, str]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        file = os.open(self.path, flags, 0o600)
        try:
            # A leading break: a line that a crash cut off must not swallow this one.
            os.write(file, b"\n" + json.dumps(entry).encode() + b"\n")
            os.fsync(file)
        finally:
            os.close(file)
