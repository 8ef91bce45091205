from __future__ import annotations

import pytest
from flext_ldap import dn
from flext_ldap.dn import DnError
from hypothesis import given
from hypothesis import strategies as st

values = st.text(alphabet=' ,+"\\<>;=#\x00abÉé日', max_size=12) | st.text(
    alphabet=st.characters(exclude_categories=["Cs"]), max_size=12
)


@given(values)
def test_no_value_escapes_from_its_place_in_a_dn(value):
    built = f"cn={dn.escape(value)},ou=people,dc=x"
    assert dn.parse(built) == [[("cn", value)], [("ou", "people")], [("dc", "x")]]


@given(st.lists(st.lists(st.tuples(st.just("cn"), values), min_size=1, max_size=3)))
def test_parse_undoes_unparse_and_normalising_is_stable(rdns):
    if rdns == [[("cn", "")]]:
        return
    text = dn.unparse(rdns)
    assert dn.parse(text) == rdns
    assert dn.normalise(dn.normalise(text)) == dn.normalise(text)


@given(st.text(alphabet='cnou=,+; \\"#0aZé', max_size=40))
def test_the_quick_path_of_normalise_gives_what_the_long_one_gives(text):
    try:
        long_way = dn.unparse([dn._normalise_rdn(rdn) for rdn in dn.parse(text)])
    except DnError:
        with pytest.raises(DnError):
            dn.normalise(text)
    else:
        assert dn.normalise(text) == long_way


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CN=Foo\\2C Bar + OU=x , DC=Ex", "ou=X+cn=foo\\, bar,dc=ex"),
        ('cn="a,b";dc=x', "cn=a\\,b,dc=x"),
        ("cn=a  b,dc=x", "CN=A b,DC=X"),
        ("cn=Z\\C3\\ABe,dc=x", "cn=zëe,dc=x"),
        ("UID=u1,OU=People,DC=example,DC=com", "uid=u1,ou=people,dc=example,dc=com"),
    ],
)
def test_spellings_of_one_dn_are_equal_when_normalised(one, other):
    assert dn.normalise(one) == dn.normalise(other)


@pytest.mark.parametrize(
    "text", ["x", "cn", "cn=a,", "=a", "cn=a\\", 'cn="a', "cn=a<b", "c n=a", "cn=#xyz"]
)
def test_text_that_is_no_dn_is_refused(text):
    with pytest.raises(DnError):
        dn.parse(text)


def test_split_gives_rdn_parent_and_depth():
    assert dn.split("cn=a\\,b,ou=x,dc=y") == ("cn=a\\,b", "ou=x,dc=y", 3)
    assert dn.split("dc=y") == ("dc=y", None, 1)
    assert dn.split("") == ("", None, 0)


def test_under_a_base_means_below_it_in_the_tree_and_not_in_the_text():
    assert dn.is_under("cn=a,DC=Example", "dc=example")
    assert dn.is_under("dc=example", "dc=example")
    assert dn.is_under("dc=example", "")
    assert not dn.is_under("cn=a,dc=notexample", "dc=example")
    assert not dn.is_under("cn=a\\,dc=example", "dc=example")
