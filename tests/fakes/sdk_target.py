"""A target on the bare SDK, against which the conformance suite must fail.

It is of the ordinary kind that sends record by record to a service, here a file,
and its `process_batch` tolerates an empty context (meltano/sdk#3775).
"""

from __future__ import annotations

import time
from pathlib import Path

from singer_sdk import Target
from singer_sdk.sinks import BatchSink


class LineSink(BatchSink):
    max_size = 300

    def process_batch(self, context):
        path = Path(self.config["folder"]) / self.stream_name
        for record in context.get("records", []):
            time.sleep(self.config.get("record_seconds", 0.01))
            with path.open("a") as file:
                file.write(f"{record['id']}\n")


class SdkTarget(Target):
    """Writes ids into files."""

    name = "target-sdk"
    package_name = "singer-sdk"
    default_sink_class = LineSink
    config_jsonschema = {  # noqa: RUF012 - the SDK's form
        "type": "object",
        "properties": {
            "folder": {"type": "string"},
            "record_seconds": {"type": "number"},
        },
        "required": ["folder"],
    }


if __name__ == "__main__":
    SdkTarget.cli()
