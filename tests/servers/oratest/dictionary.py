"""Statements that give an H2 database Oracle's type names and dictionary views."""

from __future__ import annotations

from pathlib import Path

OWNERLESS = [
    "TABLES",
    "TAB_COLUMNS",
    "TAB_COLS",
    "VIEWS",
    "MVIEWS",
    "CONSTRAINTS",
    "CONS_COLUMNS",
    "INDEXES",
    "IND_COLUMNS",
    "TAB_COMMENTS",
    "COL_COMMENTS",
    "OBJECTS",
    "SEQUENCES",
    "TAB_PARTITIONS",
]
OWNER = {
    "SEQUENCES": "SEQUENCE_OWNER",
    "IND_COLUMNS": "INDEX_OWNER",
    "TAB_PARTITIONS": "TABLE_OWNER",
}


def statements():
    """Every statement, in order."""
    text = Path(__file__).with_name("dictionary.sql").read_text(encoding="utf-8")
    out = [part.strip() for part in text.split(";\n") if part.strip()]
    for view in OWNERLESS:
        owner = OWNER.get(view, "OWNER")
        out.append(
            f"CREATE OR REPLACE FORCE VIEW SYS.USER_{view} AS SELECT * FROM"
            f" SYS.ALL_{view} WHERE {owner} = CURRENT_SCHEMA"
        )
        out.append(
            f"CREATE OR REPLACE FORCE VIEW SYS.DBA_{view} AS"
            f" SELECT * FROM SYS.ALL_{view}"
        )
    return out
