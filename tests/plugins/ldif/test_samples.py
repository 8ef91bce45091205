"""The samples tell one story: files, records of the tap, seeds of the dbt package."""

import csv
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "tests" / "samples" / "ldif"
SEEDS = ROOT / "transform" / "packages" / "ldif" / "integration_tests" / "seeds"
NUMBERS = {"line_number", "entry_size", "depth"}


def seeded(name):
    with (SEEDS / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            del row["_sdc_extracted_at"]
            yield row


@pytest.mark.parametrize("stream", ["ldif_entries", "ldif_changes"])
def test_the_seeds_of_the_dbt_package_are_what_the_tap_reads(
    stream, read_ldif, monkeypatch
):
    monkeypatch.chdir(SAMPLES)
    rows = list(seeded(f"landed_{stream}"))
    names = list(dict.fromkeys(row["source_file"] for row in rows))
    records = {
        (one["source_file"], one["line_number"]): one
        for one in read_ldif(names).records(stream)
    }
    assert len(records) == len(rows)
    for row in rows:
        record = records[row["source_file"], int(row["line_number"])]
        assert row.keys() == record.keys()
        for name, value in record.items():
            text = row[name]
            if isinstance(value, (list, dict)):
                assert json.loads(text) == value, name
            elif isinstance(value, bool):
                assert text == str(value).lower(), name
            else:
                assert text == ("" if value is None else str(value)), name


def test_the_company_holds_what_a_directory_holds(read_ldif):
    output = read_ldif(SAMPLES / "company" / "directory.ldif")
    records = output.records()
    assert len(records) == 62
    depths = {record["depth"] for record in records}
    assert depths == {2, 3, 4, 5, 6}
    assert any(record["binary_attributes"] == ["jpegPhoto"] for record in records)
    text = (SAMPLES / "company" / "directory.ldif").read_text()
    assert "\n " in text
    assert "\n#" in text
    assert ":: " in text
    dns = {record["dn_normalised"] for record in records}
    dangling = [
        member
        for record in records
        for member in record["attributes"].get("member", ())
        if member.lower() not in dns
    ]
    assert len(dangling) == 1
