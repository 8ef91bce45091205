"""A small tap on flext-singer: numbered records of every JSON kind.

Run as a process: `python tests/fakes/reference_tap.py --config config.json`.
"""

from __future__ import annotations

import os
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from flext_singer import FlextStream, FlextTap, entry_point

SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": ["string", "null"]},
        "amount": {"type": ["number", "null"]},
        "active": {"type": ["boolean", "null"]},
        "tags": {"type": ["array", "null"], "items": {"type": "string"}},
        "address": {
            "type": ["object", "null"],
            "properties": {
                "city": {"type": ["string", "null"]},
                "zip": {"type": ["string", "null"]},
            },
        },
        "updated_at": {"type": ["string", "null"], "format": "date-time"},
    },
}
START = datetime(2024, 1, 1, tzinfo=UTC)


def record(number: int) -> dict:
    return {
        "id": number,
        "name": f"Märta {number}" if number % 7 else None,
        "amount": Decimal(number) / 100,
        "active": number % 2 == 0,
        "tags": [f"t{n}" for n in range(number % 4)],
        "address": {"city": "São Paulo", "zip": f"{number:05d}"},
        "updated_at": START + timedelta(seconds=number),
    }


class Numbers(FlextStream):
    name = "numbers"
    is_sorted = True
    primary_keys = ("id",)

    def __init__(self, tap, **kwargs):
        super().__init__(tap, schema=SCHEMA, **kwargs)
        self.primary_keys = ["id"]
        self.replication_key = "id" if self.config.get("incremental", True) else None

    def get_records(self, context):
        first = (self.get_starting_replication_key_value(context) or 0) + 1
        count = self.config.get("records", 1000)
        pause = self.config.get("pause_seconds", 0)
        hang_at = self.config.get("hang_at")
        fail_at = self.config.get("fail_at")
        bad_every = self.config.get("reject_every")
        for number in range(first, count + 1):
            if number == hang_at:
                # Minutes inside one C call: no Python signal handler runs there.
                sqlite3.connect(":memory:").execute(
                    "with recursive n(i) as (select 1 union all select i + 1 from n"
                    " limit 100000000000) select count(*) from n"
                )
            if number == fail_at:
                raise ConnectionError(f"lost login {self.config.get('password')}")
            if pause:
                time.sleep(float(pause))  # the SDK hands it over as Decimal
            if bad_every and number % bad_every == 0:
                self.reject(f"record {number}", "bad by request", {"id": number})
                continue
            yield record(number)


class ReferenceTap(FlextTap):
    """Emits numbered records."""

    name = "tap-reference"
    package_name = "flext-singer"
    config_jsonschema = {  # noqa: RUF012 - the SDK's form
        "type": "object",
        "properties": {
            "records": {"type": "integer", "description": "How many records."},
            "password": {"type": "string", "secret": True},
            "incremental": {"type": "boolean"},
            "pause_seconds": {"type": "number"},
            "hang_at": {"type": "integer"},
            "fail_at": {"type": "integer"},
            "reject_every": {"type": "integer"},
            "start_date": {"type": "string"},
        },
    }

    def discover_streams(self):
        return [Numbers(self)]


main = entry_point(ReferenceTap)

if __name__ == "__main__":
    os.environ.setdefault("LOGLEVEL", "INFO")
    main()
