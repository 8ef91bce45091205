from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from flext_singer.arrow_types import ArrowColumns, is_json_text, json_lines
from flext_singer.encoding import RecordEncoder


def column(schema, values):
    columns = ArrowColumns({"properties": {"v": schema}}, ())
    return columns.batch([{"v": value} for value in values])


@pytest.mark.parametrize(
    ("schema", "values", "kind"),
    [
        ({"type": "boolean"}, [True, None], pa.bool_()),
        ({"type": ["integer", "null"]}, [1, 2**63 - 1, None], pa.int64()),
        ({"type": "number"}, [1.5, None], pa.float64()),
        ({"type": "string"}, ["", "é\x00"], pa.string()),
        (
            {"type": "array", "items": {"type": "array", "items": {"type": "string"}}},
            [[["a"], [], None], None],
            pa.list_(pa.list_(pa.string())),
        ),
    ],
)
def test_plain_types_have_their_arrow_type(schema, values, kind):
    batch = column(schema, values)
    assert batch.schema.field("v").type == kind
    assert batch.column("v").to_pylist() == values


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, 2**63),
        ({"type": "integer"}, 1.5),
        ({"type": "integer"}, True),
        ({"type": "number"}, Decimal("1.10")),
        ({"type": "number"}, 2**60 + 1),
        ({"type": "boolean"}, 1),
        ({"type": "string"}, 7),
        ({"type": "object"}, {"a": [1, Decimal("2.50")]}),
        ({"type": "array", "items": {"type": "number"}}, [1.5, Decimal("2.50")]),
        ({"type": "array"}, ["a", 1, None]),
        ({"type": ["string", "integer"]}, "7"),
        ({}, "text"),
    ],
)
def test_what_arrow_cannot_hold_exactly_goes_as_json_text(schema, value):
    batch = column(schema, [value])
    assert is_json_text(batch.schema.field("v"))
    direct = RecordEncoder("s", {}).lines([{"v": value}])
    record = direct[direct.index(b'"record":') + 9 : direct.index(b',"time_extracted"')]
    assert list(json_lines(batch)) == [record]


def test_dates_are_the_same_text_in_both_lanes():
    schema = {"type": "string", "format": "date-time"}
    moment = datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    (line,) = json_lines(column(schema, [moment, "2024-01-01T00:00:00Z"]).slice(0, 1))
    assert json.loads(line) == {"v": "2024-01-02T03:04:05.678901Z"}


def test_a_column_that_became_text_stays_text():
    columns = ArrowColumns({"properties": {"v": {"type": "integer"}}}, ())
    before = columns.schema
    columns.batch([{"v": 2**70}])
    later = columns.batch([{"v": 1}])
    assert not is_json_text(before.field("v"))
    assert is_json_text(later.schema.field("v"))
    assert list(json_lines(later)) == [b'{"v":1}']
