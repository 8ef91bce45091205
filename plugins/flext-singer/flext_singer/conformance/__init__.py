"""Tests that any Singer tap or target should pass, run as real processes.

The SDK's standard suites look at catalogs and records. These look at what happens
when a plugin is stopped, killed, run twice, fed badly or given a secret:

    from flext_singer.conformance import TapUnderTest, tap_suite
    from singer_sdk.testing import get_tap_test_class

    TestMyTap = get_tap_test_class(
        MyTap, config=CONFIG,
        custom_suites=[tap_suite(TapUnderTest(command=["my-tap"], config=CONFIG))],
    )

and `TargetUnderTest`, `target_suite` for targets. They start the plugin by its
command line and know nothing of its inside, so the plugin need not be built on
flext-singer, nor on the SDK. Needs Linux and pytest.
"""

from __future__ import annotations

from typing import Any

from singer_sdk.testing.suites import SingerTestSuite

from flext_singer.conformance.processes import TapUnderTest, TargetUnderTest
from flext_singer.conformance.tap_tests import TAP_TESTS
from flext_singer.conformance.target_tests import TARGET_TESTS

__all__ = ["TapUnderTest", "TargetUnderTest", "tap_suite", "target_suite"]


def tap_suite(subject: TapUnderTest) -> SingerTestSuite[Any]:
    """Return the tests for a tap, for `custom_suites`.

    Args:
        subject: How to run it.
    """
    tests: list[Any] = [
        type(test.__name__, (test,), {"subject": subject}) for test in TAP_TESTS
    ]
    return SingerTestSuite(kind="tap", tests=tests)


def target_suite(subject: TargetUnderTest) -> SingerTestSuite[Any]:
    """Return the tests for a target, for `custom_suites`.

    Args:
        subject: How to run it, and how to see what it has committed.
    """
    tests: list[Any] = [
        type(test.__name__, (test,), {"subject": subject}) for test in TARGET_TESTS
    ]
    return SingerTestSuite(kind="target", tests=tests)
