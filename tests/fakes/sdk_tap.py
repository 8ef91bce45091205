"""A tap on the bare SDK, against which the conformance suite must fail."""

from __future__ import annotations

from singer_sdk import Stream, Tap


class Numbers(Stream):
    name = "numbers"
    is_sorted = True
    STATE_MSG_FREQUENCY = 10

    def __init__(self, tap):
        schema = {
            "type": "object",
            "properties": {
                "id": {"type": "integer"},
                "name": {"type": "string"},
            },
        }
        super().__init__(tap, schema=schema)
        self.primary_keys = ["id"]
        self.replication_key = "id"

    def get_records(self, context):
        first = (self.get_starting_replication_key_value(context) or 0) + 1
        for number in range(first, self.config.get("records", 1000) + 1):
            yield {"id": number, "name": f"name {number}"}


class SdkTap(Tap):
    """Emits numbered records."""

    name = "tap-sdk"
    package_name = "singer-sdk"
    config_jsonschema = {  # noqa: RUF012 - the SDK's form
        "type": "object",
        "properties": {
            "records": {"type": "integer"},
            "password": {"type": "string", "secret": True},
        },
    }

    def discover_streams(self):
        return [Numbers(self)]


if __name__ == "__main__":
    SdkTap.cli()
