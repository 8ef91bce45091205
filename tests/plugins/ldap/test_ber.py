from __future__ import annotations

import contextlib

import pytest
from flext_ldap import ber, messages
from flext_ldap.messages import Change
from hypothesis import given, settings
from hypothesis import strategies as st


def entry_message(dn, attributes):
    listed = [
        ber.sequence(ber.octets(n), ber.sequence(*map(ber.octets, v), tag=ber.SET))
        for n, v in attributes
    ]
    return ber.octets(dn) + ber.sequence(*listed)


names = st.from_regex(r"[A-Za-z][A-Za-z0-9;-]{0,20}", fullmatch=True)
attributes = st.lists(
    st.tuples(names, st.lists(st.binary(max_size=300), max_size=5)), max_size=6
)


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_come_back_in_their_shortest_form(value):
    encoded = ber.integer(value)
    assert ber.read_integer(encoded[2:]) == value
    assert len(encoded) == 2 or encoded[2:4] not in (b"\x00\x00", b"\xff\xff")


@given(st.text(max_size=200), attributes)
def test_an_entry_reads_back_as_it_was_written_with_repeats_merged(dn, listed):
    expected = {}
    for name, values in listed:
        expected.setdefault(name, []).extend(values)
    dn = dn.encode("utf-8", "replace").decode()
    raw = entry_message(dn, listed)
    assert messages.read_entry(raw, 0, len(raw), {}) == (dn, expected)


@settings(max_examples=400)
@given(st.binary(max_size=400))
def test_arbitrary_bytes_give_an_error_and_nothing_else(data):
    for read in (
        lambda: messages.read_entry(data, 0, len(data), {}),
        lambda: messages.read_response(data, 0, len(data)),
        lambda: ber.read_sequence(data),
    ):
        with contextlib.suppress(ber.BerError):
            read()


@settings(max_examples=400)
@given(attributes, st.data())
def test_a_damaged_entry_never_yields_bytes_from_outside_it(listed, data):
    raw = bytearray(entry_message("cn=x", listed))
    where = data.draw(st.integers(0, len(raw) - 1))
    raw[where] = data.draw(st.integers(0, 255))
    outside = b"\xab" * 5000
    try:
        _, entry = messages.read_entry(bytes(raw) + outside, 0, len(raw), {})
    except ber.BerError:
        return
    total = sum(len(value) for values in entry.values() for value in values)
    assert total <= len(raw)


@given(attributes, st.data())
def test_a_truncated_entry_is_refused(listed, data):
    raw = entry_message("cn=x", listed)
    cut = data.draw(st.integers(0, len(raw) - 1))
    with pytest.raises(ber.BerError):
        messages.read_entry(raw[:cut], 0, cut, {})


@pytest.mark.parametrize(
    "raw",
    [
        b"\x30\x80\x00\x00",
        b"\x1f\x81\x01\x00",
        b"\x30\x85\x01\x00\x00\x00\x00",
        b"\x30",
    ],
)
def test_forms_that_ldap_forbids_are_refused(raw):
    with pytest.raises(ber.BerError):
        ber.read_tlv(raw, 0, len(raw))


def test_requests_are_the_bytes_of_the_standard():
    """Written by hand from RFC 4511; the servers' tests cover the rest."""
    assert messages.delete("cn=a").hex() == "4a04636e3d61"
    assert messages.simple_bind("cn=a", "pw").hex() == (
        "600d0201030404636e3d6180027077"
    )
    assert messages.modify("cn=a", [Change(messages.REPLACE, "sn", [b"x"])]).hex() == (
        "66180404636e3d613010300e0a010230090402736e3103040178"
    )
    assert messages.envelope(1, messages.unbind()).hex() == "30050201014200"


def test_a_long_length_is_written_with_its_width():
    assert ber.octets(b"x" * 127)[:2].hex() == "047f"
    assert ber.octets(b"x" * 128)[:3].hex() == "048180"
    assert ber.octets(b"x" * 70000)[:5].hex() == "0483011170"
