import pytest
from flext_ldif.generalized_time import generalized_time, iso_time
from flext_singer.errors import TooManyErrorsError

PEOPLE = """\
dn: uid=a,dc=x
objectClass: top
objectClass: inetOrgPerson
objectClass: posixAccount
uid: a
CN: Zoë
cn: Z
uidNumber: 17
createTimestamp: 20240506070809Z
jpegPhoto:: /9g=
dn_normalised: mine

dn: cn=g,dc=x
objectClass: groupOfNames
cn: g
member: uid=a,dc=x
"""


@pytest.fixture
def people(tmp_path):
    path = tmp_path / "people.ldif"
    path.write_text(PEOPLE, "utf-8")
    return path


def test_each_class_gets_a_stream_with_a_typed_column_for_each_attribute(
    people, read_ldif
):
    output = read_ldif(people, object_class_streams=["inetOrgPerson", "GROUPOFNAMES"])
    assert output.records("ldif_inet_org_person") == [
        {
            "source_file": str(people),
            "line_number": 1,
            "dn": "uid=a,dc=x",
            "dn_normalised": "uid=a,dc=x",
            "parent_dn": "dc=x",
            "binary_attributes": ["jpegPhoto"],
            "objectclass": ["top", "inetOrgPerson", "posixAccount"],
            "uid": ["a"],
            "cn": ["Zoë", "Z"],
            "uidnumber": 17,
            "createtimestamp": "2024-05-06T07:08:09+00:00",
            "jpegphoto": ["/9g="],
            "attribute_dn_normalised": ["mine"],
        }
    ]
    assert output.dns("ldif_groupofnames") == ["cn=g,dc=x"]
    assert len(output.dns()) == 2


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("uidNumber: 17", "uidNumber: x", "no integer"),
        ("uidNumber: 17", "uidNumber: 1\nuidNumber: 2", "single-valued"),
        ("20240506070809Z", "yesterday", "no time"),
    ],
)
def test_a_value_that_does_not_fit_its_column_is_rejected(
    people, read_ldif, old, new, reason
):
    people.write_text(PEOPLE.replace(old, new), "utf-8")
    with pytest.raises(TooManyErrorsError, match=reason):
        read_ldif(people, object_class_streams=["posixAccount"])
    output = read_ldif(people, object_class_streams=["posixAccount"], max_errors=1)
    assert len(output.dns()) == 2
    assert output.dns("ldif_posix_account") == []
    assert output.activated("ldif_posix_account") == []


@pytest.mark.parametrize(
    ("ldap", "iso"),
    [
        ("20240506070809Z", "2024-05-06T07:08:09+00:00"),
        ("20240506070809.25Z", "2024-05-06T07:08:09.250000+00:00"),
        ("202405060708+0200", "2024-05-06T05:08:00+00:00"),
        ("2024050607-03", "2024-05-06T10:00:00+00:00"),
        ("16010101000000.0Z", "1601-01-01T00:00:00+00:00"),
        ("00010101000000Z", "0001-01-01T00:00:00+00:00"),
        ("20241332000000Z", None),
        ("2024", None),
        ("20240506070809", None),
        ("00010101000000+0100", None),
    ],
)
def test_times_are_read_as_ldap_writes_them(ldap, iso):
    assert iso_time(ldap) == iso
    if iso and ldap.endswith("9Z"):
        assert generalized_time(iso) == ldap


def test_times_are_written_as_ldap_reads_them():
    assert generalized_time("0001-02-03T04:05:06") == "00010203040506Z"
    assert generalized_time("not a time") == "not a time"
