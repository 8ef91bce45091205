"""The dictionary's tables, as many as asked for, with two queries."""

import pytest
from flext_oracle.connection import Connections
from flext_oracle.discovery import Filters, FoundTable, discover
from flext_oracle.sql import Column, Table
from flext_oracle.type_mapping import from_dictionary

pytestmark = pytest.mark.servers


@pytest.fixture
def found(database, settings):  # noqa: ARG001 - an empty schema
    connections = Connections({**settings}, "flext-tap-oracle")

    def find(**filters):
        with connections.session() as connection:
            return discover(connection, Filters(**filters), connections.user)

    yield find
    connections.close()


def test_tables_come_with_keys_comments_and_exact_types(database, found):
    database.execute(
        "create table customers (id number(10) primary key, region varchar2(3 char),"
        " balance number(38,10), updated_at timestamp(6), extra number)",
        "comment on table customers is 'Who buys'",
        "comment on column customers.region is 'ISO 3166-1'",
    )
    (table,) = found()
    assert table.table == Table(database.schema, "CUSTOMERS")
    assert table.keys == ["ID"]
    assert (table.kind, table.comment) == ("TABLE", "Who buys")
    properties = table.schema()["properties"]
    assert properties["id"] == {"type": ["integer"], "x-sql-datatype": "NUMBER(10)"}
    assert properties["region"]["description"] == "ISO 3166-1"
    assert properties["region"]["maxLength"] == 3
    assert properties["balance"]["x-sql-datatype"] == "NUMBER(38,10)"
    assert properties["extra"]["x-sql-datatype"] == "NUMBER"


def test_a_view_is_found_and_has_no_rowids(database, found):
    database.execute("create table t (a number)", "create view v as select a from t")
    by_name = {f.table.name: f for f in found()}
    assert by_name["V"].kind == "VIEW"
    assert not by_name["V"].has_rowids
    assert by_name["T"].has_rowids


def test_a_unique_key_stands_in_only_when_it_holds_no_nulls(database, found):
    database.execute(
        "create table a (x number not null, y number not null, unique (x, y))",
        "create table b (x number, unique (x))",
    )
    assert [f.keys for f in found()] == [["X", "Y"], []]


def test_filters_are_part_of_the_queries(database, found):
    database.execute(
        "create table cust_one (a number)",
        "create table cust_two (a number)",
        "create table customer (a number)",
        "create table tmp_cust (a number)",
    )
    mark = database.mark()
    names = [f.table.name for f in found(tables=["cust_*"], excluded=["*_two"])]
    assert names == ["CUST_ONE"]
    asked = [
        s["sql"] for s in database.statements(mark) if "ALL_TAB_COLUMNS" in s["sql"]
    ]
    assert len(asked) == 1
    assert "LIKE :f1" in asked[0]


def test_a_dictionary_of_many_tables_costs_two_queries(database, found):
    with database.connect() as connection:
        cursor = connection.cursor()
        for n in range(200):
            cursor.execute(f"create table bulk_{n:03d} (a number primary key)")
    mark = database.mark()
    assert len(found(tables=["bulk_*"])) == 200
    assert len([s for s in database.statements(mark) if "SELECT" in s["sql"]]) == 2


def test_quoted_names_keep_their_case(database, found):
    database.execute('create table "Mixed" ("Id" number(5) primary key, plain number)')
    (table,) = found(tables=['"Mixed"'])
    assert list(table.schema()["properties"]) == ["Id", "plain"]


def test_a_type_nobody_can_read_is_left_out_and_says_so():
    kind = from_dictionary({"data_type": "SDO_GEOMETRY", "data_type_owner": "MDSYS"})
    table = FoundTable(Table("APP", "T"), columns=[Column("SHAPE", kind)])
    assert not kind.is_supported
    description = table.schema()["properties"]["shape"]["description"]
    assert description == "Not extracted: type MDSYS.SDO_GEOMETRY."
