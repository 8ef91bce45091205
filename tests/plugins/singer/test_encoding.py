from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from flext_singer.encoding import RecordEncoder
from flext_singer.errors import UnencodableValueError
from hypothesis import given
from hypothesis import strategies as st

ANY = {"type": "object", "properties": {"v": {}}}
NUMBER = {"type": "object", "properties": {"v": {"type": ["number", "null"]}}}
TIME = {
    "type": "object",
    "properties": {"v": {"type": "string", "format": "date-time"}},
}


def record_of(schema, value):
    line = RecordEncoder("s", schema).lines([{"v": value}])
    return line.decode()


def test_a_line_is_the_message_that_the_sdk_would_write():
    now = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    lines = RecordEncoder('a"b', NUMBER, version=7).lines([{"v": 1}, {"v": 2}], now)
    first, second = map(json.loads, lines.splitlines())
    assert first == {
        "type": "RECORD",
        "stream": 'a"b',
        "record": {"v": 1},
        "version": 7,
        "time_extracted": "2024-05-06T07:08:09+00:00",
    }
    assert second["record"] == {"v": 2}
    assert lines.endswith(b"}\n")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1.10"), '"v":1.10}'),
        (Decimal("12345678901234567890.123456789"), "12345678901234567890.123456789"),
        (Decimal("1E+5"), "1E+5"),
        (10**40, '"v":1' + "0" * 40),
        ("a\nb\u2028\x01", '"v":"a\\nb\u2028\\u0001"'),
        (None, '"v":null'),
    ],
)
def test_values_keep_every_digit_and_character(value, text):
    line = record_of(ANY, value)
    assert text in line
    assert line.count("\n") == 1


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2024, 1, 2, 3, tzinfo=UTC), "2024-01-02T03:00:00Z"),
        (datetime(2024, 1, 2, 3), "2024-01-02T03:00:00Z"),  # noqa: DTZ001 - the subject
        (
            datetime(2024, 1, 2, 3, tzinfo=timezone(timedelta(hours=3))),
            "2024-01-02T00:00:00Z",
        ),
    ],
)
def test_datetimes_come_out_in_utc(moment, text):
    assert f'"v":"{text}"' in record_of(TIME, moment)


@pytest.mark.parametrize("schema", [ANY, NUMBER])
@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("-Infinity"),
    ],
)
def test_a_number_that_is_none_is_an_error_naming_stream_and_key(schema, value):
    with pytest.raises(UnencodableValueError) as caught:
        record_of(schema, value)
    assert caught.value.where == "stream 's', key 'v'"
    assert "not a finite number" in caught.value.what


@pytest.mark.parametrize(
    ("record", "key"),
    [
        ({"v": "a\ud800"}, "v"),
        ({"v": {"w": ["x", "\udfff"]}}, "v.w[1]"),
        ({"\ud800": 1}, ""),
        ({"v": object()}, "v"),
        ({"v": [1, math.nan]}, "v[1]"),
        ({"v": {"w": Decimal("Infinity")}}, "v.w"),
    ],
)
def test_what_json_cannot_hold_is_an_error_naming_its_place(record, key):
    with pytest.raises(UnencodableValueError) as caught:
        RecordEncoder("s", ANY).lines([{"v": 1}, record])
    assert caught.value.where == f"stream 's', key {key!r}"
    assert caught.value.record is record


def test_the_word_nan_in_a_text_is_no_error():
    assert '"v":"NaN Infinity"' in record_of(ANY, "NaN Infinity")


def test_deselected_keys_stay_out_and_the_record_stays_whole():
    record = {"v": 1, "w": 2}
    line = RecordEncoder("s", ANY, deselected=["w"]).lines([record])
    assert json.loads(line)["record"] == {"v": 1}
    assert record == {"v": 1, "w": 2}


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "v": st.none()
                | st.integers()
                | st.text()
                | st.decimals(allow_nan=False, allow_infinity=False)
                | st.lists(st.text(), max_size=3)
            }
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_record_reads_back_as_it_was(records):
    lines = RecordEncoder("s", ANY).lines(records)
    back = [
        json.loads(line, parse_float=Decimal)["record"] for line in lines.splitlines()
    ]
    for was, now in zip(records, back, strict=True):
        value = now["v"]
        if isinstance(was["v"], Decimal):
            assert Decimal(value) == was["v"]
        else:
            assert value == was["v"]
