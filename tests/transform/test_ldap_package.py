from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from transform.packages import DuckdbWarehouse, Package

pytestmark = pytest.mark.dbt

FLEXT_NAMES = "{ldap_flext_names: true}"


@pytest.fixture(scope="module")
def built(warehouse, tmp_path_factory):
    """The package, built and tested where it stands, on the sample directory."""
    package = Package("ldap", tmp_path_factory.mktemp("ldap"), warehouse)
    package.land_samples()
    package.output = package.dbt("build", "--vars", FLEXT_NAMES)
    return package


@pytest.fixture(scope="module")
def landed_samples(tmp_path_factory):
    """A DuckDB file with the raw tables, made once for tests to copy."""
    place = tmp_path_factory.mktemp("landed")
    warehouse = DuckdbWarehouse(place / "warehouse.duckdb")
    Package("ldap", place, warehouse).land_samples()
    return warehouse.path


@pytest.fixture
def package(landed_samples, tmp_path):
    copy = shutil.copy(landed_samples, tmp_path)
    return Package("ldap", tmp_path, DuckdbWarehouse(Path(copy)))


def test_the_package_builds_with_its_data_tests_and_unit_tests(built):
    assert "ERROR=0" in built.output
    assert "unit tests" in built.output


def test_the_package_builds_as_an_installed_package(built):
    output = built.dbt(
        *("build", "--exclude", "tag:landed", "--vars", FLEXT_NAMES),
        *("--exclude-resource-type", "unit_test"),
        cwd=built.tests_folder,
    )

    for mart in (
        *("users", "groups", "organizational_units"),
        *("group_members", "memberships", "group_nesting"),
    ):
        assert f"PASS ldap__{mart}_is_as_expected" in output
    assert "PASS ldap__entries_are_exactly_what_was_landed" in output


def test_the_names_of_flext_read_the_same_rows(built):
    rows = built.warehouse.rows

    assert rows(
        "select uid, email_domain, organizational_unit, is_disabled"
        " from analytics.stg_users where dn = 'uid=bruno,ou=people,dc=example,dc=com'"
    ) == [("bruno", "example.com", "people", False)]
    assert rows(
        "select members, created_year from analytics.stg_groups"
        " where group_name = 'lab'"
    ) == [
        (
            (
                "uid=bruno,ou=people,dc=example,dc=com; "
                "cn=everybody,ou=groups,dc=example,dc=com"
            ),
            2026,
        )
    ]
    assert rows(
        "select parent_ou_dn, hierarchy_depth from analytics.stg_org_units"
        " where ou_name = 'archive'"
    ) == [("ou=people,dc=example,dc=com", 2)]
    assert rows(
        "select primary_group, group_names, total_groups, ou_path"
        " from analytics.dim_users where first_name = 'Ada'"
    ) == [("shell", "everybody; lab; research; shell", 4, "people")]
    assert rows(
        "select group_size_category, total_member_count, active_member_count,"
        " member_account_types from analytics.dim_groups where group_name = 'shell'"
    ) == [("small", 2, 2, "person")]
    assert rows(
        "select count(*), sum(case when is_direct_member then 1 else 0 end)"
        " from analytics.fact_memberships"
    ) == rows(
        "select count(*), sum(case when is_direct then 1 else 0 end)"
        " from analytics.ldap__memberships"
    )
    assert rows(
        "select siblings_at_level from analytics.int_org_hierarchy"
        " where ou_name = 'people'"
    ) == [(2,)]
    assert rows("select count(*) from analytics.int_user_groups") == [(14,)]


def test_an_entry_deleted_by_its_id_alone_leaves_every_mart(package):
    """A directory that reports a delete gives the id and no other column."""
    package.warehouse.execute(
        "update raw_ldap.users set _sdc_deleted_at = now(), dn = null,"
        " dn_normalised = null, attributes = null, object_class = null"
        " where dn like 'uid=bruno,%'"
    )

    package.dbt("run")

    for mart in ("entries", "users"):
        assert package.warehouse.rows(
            f"select count(*) from analytics.ldap__{mart} where dn like 'uid=bruno,%'"
        ) == [(0,)]
    assert package.warehouse.rows(
        "select member_count, unresolved_member_count, user_count"
        " from analytics.ldap__groups where group_name = 'lab'"
    ) == [(2, 1, 3)]


def versions(package, user):
    return package.warehouse.rows(
        "select job_title, dbt_valid_to is null from analytics.snap_ldap__users"
        f" where dn like 'uid={user},%' order by dbt_valid_from"
    )


def test_history_has_a_version_per_change_and_closes_what_left(package):
    rows = package.warehouse.rows
    package.dbt("build", "--exclude-resource-type", "unit_test")
    assert versions(package, "bruno") == [(None, True)]
    members = rows("select count(*) from analytics.ldap__memberships")
    assert rows("select count(*) from analytics.snap_ldap__memberships") == members

    package.warehouse.execute(
        "update raw_ldap.users set attributes = json_merge_patch(attributes,"
        """ '{"title": ["Director"]}') where dn like 'uid=bruno,%'"""
    )
    package.warehouse.execute("delete from raw_ldap.users where dn like 'uid=dora,%'")
    package.dbt("build", "--exclude-resource-type", "unit_test")
    assert versions(package, "bruno") == [(None, False), ("Director", True)]
    assert [holds for _, holds in versions(package, "dora")] == [False]

    # A stream that is switched off says nothing of who left.
    switched_off = "{ldap_users_enabled: false}"
    package.dbt("build", "--exclude-resource-type", "unit_test", "--vars", switched_off)
    assert versions(package, "bruno") == [(None, False), ("Director", True)]


@pytest.mark.parametrize(
    "stream", ["users", "groups", "organizational_units", "memberships"]
)
def test_the_package_builds_without_a_stream_that_is_switched_off(package, stream):
    package.warehouse.execute(f"drop table raw_ldap.{stream}")

    package.dbt("run", "--vars", f"{{ldap_{stream}_enabled: false}}")


def test_member_of_stands_in_for_the_stream_of_memberships(package):
    package.warehouse.execute("drop table raw_ldap.memberships")
    package.warehouse.execute(
        "update raw_ldap.users set attributes = json_merge_patch(attributes,"
        ' \'{"memberOf": ["CN=research, OU=groups,DC=example,DC=com"]}\')'
        " where dn like 'uid=dora,%'"
    )

    package.dbt("run", "--vars", "{ldap_memberships_enabled: false}")

    assert package.warehouse.rows(
        "select group_dn, user_dn from analytics.ldap__memberships"
        " where not is_primary_group"
    ) == [
        (
            "cn=research,ou=groups,dc=example,dc=com",
            "uid=dora,ou=archive,ou=people,dc=example,dc=com",
        )
    ]


def test_a_missing_table_fails_the_build_instead_of_giving_empty_marts(package):
    package.warehouse.execute("drop table raw_ldap.users")

    done = package.run("build")

    assert done.returncode == 1
    assert "users" in done.stdout


def test_the_package_builds_from_empty_tables(package):
    for stream in ("users", "groups", "organizational_units", "memberships"):
        package.warehouse.execute(f"delete from raw_ldap.{stream}")

    assert "ERROR=0" in package.dbt("build")


def test_a_dense_net_of_groups_is_unfolded_in_bounded_time(package):
    """30 groups that all contain each other have more ways than atoms: 30 factorial."""
    package.warehouse.execute(
        "insert into raw_ldap.groups"
        " (entry_uuid, dn, dn_normalised, object_class, attributes)"
        " select 'net-' || i, 'cn=net' || i, 'cn=net' || i, ['groupOfNames'], '{}'"
        " from range(30) as numbers(i)"
    )
    package.warehouse.execute(
        "insert into raw_ldap.memberships (group_entry_uuid, group_dn,"
        " group_dn_normalised, attribute, member_key, member, member_dn_normalised)"
        " select 'net-' || i, 'cn=net' || i, 'cn=net' || i, 'member',"
        " 'cn=net' || j, 'cn=net' || j, 'cn=net' || j"
        " from range(30) as holders(i), range(30) as members(j) where i <> j"
    )

    package.dbt("run", "--select", "+ldap__group_nesting")

    assert package.warehouse.rows(
        "select count(*), max(distance) from analytics.ldap__group_nesting"
        " where group_dn like 'cn=net%'"
    ) == [(30 * 29, 1)]
