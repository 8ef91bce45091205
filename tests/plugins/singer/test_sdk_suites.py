"""The SDK's own standard suites, in-process, on the reference tap and target."""

from __future__ import annotations

import pytest
from reference_tap import ReferenceTap
from reference_target import ReferenceTarget
from singer_sdk.testing import SuiteConfig, get_tap_test_class, get_target_test_class

TestTap = get_tap_test_class(
    ReferenceTap,
    config={"records": 50},
    suite_config=SuiteConfig(max_records_limit=20),
)
_TestTarget = get_target_test_class(ReferenceTarget, config={"path": ":memory:"})


class TestTarget(_TestTarget):
    pass


@pytest.mark.parametrize(
    "settings",
    [{"stream_maps": {"numbers": {"id": "id"}}}, {"flattening_enabled": True}],
)
def test_stream_maps_and_flattening_go_through_the_sdk(settings, capfd):
    if "flattening_enabled" in settings:
        settings["flattening_max_depth"] = 2
    tap = ReferenceTap(config={"records": 3, **settings})
    tap.sync_all()
    output = capfd.readouterr().out
    assert output.count('"type":"RECORD"') == 3
    flat = "address__city" in output
    assert flat == ("flattening_enabled" in settings)
