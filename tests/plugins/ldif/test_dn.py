import pytest
from flext_ldif import dn
from hypothesis import given
from hypothesis import strategies as st

VALUES = [
    "a,b", "a+b", '"q"', "\\back", "<lt>", "semi;colon", "#hash", " lead",
    "trail ", " ", "  ", "eq=", "Zoë", "nul\x00x", "\\ ", "x\\", "a  b", "#", "日本",
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_an_escaped_value_comes_back(value):
    assert dn.parse(f"cn={dn.escape(value)},dc=x") == [[("cn", value)], [("dc", "x")]]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_stays_one_value_of_its_rdn(value):
    assert dn.parse(f"cn={dn.escape(value)},dc=x") == [[("cn", value)], [("dc", "x")]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CN=Foo\\2C Bar + OU=x , DC=Ex", "ou=X+cn=foo\\, bar,dc=ex"),
        ('cn="a,b",dc=x', "cn=a\\,b,dc=x"),
        ("cn=a;dc=x", "cn=a,dc=x"),
        ("cn=a  b,dc=x", "CN=A b, DC=X"),
    ],
)
def test_two_spellings_of_one_dn_normalise_alike(one, other):
    assert dn.normalise(one) == dn.normalise(other)


@pytest.mark.parametrize("text", ["cn", "=a", "cn=a,", "cn=a\\", 'cn="a', "c n=a"])
def test_what_is_no_dn_is_refused(text):
    with pytest.raises(dn.DnError):
        dn.parse(text)


def test_an_escaped_comma_does_not_put_an_entry_below_a_base():
    assert dn.is_under("cn=a,ou=x,dc=y", "OU=x, DC=y")
    assert dn.is_under("ou=x,dc=y", "ou=x,dc=y")
    assert not dn.is_under("cn=a\\,ou\\=x,dc=y", "ou=x,dc=y")
    assert not dn.is_under("cn=ou=x,dc=y", "ou=x,dc=y")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("cn=A,ou=B,dc=c", ("cn=a,ou=b,dc=c", "ou=B,dc=c", "cn=A", 3)),
        ("cn=a\\,b,dc=c", ("cn=a\\,b,dc=c", "dc=c", "cn=a\\,b", 2)),
        ("cn=a, dc=c", ("cn=a,dc=c", "dc=c", "cn=a", 2)),
        ("dc=c", ("dc=c", None, "dc=c", 1)),
        ("", ("", None, None, 0)),
        ("cn=a,", ("cn=a,", None, None, None)),
        ("@ROOTDSE", ("@rootdse", None, None, None)),
    ],
)
def test_the_place_of_an_entry_is_read_from_its_dn(text, place):
    assert dn.place(text) == place


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["cn", "OU", "dc"]),
            st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_the_place_is_the_same_whether_or_not_the_dn_is_simple(pairs):
    text = ",".join(f"{kind}={dn.escape(value)}" for kind, value in pairs)
    normalised, parent, rdn, depth = dn.place(text)
    assert normalised == dn.normalise(text)
    assert depth == len(pairs)
    assert dn.parse(rdn or "") == dn.parse(text)[:1]
    assert dn.parse(parent or "") == dn.parse(text)[1:]
