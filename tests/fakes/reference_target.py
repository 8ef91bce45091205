"""A small target on flext-singer that writes to SQLite.

Run as a process: `python tests/fakes/reference_target.py --config config.json`.
"""

from __future__ import annotations

import json
import sqlite3
import time

from flext_singer import FlextSink, FlextTarget, entry_point


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class TableSink(FlextSink):
    """One table per stream: key text, record text, version."""

    @property
    def table(self) -> str:
        return quote(self.stream_name)

    @property
    def database(self) -> sqlite3.Connection:
        return self.flext_target.database

    def setup(self) -> None:
        assert not self.database.in_transaction
        self.database.execute(
            f"create table if not exists {self.table}"
            " (key text unique, record text, version integer)"
        )

    def load(self, records) -> None:
        if self.config.get("load_seconds"):
            time.sleep(float(self.config["load_seconds"]))
        rows = []
        for raw, record, version in zip(
            records.raw, records.dicts(), records.versions, strict=True
        ):
            keys = [record[key] for key in self.key_properties]
            if record.get("id") == self.config.get("reject_id", object()):
                self.reject(f"id={record['id']}", "unwanted", raw)
                continue
            key = json.dumps(keys, default=str) if keys else None
            rows.append((key, raw.decode(), version))
        self.database.executemany(
            f"insert or replace into {self.table} values (?, ?, ?)", rows
        )

    def activate(self, version: int) -> None:
        self.database.execute(f"delete from {self.table} where version < ?", (version,))


class ReferenceTarget(FlextTarget):
    """Writes records into SQLite tables."""

    name = "target-reference"
    package_name = "flext-singer"
    default_sink_class = TableSink
    config_jsonschema = {  # noqa: RUF012 - the SDK's form
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "SQLite file."},
            "password": {"type": "string", "secret": True},
            "load_seconds": {"type": "number"},
            "reject_id": {"type": "integer"},
        },
        "required": ["path"],
    }

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.database = sqlite3.connect(self.config["path"], timeout=60)

    def commit(self) -> None:
        self.database.commit()

    def close(self, *, failed: bool) -> None:
        if failed:
            self.database.rollback()
        self.database.close()


main = entry_point(ReferenceTarget)

if __name__ == "__main__":
    main()
