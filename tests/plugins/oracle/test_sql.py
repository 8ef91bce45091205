"""Statements as another reader of Oracle's SQL understands them (sqlglot)."""

import re

import pytest
import sqlglot
from flext_oracle import sql
from flext_oracle.discovery import COLUMNS, KEYS, Filters
from flext_oracle.errors import OracleError
from flext_oracle.sql import Column, Table
from flext_oracle.type_mapping import from_declaration
from sqlglot import exp

DECLARATIONS = (
    "NUMBER(10)",
    "NUMBER(38,10)",
    "NUMBER",
    "VARCHAR2(30 CHAR)",
    "CHAR(3 BYTE)",
    "NVARCHAR2(20)",
    "CLOB",
    "BLOB",
    "RAW(16)",
    "DATE",
    "TIMESTAMP(6)",
    "TIMESTAMP(9) WITH TIME ZONE",
    "TIMESTAMP(6) WITH LOCAL TIME ZONE",
    "INTERVAL DAY(3) TO SECOND(6)",
    "INTERVAL YEAR(2) TO MONTH",
    "BINARY_DOUBLE",
    "XMLTYPE",
    "JSON",
)
TABLE = Table("APP", "Mixed Case")
STAGING = Table("APP", "FLX$STG")
COLUMNS_OF_ALL_TYPES = [
    Column(f"C{position}", from_declaration(declaration))
    for position, declaration in enumerate(DECLARATIONS)
]
KEYS_OF_IT = ["C0", "C3"]


# What sqlglot does not read of Oracle's SQL, and what stands in for it.
BEYOND_SQLGLOT = {
    r"XMLSERIALIZE\(CONTENT (\S+) AS CLOB\)": r"XMLSERIALIZE(\1)",
    r"XMLPARSE\(DOCUMENT ": "XMLPARSE(",
    r"(JSON_SERIALIZE\(\S+) RETURNING CLOB": r"\1",
    r"INTERVAL DAY\(\d\) TO SECOND\(\d\)": "INTERVAL DAY TO SECOND",
    r"INTERVAL YEAR\(\d\) TO MONTH": "INTERVAL YEAR TO MONTH",
    r" NOLOGGING$": "",
}


def parsed(text, kind):
    for pattern, stand_in in BEYOND_SQLGLOT.items():
        text = re.sub(pattern, stand_in, text)
    tree = sqlglot.parse_one(text, read="oracle")
    assert isinstance(tree, kind), f"{type(tree).__name__}: {text}"
    assert not isinstance(tree, exp.Command)
    return tree


def test_a_select_as_of_an_scn_reads_every_type():
    text = sql.select(
        COLUMNS_OF_ALL_TYPES,
        str(TABLE),
        scn=4711,
        where=[sql.rowid_range(), "t.C0 >= :bookmark"],
        order_by=['t."C0"'],
    )
    tree = parsed(text, exp.Select)
    assert len(tree.expressions) == len(DECLARATIONS)
    assert "AS OF SCN 4711" in text
    names = {b.name for b in tree.find_all(exp.Placeholder)}
    assert names == {"lo", "hi", "bookmark"}


def test_chunk_statements_are_oracle():
    parsed(sql.windows(TABLE, 13, 4711), exp.Select)
    parsed(sql.EXTENTS, exp.Select)
    for text in sql.CURRENT_SCN:
        parsed(text, exp.Select)
    share = sql.select(
        COLUMNS_OF_ALL_TYPES[:2], str(TABLE), where=[sql.hash_share('t."C0"', 4)]
    )
    assert "ORA_HASH" in share
    parsed(share, exp.Select)


def test_a_table_is_created_with_its_types_and_key():
    tree = parsed(sql.create_table(TABLE, COLUMNS_OF_ALL_TYPES, KEYS_OF_IT), exp.Create)
    assert len(list(tree.find_all(exp.ColumnDef))) == len(DECLARATIONS)
    assert tree.find(exp.PrimaryKey)


@pytest.mark.parametrize("session", [True, False])
def test_a_staging_table_has_one_more_column(session):
    text = sql.create_staging(STAGING, COLUMNS_OF_ALL_TYPES, session=session)
    tree = parsed(text, exp.Create)
    assert len(list(tree.find_all(exp.ColumnDef))) == len(DECLARATIONS) + 1


def test_a_merge_updates_all_but_the_keys():
    tree = parsed(
        sql.merge(TABLE, STAGING, COLUMNS_OF_ALL_TYPES, KEYS_OF_IT), exp.Merge
    )
    update = tree.find(exp.Update)
    assert len(update.expressions) == len(DECLARATIONS) - 2
    assert len(tree.find(exp.Insert).this.expressions) == len(DECLARATIONS)


def test_a_merge_of_nothing_but_keys_only_inserts():
    tree = parsed(
        sql.merge(TABLE, STAGING, COLUMNS_OF_ALL_TYPES[:1], ["C0"]), exp.Merge
    )
    assert tree.find(exp.Update) is None


def test_rows_are_merged_and_inserted_by_position():
    one = sql.merge_one(TABLE, STAGING, COLUMNS_OF_ALL_TYPES, KEYS_OF_IT)
    assert [b.name for b in parsed(one, exp.Merge).find_all(exp.Placeholder)] == ["p1"]
    parsed(sql.insert_one(TABLE, STAGING, COLUMNS_OF_ALL_TYPES), exp.Insert)
    tree = parsed(sql.insert(STAGING, COLUMNS_OF_ALL_TYPES, ordinal=True), exp.Insert)
    names = {b.name for b in tree.find_all(exp.Placeholder)}
    assert names == {f"p{n}" for n in range(1, len(DECLARATIONS) + 2)}


def test_deleting_marking_and_copying_are_oracle():
    parsed(sql.delete_where(TABLE, '"_SDC_TABLE_VERSION" < :version'), exp.Delete)
    parsed(sql.mark_deleted(TABLE, "_SDC_DELETED_AT", '"V" < :version'), exp.Update)
    parsed(sql.copy(TABLE, str(STAGING), COLUMNS_OF_ALL_TYPES), exp.Insert)


def test_schema_changes_are_oracle():
    parsed(sql.add_columns(TABLE, COLUMNS_OF_ALL_TYPES[:2]), exp.Alter)
    for text in sql.replace_column(TABLE, COLUMNS_OF_ALL_TYPES[6], "FLX$SPARE"):
        sqlglot.parse_one(text, read="oracle")
    # sqlglot has no MODIFY; its text is short enough to read
    assert (
        sql.widen_column(TABLE, COLUMNS_OF_ALL_TYPES[3])
        == 'ALTER TABLE "APP"."Mixed Case" MODIFY ("C3" VARCHAR2(30 CHAR))'
    )


def test_dictionary_queries_are_oracle_and_bind_every_value():
    filters = Filters(
        schemas=["HR_*", "APP"], tables=["cust*", 'X."Odd"'], excluded=["tmp_%"]
    )
    condition, binds = filters.condition("APP")
    for text in (COLUMNS, KEYS):
        tree = parsed(text.format(filters=condition), exp.Select)
        assert {b.name for b in tree.find_all(exp.Placeholder)} == set(binds)
    assert "HR\\_%" in binds.values()
    assert "TMP_%" not in condition


@pytest.mark.parametrize("name", ['a"b', "", "nul\0"])
def test_a_name_that_could_leave_its_quotes_is_refused(name):
    with pytest.raises(OracleError, match="cannot be a name"):
        sql.quoted(name)


def test_names_are_cut_to_the_server_s_limit_and_stay_apart():
    long = "customer_account_balance_history_" * 5
    a, b = (sql.column_name(long + end, 30) for end in "ab")
    assert a != b
    assert len(a.encode()) == len(b.encode()) == 30
    assert len(sql.fitting("Ü" * 40, 30).encode()) <= 30
    assert sql.column_name("order-id", 30) == "ORDER_ID"


def test_a_question_mark_binds_the_bookmark_only_where_sql_would_read_it():
    query = (
        "SELECT '?', \"a?\", q'[?]' FROM t -- ?\n WHERE /* ? */ t.updated_at > ?"
        ' AND "Id" >= ?'
    )
    text, columns = sql.bind_bookmark(query)
    assert text.count(":bookmark") == 2
    assert text.count("?") == 5
    assert columns == ["UPDATED_AT", "Id"]
