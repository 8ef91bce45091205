"""Parts of a table that can be read one by one, side by side, or elsewhere.

A chunk is a *window* of the ROWID space: all blocks of one data object and file whose
number starts with the same base-64 digits. Windows depend on nothing but where rows
lie, so that two processes (or a run and its rerun) that read one snapshot cut the
table at the same places, whatever extents the table has gained meanwhile. ROWID
format: Oracle Database SQL Language Reference 19c, "ROWID Data Type": 6 digits data
object, 3 file, 6 block, 3 row.

Views and index-organised tables have no such ROWIDs; they are shared out by ORA_HASH
of their key, which any number of readers can do, but each reads everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flext_oracle.errors import OracleError

if TYPE_CHECKING:
    from collections.abc import Iterable

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
VALUE = {digit: value for value, digit in enumerate(ALPHABET)}
FIRST_ROW = "AAA"
LAST_ROW = "H//"  # 32,767, the highest row number of a block
BLOCK_END = 15
# How many digits of a ROWID a window of so many blocks shares.
DIGITS = {1: 15, 64: 14, 4096: 13, 262_144: 12}
MOST_WINDOWS = 1_000_000


@dataclass(frozen=True)
class Window:
    """The rows whose ROWID begins with `prefix`."""

    prefix: str

    @property
    def first(self) -> str:
        """The lowest ROWID of the window."""
        return self.prefix.ljust(BLOCK_END, "A") + FIRST_ROW

    @property
    def last(self) -> str:
        """The highest ROWID of the window."""
        return self.prefix.ljust(BLOCK_END, "/") + LAST_ROW

    @property
    def order(self) -> int:
        """A number in which windows sort as their rows lie."""
        return number(self.prefix)


def number(digits: str) -> int:
    """The value of base-64 digits."""
    value = 0
    for digit in digits:
        value = value << 6 | VALUE[digit]
    return value


def digits_of(value: int, width: int) -> str:
    """A value as base-64 digits."""
    out = ""
    for _ in range(width):
        out = ALPHABET[value & 63] + out
        value >>= 6
    return out


def digits_for(chunk_blocks: int) -> int:
    """How many digits the windows of this size share.

    Raises:
        OracleError: Another size than 1, 64, 4096 or 262144 was asked for.
    """
    if chunk_blocks not in DIGITS:
        raise OracleError(
            f"chunk_blocks is {chunk_blocks}",
            "settings",
            f"set one of {', '.join(str(size) for size in DIGITS)}",
        )
    return DIGITS[chunk_blocks]


def from_prefixes(prefixes: Iterable[str]) -> list[Window]:
    """Windows in the order of their rows."""
    return sorted((Window(prefix) for prefix in set(prefixes)), key=lambda w: w.order)


def from_extents(extents: Iterable[tuple[str, str]], digits: int) -> list[Window]:
    """Windows that cover extents.

    Args:
        extents: First and last ROWID of each extent.
        digits: How many digits a window's rows share.
    """
    prefixes: set[str] = set()
    for first, last in extents:
        low, high = number(first[:digits]), number(last[:digits])
        prefixes.update(digits_of(value, digits) for value in range(low, high + 1))
        if len(prefixes) > MOST_WINDOWS:
            raise OracleError(
                f"more than {MOST_WINDOWS} chunks",
                "chunk_blocks",
                "set chunk_blocks to 4096 or 262144",
            )
    return from_prefixes(prefixes)


@dataclass(frozen=True)
class Share:
    """Part `index` of `count` (from 1) of every stream, for one process of several.

    Attributes:
        index: From 1.
        count: How many parts there are.
        column: Column by whose hash rows are shared out; empty: by what there is.
    """

    index: int
    count: int
    column: str = ""

    def takes(self, window: Window) -> bool:
        """Whether this process reads the window; exactly one of `count` does."""
        return window.order % self.count == self.index - 1

    @property
    def bucket(self) -> int:
        """The part's number from 0, as ORA_HASH counts."""
        return self.index - 1


def share_of(setting: object) -> Share | None:
    """The share that the setting `partition` names.

    Args:
        setting: ``i/n`` with i from 1, or {index, count, column} with index from 0.

    Raises:
        OracleError: It names none.
    """
    if setting in (None, "", {}):
        return None
    try:
        if isinstance(setting, dict):
            column = str(setting.get("column") or "")
            share = Share(int(setting["index"]) + 1, int(setting["count"]), column)
        else:
            index, _, count = str(setting).partition("/")
            share = Share(int(index), int(count))
    except (KeyError, TypeError, ValueError):
        share = Share(0, 0)
    if not 1 <= share.index <= share.count:
        raise OracleError(
            f"partition is {setting!r}",
            "settings",
            "write it as i/n, e.g. 2/4, or as {index: 1, count: 4}: index is from 0",
        )
    return share
