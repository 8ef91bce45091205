"""`tap-{{cookiecutter.name}}`: reads {{cookiecutter.title}}."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from flext_singer import FlextStream, FlextTap, entry_point
from flext_singer.errors import FlextError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": ["string", "null"]},
        "amount": {"type": ["number", "null"]},
        "updated_at": {"type": ["string", "null"], "format": "date-time"},
    },
}


def read_records(path: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Yields each line's number with its record, None where there is none.

    This is the place for your source. Dates come as aware `datetime`s, decimals
    as `Decimal`s; nothing is held in memory.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                yield number, _record(line)
    except (OSError, UnicodeDecodeError) as error:
        raise FlextError(
            f"{path} cannot be read: {error}", fix="set path to a JSON Lines file"
        ) from error


def _record(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line, parse_float=Decimal)
        record["id"] = int(record["id"])
        if record.get("updated_at"):
            record["updated_at"] = datetime.fromisoformat(record["updated_at"])
    except (ValueError, KeyError, TypeError):
        return None
    return {name: record.get(name) for name in SCHEMA["properties"]}


class Records(FlextStream):
    """One record per line, in the order of `id`."""

    name = "records"
    is_sorted = True

    def __init__(self, tap: FlextTap) -> None:
        super().__init__(tap, schema=SCHEMA)
        self.primary_keys = ["id"]
        self.replication_key = "id"

    def get_records(
        self, context: Mapping[str, Any] | None
    ) -> Iterator[dict[str, Any]]:
        """Yields what is new since the bookmark; bad lines are rejected by number."""
        path = self.config["path"]
        after = self.get_starting_replication_key_value(context)
        for number, record in read_records(Path(path)):
            if record is None:
                self.reject(
                    f"{path}:{number}", "this line is no record", {"line": number}
                )
            elif after is None or record["id"] >= after:
                yield record


class Tap{{cookiecutter.class_name}}(FlextTap):
    """Reads {{cookiecutter.title}}."""

    name = "tap-{{cookiecutter.name}}"
    package_name = "{{cookiecutter.name}}"
    config_jsonschema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "required": ["path"],
        "properties": {
            "path": {"type": "string", "description": "JSON Lines file that is read."},
            "password": {
                "type": "string",
                "secret": True,
                "description": "Secret of the service; masked in every log.",
            },
        },
    }

    def discover_streams(self) -> list[Records]:
        """Returns the streams that are wanted."""
        wanted = self.wanted_streams()
        return [Records(self)] if wanted.matches(Records.name) else []


main = entry_point(Tap{{cookiecutter.class_name}})

if __name__ == "__main__":
    main()
