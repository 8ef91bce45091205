"""The SDK's tap suite on Postgres; started by test_suites.py in its own process.

The SDK asks the tap for its streams while it makes the test class, so the server
has to run before this file is imported.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from flext_singer.conformance import TapUnderTest, tap_suite
from flext_warehouse.tap import TapWarehouse
from singer_sdk.testing import SuiteConfig, get_tap_test_class

CONFIG = json.loads(os.environ["FLEXT_TAP_CONFIG"])
COMMAND = [str(Path(sys.executable).parent / "flext-tap-warehouse")]

TestPostgresTap = get_tap_test_class(
    TapWarehouse,
    config=CONFIG,
    suite_config=SuiteConfig(max_records_limit=3000),
    custom_suites=[tap_suite(TapUnderTest(COMMAND, CONFIG))],
)
