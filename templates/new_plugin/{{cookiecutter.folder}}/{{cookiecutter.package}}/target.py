"""`target-{{cookiecutter.name}}`: writes to {{cookiecutter.title}}."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any, ClassVar

from flext_singer import FlextSink, FlextTarget, entry_point

if TYPE_CHECKING:
    from flext_singer.records import Records


class TableSink(FlextSink):
    """Upserts one stream into a table of keys and JSON records."""

    flext_target: Target{{cookiecutter.class_name}}

    @property
    def table(self) -> str:
        """The table's name, quoted: stream names are data."""
        return '"' + self.stream_name.replace('"', '""') + '"'

    def setup(self) -> None:
        """Makes the table; runs when nothing is uncommitted."""
        self.flext_target.database.execute(
            f"create table if not exists {self.table}"
            " (key text unique, record text, version integer)"
        )

    def load(self, records: Records) -> None:
        """Writes records; the last one of a key counts."""
        rows = []
        for raw, record, version in zip(
            records.raw, records.dicts(), records.versions, strict=True
        ):
            keys = [record[name] for name in self.key_properties]
            if None in keys:
                self.reject(f"{self.key_properties}={keys}", "its key is empty", raw)
                continue
            key = json.dumps(keys, default=str) if keys else None
            rows.append((key, raw.decode(), version))
        self.flext_target.database.executemany(
            f"insert or replace into {self.table} values (?, ?, ?)", rows
        )

    def activate(self, version: int) -> None:
        """Drops what an earlier full read left."""
        self.flext_target.database.execute(
            f"delete from {self.table} where version < ?", (version,)
        )


class Target{{cookiecutter.class_name}}(FlextTarget):
    """Writes to {{cookiecutter.title}}."""

    name = "target-{{cookiecutter.name}}"
    package_name = "{{cookiecutter.name}}"
    default_sink_class = TableSink
    config_jsonschema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "required": ["path"],
        "properties": {
            "path": {"type": "string", "description": "SQLite file that is written."},
            "password": {
                "type": "string",
                "secret": True,
                "description": "Secret of the service; masked in every log.",
            },
        },
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.database = sqlite3.connect(self.config["path"], timeout=60)

    def commit(self) -> None:
        """Makes what was loaded last; STATE is written after this returns."""
        self.database.commit()

    def close(self, *, failed: bool) -> None:
        """Ends the connection; what is uncommitted after a failure is dropped."""
        if failed:
            self.database.rollback()
        self.database.close()


main = entry_point(Target{{cookiecutter.class_name}})

if __name__ == "__main__":
    main()
