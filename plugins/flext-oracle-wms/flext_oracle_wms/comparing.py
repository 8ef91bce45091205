"""Does a row of the service hold what a record says?"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flext_oracle_wms.documents import Prepared

Row = dict[str, Any]


def code_of(row: Mapping[str, Any], word: str) -> str:
    """The code of a row's company or facility; "" where it shows none."""
    relation = row.get(f"{word}_id")
    if isinstance(relation, dict):
        return str(relation.get("key") or "")
    return str(row.get(f"{word}_code") or "")


def find(record: Prepared, rows: Iterable[Row]) -> Row | None:
    """The row of a record's company and facility, of rows that bear its key.

    They count where both sides name one; a row that names them wins.
    """
    best: Row | None = None
    most = -1
    for row in rows:
        exact = 0
        for word, ours in (("company", record.company), ("facility", record.facility)):
            theirs = code_of(row, word)
            if ours and theirs and ours != theirs:
                break
            exact += bool(ours and theirs)
        else:
            if exact >= most:
                best, most = row, exact
    return best


def agrees(record: Mapping[str, Any], row: Mapping[str, Any], key: str) -> bool:
    """Whether a final row holds what was sent, by the fields that both have."""
    compared = 0
    for name, value in record.items():
        if isinstance(value, list):
            return False  # details are not in the final row
        if value is None or name == key or name not in row:
            continue
        have = row[name]
        if isinstance(have, dict):
            have = have.get("key")
        if not is_same(value, have):
            return False
        compared += 1
    return compared > 0


def is_same(sent: object, have: object) -> bool:
    """Whether two values say the same, one of them perhaps as text."""
    if isinstance(sent, bool) or isinstance(have, bool):
        return str(sent).lower() == str(have).lower()
    if str(sent) == str("" if have is None else have):
        return True
    try:
        return Decimal(str(sent)) == Decimal(str(have))
    except InvalidOperation:
        return False


def holds_all(record: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether a row surely holds all of a record, so that sending it changes nothing.

    A field that the row does not show is a reason to send, and so is any doubt: text
    that only looks like the same number may be a code.
    """
    for name, value in record.items():
        if value is None or name.startswith("_") or name == "action_code":
            continue
        stem = name.removesuffix("_code")
        if name not in row and stem != name:
            relation = row.get(f"{stem}_id")
            have = relation.get("key") if isinstance(relation, dict) else None
        else:
            have = row.get(name)
        if have is None or not is_surely_same(value, have):
            return False
    return True


def is_surely_same(sent: object, have: object) -> bool:
    """Whether two values are one: alike, or numbers on at least one side."""
    if isinstance(sent, bool) or isinstance(have, bool):
        return sent is have
    if isinstance(sent, str) and isinstance(have, str):
        return sent == have
    if not isinstance(sent, str | int | Decimal) or not isinstance(
        have, str | int | Decimal
    ):
        return False
    # 7 is not the code 007.
    is_code = any(
        isinstance(side, str) and side[:1] == "0" and side[1:2].isdigit()
        for side in (sent, have)
    )
    return not is_code and is_same(sent, have)
