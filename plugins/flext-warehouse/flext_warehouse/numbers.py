"""Does a number fit a column without losing a digit?

JSON numbers have no precision and no size. `decode.py` hands them over as text;
here the text meets the types a database has. Nothing is ever rounded: what does
not fit makes the column wider (`duckdb.py` and `postgres.py` do that).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal

import pyarrow as pa
import pyarrow.compute as pc

from flext_warehouse.columns import MAX_DECIMAL_DIGITS

_ALWAYS_EXACT_LENGTH = 15
"""A decimal of up to 15 digits survives a double (IEEE 754, DBL_DIG)."""
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""The default context would round to 28 digits."""
_TINY, _HUGE = 1e-290, 1e290
_EXACT_INTEGERS = 2**53
_POSTGRES_WHOLE_DIGITS, _POSTGRES_SCALE = 131072, 16383


@dataclass(frozen=True)
class Digits:
    """How many digits some numbers have before and after the point."""

    whole: int = 0
    scale: int = 0

    def __or__(self, other: Digits) -> Digits:
        """Give what is enough for both."""
        return Digits(max(self.whole, other.whole), max(self.scale, other.scale))

    @property
    def fits_decimal(self) -> bool:
        """Tell whether a DECIMAL of 38 digits holds them."""
        return self.whole + self.scale <= MAX_DECIMAL_DIGITS


def digits_of(texts: pa.Array) -> Digits:
    """Count the digits of the largest and of the finest number."""
    whole = scale = 0
    for text in texts.drop_null().to_pylist():
        _, digits, exponent = Decimal(text).normalize(_EXACT).as_tuple()
        if not isinstance(exponent, int):
            return Digits(MAX_DECIMAL_DIGITS + 1, 0)
        whole = max(whole, len(digits) + exponent)
        scale = max(scale, -exponent)
    return Digits(whole, scale)


def as_doubles(numbers: pa.Array) -> pa.Array | None:
    """Give float64 values that read back as the same numbers, or None.

    Args:
        numbers: text of numbers, or any Arrow number.
    """
    if pa.types.is_floating(numbers.type):
        return numbers.cast(pa.float64())
    if pa.types.is_integer(numbers.type):
        return _integers_as_doubles(numbers)
    texts = numbers.cast(pa.string())
    doubles = texts.cast(pa.float64())
    size = pc.abs(doubles)
    doubtful = pc.or_kleene(
        pc.greater(pc.binary_length(texts), _ALWAYS_EXACT_LENGTH),
        pc.or_kleene(pc.less(size, _TINY), pc.greater(size, _HUGE)),
    )
    if not pc.any(doubtful).as_py():
        return doubles
    texts, shown = texts.filter(doubtful), doubles.filter(doubtful).cast(pa.string())
    differing = pc.not_equal(texts, shown)
    pairs = zip(
        texts.filter(differing).to_pylist(),
        shown.filter(differing).to_pylist(),
        strict=True,
    )
    same = all(Decimal(text) == Decimal(double) for text, double in pairs)
    return doubles if same else None


def _integers_as_doubles(numbers: pa.Array) -> pa.Array | None:
    low, high = (value.as_py() for value in pc.min_max(numbers).values())
    if low is not None and (low < -_EXACT_INTEGERS or high > _EXACT_INTEGERS):
        return None
    return numbers.cast(pa.float64())


def as_decimals(numbers: pa.Array, precision: int, scale: int) -> pa.Array | None:
    """Give decimal128 values equal to the numbers, or None if any does not fit."""
    if pa.types.is_floating(numbers.type):
        numbers = numbers.cast(pa.string())
    try:
        if pa.types.is_integer(numbers.type):
            numbers = numbers.cast(pa.decimal128(MAX_DECIMAL_DIGITS, 0))
        elif not _is_below(numbers, 10.0 ** (precision - scale)) or not _powers_fit(
            numbers, scale
        ):
            return None
        return numbers.cast(pa.decimal128(precision, scale))
    except pa.ArrowInvalid:
        return None


def _is_below(texts: pa.Array, limit: float) -> bool:
    # Arrow's cast from text wraps around silently past 128 bits.
    largest = pc.max(pc.abs(texts.cast(pa.float64()))).as_py()
    return largest is None or largest < limit * 1.001


def _powers_fit(texts: pa.Array, scale: int) -> bool:
    # Arrow's cast makes 0 of a number such as 7.5e-106, without a word.
    powers = texts.filter(pc.match_substring(texts, "e-", ignore_case=True))
    return not len(powers) or digits_of(powers).scale <= scale


def as_integers(numbers: pa.Array) -> pa.Array | None:
    """Give int64 values equal to the numbers, or None if any does not fit."""
    try:
        return numbers.cast(pa.int64())
    except pa.ArrowInvalid:
        return None


def fits_postgres_numeric(texts: pa.Array) -> bool:
    """Tell whether Postgres' `numeric` holds all of them.

    Limits: https://www.postgresql.org/docs/current/datatype-numeric.html
    """
    size = pc.abs(texts.cast(pa.float64()))
    extreme = pc.or_kleene(pc.less(size, _TINY), pc.greater(size, _HUGE))
    long = pc.greater(pc.binary_length(texts), _POSTGRES_SCALE)
    doubtful = texts.filter(pc.or_kleene(extreme, long))
    if not len(doubtful):
        return True
    digits = digits_of(doubtful)
    return digits.whole <= _POSTGRES_WHOLE_DIGITS and digits.scale <= _POSTGRES_SCALE
