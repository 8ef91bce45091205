import io

import pytest
from flext_ldif.blocks import blocks
from flext_ldif.entries import Change, Control, Entry, LdifError, Modification
from flext_ldif.reader import BlockParser, read
from flext_ldif.record_parser import as_value
from flext_ldif.writer import LdifWriter
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
DATA = st.one_of(TEXT.map(str.encode), st.binary())
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,8}(;[a-z0-9-]{1,4})?", fullmatch=True)
ATTRIBUTE_NAMES = NAMES.filter(
    lambda name: (
        name.lower() not in {"dn", "changetype", "control", "version"}
        and not name.lower().endswith(";binary")
    )
)
ATTRIBUTES = st.dictionaries(
    ATTRIBUTE_NAMES, st.lists(DATA.map(as_value), min_size=1, max_size=3), max_size=5
)
LENGTHS = st.sampled_from([0, 10, 11, 76, 78])

ODD = [
    "x", " lead", "trail ", ":colon", "<lt", "Zoë", "", "a\nb", "a\r\nb", "tab\t",
    "x" * 200, "é" * 100, "#hash", "-", "dn: fake", "\n\ndn: cn=evil,dc=x\n",
    "\u2028", "\x85", "\x7f", b"\xff\xfe", b"\x00", b"a\x00b",
]  # fmt: skip


def back(data):
    return list(read(io.BytesIO(data).read))


def test_odd_values_come_back_as_they_were():
    data = LdifWriter().entry("cn=Zoë, O=x\\,y,dc=z ", {"cn": ODD})
    (entry,) = back(data)
    assert entry.attributes == {"cn": ODD}
    assert entry.dn == "cn=Zoë, O=x\\,y,dc=z "
    assert data.isascii()
    assert max(map(len, data.split(b"\n"))) <= 76


@given(TEXT.filter(lambda text: "\0" not in text), ATTRIBUTES, LENGTHS)
def test_any_entry_comes_back_as_it_was(dn, attributes, line_length):
    data = LdifWriter(line_length).entry(dn, attributes)
    (entry,) = back(data + LdifWriter(line_length).entry("dc=next", {"dc": ["x"]}))[:1]
    assert isinstance(entry, Entry)
    assert (entry.dn, entry.attributes) == (dn, attributes)
    if line_length:
        assert max(map(len, data.split(b"\n"))) <= line_length


STEPS = st.lists(
    st.builds(
        Modification,
        st.sampled_from(["delete", "replace"]),
        ATTRIBUTE_NAMES,
        st.lists(DATA.map(as_value), max_size=2),
    ),
    max_size=3,
)
RDNS = TEXT.filter(lambda text: text and "\0" not in text)
CONTROLS = st.lists(
    st.builds(Control, st.just("1.2.3"), st.booleans(), st.none() | DATA.map(as_value)),
    max_size=2,
)


@given(
    st.one_of(
        st.builds(Change, st.just("delete"), RDNS, controls=CONTROLS),
        st.builds(Change, st.just("modify"), RDNS, STEPS, controls=CONTROLS),
        st.builds(
            Change,
            st.sampled_from(["modrdn", "moddn"]),
            RDNS,
            new_rdn=RDNS,
            delete_old_rdn=st.booleans(),
            new_superior=st.none() | RDNS,
            controls=CONTROLS,
        ),
        st.builds(
            lambda dn, attributes, controls: Change(
                "add",
                dn,
                [Modification("add", n, vs) for n, vs in attributes.items()],
                controls=controls,
            ),
            RDNS,
            ATTRIBUTES.filter(bool),
            CONTROLS,
        ),
    ),
    LENGTHS,
)
def test_any_change_comes_back_as_it_was(change, line_length):
    (found,) = back(LdifWriter(line_length).change(change))
    found.line = found.size = 0
    assert found == change


@pytest.mark.parametrize("name", ["", "a b", "cn: x\ndn", "dn", "Version", "é", "a\n"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(LdifError, match="no attribute name"):
        LdifWriter().entry("dc=x", {name: ["a"]})
    with pytest.raises(LdifError, match="no attribute name"):
        LdifWriter().change(Change("modify", "dc=x", [Modification("add", name, [])]))


@pytest.mark.parametrize(
    "change",
    [
        Change("frob", "dc=x"),
        Change("add", "dc=x"),
        Change("moddn", "dc=x"),
        Change("moddn", "dc=x", new_rdn="cn=a"),
        Change("modify", "dc=x", [Modification("x: y\nadd", "cn", [])]),
        Change("delete", "dc=x", controls=[Control("1.2\nx")]),
    ],
)
def test_a_change_that_is_none_is_refused(change):
    with pytest.raises(LdifError):
        LdifWriter().change(change)


def test_half_a_character_is_refused():
    with pytest.raises(LdifError, match="half a character"):
        LdifWriter().entry("dc=x", {"cn": ["\ud800"]})


PIECES = st.sampled_from(
    ["dn: cn=a,dc=x", "dn:: Y249YQ==", "cn: a", "cn:: YQ==", "cn:", "cn:: !", "x: : y",
     "sn:  b", "sn: <b", "# c", " f", "", "", "-", "changetype: add", "add: cn",
     "changetype: modify", "version: 1", "member;range=0-1: a", "cn: Zoë", "\tx", ":"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=20), st.sampled_from(["\n", "\r\n"]))
def test_the_fast_path_reads_what_the_exact_one_reads(pieces, line_end):
    data = line_end.join(pieces).encode()
    found = []
    for is_fast in (True, False):
        parser = BlockParser()
        parser._is_fast = is_fast
        source = io.BytesIO(data)
        found.append([r for b in blocks(source.read) for r in parser.parse(b)])
    assert found[0] == found[1]
