"""What a selection or a filter names and the database does not show.

Reading fewer streams than were asked for is no success, so each of these is an error
that says what is near, or what a DBA would have to grant.
"""

from __future__ import annotations

import difflib
import fnmatch
from typing import TYPE_CHECKING

from flext_oracle.discovery import WILDCARDS, Filters, FoundTable, spelled, split
from flext_oracle.errors import OracleError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from flext_oracle.sql import Table


def refuse_unknown(names: Iterable[str], there: Sequence[str]) -> None:
    """Raise for a selected stream that nothing is called.

    Args:
        names: Streams that were selected by name.
        there: Streams that there are.
    """
    for name in sorted(names):
        if name not in there:
            near = [n for n in there if n.lower() == name.lower()]
            near = near or difflib.get_close_matches(name, there, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "see --discover"
            raise OracleError(
                f"no table or view makes a stream {name!r}",
                "the selection (MELTANO_EXTRACT__SELECT)",
                f"{hint} Or let a DBA GRANT SELECT on it",
            )


def gone(table: Table, stream: str, user: str) -> OracleError:
    """The error for a table of the catalog that is not there."""
    return OracleError(
        f"ORA-00942: the table or view {table} does not exist, or"
        f" {user} may not see it",
        f"stream {stream!r}",
        "let a DBA GRANT SELECT on it, or take it out of the selection",
        "ORA-00942",
    )


def refuse_unmatched(
    filters: Filters, found: Collection[FoundTable], user: str
) -> None:
    """Raise for filters that let nothing through, and for a name that fits nothing."""
    grant = f"check the spelling, or let a DBA GRANT SELECT on it to {user}"
    names = {entry.table.name for entry in found}
    schemas = {entry.table.schema for entry in found}
    for pattern in filters.tables:
        _, name = split(pattern)
        if WILDCARDS.search(pattern) or spelled(name) in names:
            continue
        if _is_excluded(spelled(name), filters):
            continue
        near = difflib.get_close_matches(spelled(name), names, n=1)
        raise OracleError(
            f"no table or view is called {pattern!r}",
            "setting 'tables_filter'",
            f"did you mean {near[0]!r}?" if near else grant,
        )
    for schema in filters.schemas:
        if not filters.tables and not WILDCARDS.search(schema):
            if spelled(schema) in schemas or filters.excluded:
                continue
            raise OracleError(
                f"schema {spelled(schema)!r} shows no table or view",
                "setting 'schemas_filter'",
                grant,
            )
    if found:
        return
    if filters.schemas or filters.tables or filters.excluded:
        raise OracleError(
            "the filters let no table or view through",
            "settings 'schemas_filter', 'tables_filter', 'exclude_tables'",
            f"widen them, or let a DBA GRANT SELECT on the tables to {user}",
        )
    raise OracleError(
        f"schema {user!r} has no table or view",
        "setting 'schemas_filter'",
        "name the schemas to read, such as schemas_filter: [SALES]",
    )


def _is_excluded(name: str, filters: Filters) -> bool:
    patterns = (spelled(split(p)[1]).replace("%", "*") for p in filters.excluded)
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
