"""The SDK's standard suites and the conformance suite of flext-singer."""

import sys
from pathlib import Path

import pytest
from flext_ldif.entries import Entry
from flext_ldif.reader import read
from flext_ldif.tap import TapLdif
from flext_ldif.target import TargetLdif
from flext_singer.conformance import (
    TapUnderTest,
    TargetUnderTest,
    tap_suite,
    target_suite,
)
from singer_sdk.testing import get_tap_test_class

SAMPLES = Path(__file__).parents[2] / "samples" / "ldif"
TAP = [sys.executable, "-m", "flext_ldif.tap"]
TARGET = [sys.executable, "-m", "flext_ldif.target"]


def each_of(suite):
    return [pytest.param(test, id=test.name) for test in suite.tests]


TestStandardTap = get_tap_test_class(TapLdif, config={"path": str(SAMPLES)})


def committed(settings, stream):
    path = TargetLdif(config=dict(settings)).path_of(stream)
    if not path.exists():
        return []
    with path.open("rb") as file:
        found = list(read(file.read))
    assert all(isinstance(one, Entry) for one in found)
    return sorted(int(one.attributes["id"][0]) for one in found)


OUR_TARGET = TargetUnderTest(
    command=TARGET,
    configure=lambda folder: {
        "output_path": f"{folder}/out/",
        "dn_template": "cn={id},dc=example,dc=com",
        "load_method": "upsert",
    },
    committed=committed,
    records=3000,
)


@pytest.fixture(scope="module")
def three_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ldif")
    for name in "abc":
        text = "".join(f"dn: cn={name}{n},dc=x\ncn: {name}{n}\n\n" for n in range(4000))
        (folder / f"{name}.ldif").write_text(text)
    return str(folder)


@pytest.mark.parametrize("test", each_of(tap_suite(TapUnderTest(TAP, {}))))
def test_the_tap_conforms(test, three_files):
    subject = TapUnderTest(command=TAP, config={"path": three_files})
    type(test.__name__, (test,), {"subject": subject})().test()


@pytest.mark.parametrize("test", each_of(target_suite(OUR_TARGET)))
def test_the_target_conforms(test):
    test().test()
