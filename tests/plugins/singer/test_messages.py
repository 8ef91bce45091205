from __future__ import annotations

import io
import os
import threading

import pytest
from flext_singer import messages
from flext_singer.errors import BrokenLineError
from flext_singer.records import RawRecords


def lines_in(source, idle):
    blocks = messages.read_blocks(source, idle)
    return [line for block in blocks for line in messages.lines_of(block)]


def test_keys_may_come_in_any_order_and_spacing():
    line = b' { "record" : {"a": 1.10} , "stream":"s" ,"type" : "RECORD"}\r'
    message = messages.decode(line, 1)
    assert (message.stream, bytes(message.record)) == ("s", b'{"a": 1.10}')


@pytest.mark.parametrize(
    "line",
    [
        b"chatter",
        b'{"type":"RECORD","stream":"s","record":{"a":',
        b'{"type":"NONSENSE"}',
        b'{"stream":"s"}',
        b"[1]",
        b'\xef\xbb\xbf{"type":"STATE","value":{}}',
        b'{"type":"RECORD","stream":"s","record":{"a":NaN}}',
        b'{"type":"RECORD","stream":"s","record":{"a":"\\ud800"}}',
        b'{"type":"RECORD","stream":"s","record":{"a":"\xff"}}',
        b"[" * 100_000,
    ],
)
def test_a_broken_line_is_an_error_with_its_number(line):
    with pytest.raises(BrokenLineError, match="line 17 of the input"):
        messages.decode(line, 17)


def test_lines_come_whole_from_a_pipe_whatever_the_writes_were():
    lines = [b"a" * n for n in (0, 1, 70_000, 3, 3_000_000)]
    read, written = os.pipe()

    def write():
        data = b"\n".join(lines)
        for start in range(0, len(data), 1000):
            os.write(written, data[start : start + 1000])
        os.close(written)

    threading.Thread(target=write).start()
    with os.fdopen(read, "rb") as source:
        assert lines_in(source, lambda: None) == lines


@pytest.mark.parametrize(
    "block",
    [
        b'{"type":"STATE","value":{}}\nno JSON\n',
        b'{"type":"STATE","value":{}}\n\n',
        b'{"type":"STATE","value":{}}{"type":"STATE","value":{}}\n\n',
        b'{"type":"STATE",\n"value":{}}\n',
        b'{"type":"STATE","value":{"a":"\xff"}}\n',
        b'{"type":"STATE","value":{}}',
    ],
)
def test_a_block_with_an_odd_line_is_left_to_be_decoded_line_by_line(block):
    assert messages.decode_block(block) is None


def test_a_block_gives_the_messages_its_lines_give():
    block = (
        b'{"type":"STATE","value":{"a":1.10}}\r\n'
        b'{"record":{"id":"\xc3\xa4"},"stream":"s","type":"RECORD","version":3}\n'
    )
    one_by_one = [messages.decode(line, 1) for line in messages.lines_of(block)]
    assert messages.decode_block(block) == one_by_one


def test_text_input_is_read_too():
    source = io.StringIO("ä\nb\n")
    lines = lines_in(source, lambda: None)
    assert [line.strip() for line in lines] == ["ä".encode(), b"b"]


def test_waiting_for_input_does_what_is_due():
    read, written = os.pipe()
    calls = []

    def idle():
        calls.append(len(calls))
        if len(calls) == 3:
            os.write(written, b"x\n")
            os.close(written)
            return None
        return 0.01

    with os.fdopen(read, "rb") as source:
        assert lines_in(source, idle) == [b"x"]
    assert len(calls) >= 3


def test_dicts_keep_decimals_exact():
    records = RawRecords()
    records.add(b'{"a":0.1000000000000000000001,"b":1}')
    (record,) = records.dicts()
    assert str(record["a"]) == "0.1000000000000000000001"
    assert record["b"] == 1


def test_slices_keep_order_and_companions():
    records = RawRecords()
    for number in range(5):
        records.add(b"%d" % number, f"t{number}", number)
    pieces = list(records.slices(2))
    assert [piece.versions for piece in pieces] == [[0, 1], [2, 3], [4]]
    assert [piece.raw for piece in pieces][2] == [b"4"]
    assert sum(piece.size_bytes for piece in pieces) == records.size_bytes
