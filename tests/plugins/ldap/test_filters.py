from __future__ import annotations

import contextlib

import pytest
from flext_ldap import ber, filters
from flext_ldap.filters import FilterError
from hypothesis import given
from hypothesis import strategies as st

hostile = st.text(alphabet="*()\\&|!=<>~: ab\x00é,\n\"'#;", max_size=30) | st.text(
    alphabet=st.characters(exclude_categories=["Cs"]), max_size=30
)


@given(hostile)
def test_no_value_changes_the_shape_of_a_filter(value):
    text = f"(&(objectClass=person)(cn={filters.escape(value)}))"
    by_hand = filters.all_of(
        [filters.equality("objectClass", "person"), filters.equality("cn", value)]
    )
    expected = by_hand if value else filters.parse("(&(objectClass=person)(cn=))")
    assert filters.parse(text) == expected


@given(hostile)
def test_a_built_filter_holds_exactly_one_assertion(value):
    parts = ber.read_sequence(filters.any_of([filters.equality("uid", value)]), 0xA1)
    assert len(parts) == 1
    (_, name), (_, found) = ber.read_sequence(ber.tlv(ber.SEQUENCE, parts[0][1]))
    assert (name, found) == (b"uid", value.encode())


@given(st.text(alphabet="()&|!=*\\ab:~<> ", max_size=40))
def test_any_text_parses_or_is_refused_as_a_filter(text):
    with contextlib.suppress(FilterError):
        filters.parse(text)


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("(cn=a)", "a3070402636e040161"),
        ("cn=a", "a3070402636e040161"),
        ("(cn=*)", "8702636e"),
        ("(cn=**)", "8702636e"),
        ("(cn=a*b*c)", "a40f0402636e3009800161810162820163"),
        ("(cn=*b)", "a4090402636e3003820162"),
        ("(cn>=a)", "a5070402636e040161"),
        ("(cn<=a)", "a6070402636e040161"),
        ("(cn~=a)", "a8070402636e040161"),
        ("(&)", "a000"),
        ("(|)", "a100"),
        ("(!(cn=a))", "a209a3070402636e040161"),
        ("( & (cn=a) (cn=*) )", "a00da3070402636e0401618702636e"),
        (r"(cn=\2a)", "a3070402636e04012a"),
        ("(cn=)", "a3060402636e0400"),
        ("(cn:dn:2.4.6:=a)", "a9118105322e342e368202636e8301618401ff"),
        ("(:caseExactMatch:=a)", "a913810e6361736545786163744d61746368830161"),
        ("(userCertificate;binary=a)", None),
        ("(2.5.4.3=a)", "a30c0407322e352e342e33040161"),
    ],
)
def test_filters_have_the_wire_form_of_rfc_4515(text, wire):
    encoded = filters.parse(text)
    if wire is not None:
        assert encoded.hex() == wire


@pytest.mark.parametrize(
    "text",
    [
        "",
        "(",
        "(cn=a",
        "(cn=a))",
        "(cn=a)(cn=b)",
        "(!(cn=a)(cn=b))",
        "(cn=(a))",
        r"(cn=\zz)",
        "(cn>=a*)",
        "(=a)",
        "(:=a)",
        "cn",
        "(c n=a)",
        "(" * 500,
        "(!" * 500 + "(cn=a)" + ")" * 500,
    ],
)
def test_text_that_is_no_filter_is_refused_with_its_position(text):
    with pytest.raises(FilterError):
        filters.parse(text)
