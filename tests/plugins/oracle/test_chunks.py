"""Windows of the ROWID space: where a table is cut, and who reads what."""

import pytest
from flext_oracle import chunks
from flext_oracle.chunks import ALPHABET, Share, Window
from flext_oracle.errors import OracleError
from hypothesis import given
from hypothesis import strategies as st

ROWID_PREFIX = st.text(alphabet=ALPHABET, min_size=13, max_size=13)


def test_a_window_spans_its_blocks_and_rows():
    window = Window("AAAR0oAABAAAA")
    assert window.first == "AAAR0oAABAAAAAAAAA"
    assert window.last == "AAAR0oAABAAAA//H//"
    assert len(window.first) == len(window.last) == 18


@given(st.sets(ROWID_PREFIX, max_size=30), st.integers(1, 7))
def test_every_window_is_read_by_exactly_one_process(prefixes, count):
    windows = chunks.from_prefixes(prefixes)
    for window in windows:
        takers = [i for i in range(1, count + 1) if Share(i, count).takes(window)]
        assert len(takers) == 1


@given(st.sets(ROWID_PREFIX, min_size=1, max_size=30), ROWID_PREFIX)
def test_new_extents_move_no_window_to_another_process(prefixes, more):
    share = Share(2, 3)
    before = [w for w in chunks.from_prefixes(prefixes) if share.takes(w)]
    after = [w for w in chunks.from_prefixes(prefixes | {more}) if share.takes(w)]
    assert [w for w in after if w.prefix in prefixes] == before


def test_extents_are_covered_without_gaps():
    extents = [("AAAR0oAABAAAAAAAAA", "AAAR0oAABAAAAAHAAA")]
    assert [w.prefix for w in chunks.from_extents(extents, 15)] == [
        f"AAAR0oAABAAAAA{digit}" for digit in "ABCDEFGH"
    ]
    across = [("AAAR0oAABAAAA+AAAA", "AAAR0oAABAAABBAAAA")]
    assert [w.prefix for w in chunks.from_extents(across, 13)] == [
        "AAAR0oAABAAAA",
        "AAAR0oAABAAAB",
    ]


def test_windows_sort_as_rowids_do_and_not_as_text():
    assert [w.prefix for w in chunks.from_prefixes(["AAA+", "AAAa", "AAAZ"])] == [
        "AAAZ",
        "AAAa",
        "AAA+",
    ]


@pytest.mark.parametrize(
    "setting", ["2/4", {"index": 1, "count": 4}, {"index": "1", "count": "4"}]
)
def test_a_partition_is_written_in_two_ways(setting):
    assert chunks.share_of(setting) == Share(2, 4)


@pytest.mark.parametrize(
    "setting", ["0/4", "5/4", "2", "a/b", {"index": 1}, {"index": 4, "count": 4}, [1]]
)
def test_a_partition_that_would_lose_rows_is_refused(setting):
    with pytest.raises(OracleError, match="partition is") as error:
        chunks.share_of(setting)
    assert "i/n" in error.value.fix


def test_a_chunk_size_without_whole_digits_is_refused():
    with pytest.raises(OracleError, match="chunk_blocks is 100"):
        chunks.digits_for(100)
