"""What FlexCore's taps and targets stand on; see docs/explanation/record-path.md."""

from flext_singer.command_line import entry_point
from flext_singer.errors import (
    BrokenLineError,
    FlextError,
    SettingsError,
    TooManyErrorsError,
    UnencodableValueError,
)
from flext_singer.records import RawRecords
from flext_singer.sink import FlextSink
from flext_singer.stream import FlextStream
from flext_singer.tap import FlextTap
from flext_singer.target import FlextTarget

__all__ = [
    "BrokenLineError",
    "FlextError",
    "FlextSink",
    "FlextStream",
    "FlextTap",
    "FlextTarget",
    "RawRecords",
    "SettingsError",
    "TooManyErrorsError",
    "UnencodableValueError",
    "entry_point",
]
