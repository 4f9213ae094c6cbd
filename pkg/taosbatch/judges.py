"""What a column of each type takes, value by value: judges that never refuse what the database would take."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import trunc
from typing import Literal

from taosbatch.literals import INT64_MAX, INT64_MIN, SMALLEST_NORMAL, Value, literal

Judge = Callable[[Value], str | None]
"""Why the column cannot hold the value, or None. A value has passed `literals.literal` before."""

Lossy = Literal["allow", "reject"]
"""Whether values are refused that the database would take but change: a fraction into an integer column, an
integer beyond what a DOUBLE or FLOAT holds one by one, a number other than 0 and 1 into BOOL."""

WIDEST_COLUMN = {"VARCHAR": 65_517, "BINARY": 65_517, "NCHAR": 16_379, "VARBINARY": 65_517}
WIDEST_TAG = {"VARCHAR": 16_382, "BINARY": 16_382, "NCHAR": 4_095, "VARBINARY": 16_382}
"""What ALTER can widen a type to: bytes, NCHAR characters (TDengine 3.x)."""

INTEGERS = {
    "TINYINT": (-(2**7), 2**7 - 1),
    "SMALLINT": (-(2**15), 2**15 - 1),
    "INT": (-(2**31), 2**31 - 1),
    "BIGINT": (INT64_MIN, INT64_MAX),
    "TINYINT UNSIGNED": (0, 2**8 - 1),
    "SMALLINT UNSIGNED": (0, 2**16 - 1),
    "INT UNSIGNED": (0, 2**32 - 1),
    "BIGINT UNSIGNED": (0, 2**64 - 1),
}
"""Least and greatest."""

FLOAT_MAX = 3.4028234663852886e38
DOUBLE_MAX = 1.7976931348623157e308
_EXACT = {"FLOAT": 2**24, "DOUBLE": 2**53}
_LONGEST_NUMBER = 32  # more than any number's text has

_TYPE = re.compile(r"\s*([A-Za-z]+(?:\s+UNSIGNED)?)\s*(?:\(\s*(\d+)\s*\))?\s*", re.IGNORECASE)
_INTEGER = re.compile(r"[+-]?\d{1,40}", re.ASCII)
_REAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
# Wider than what the server reads as a number: what stands in doubt, the server is asked.
_PERHAPS = re.compile(
    r"\s*[+-]?(?:0[xX][0-9a-fA-F.]*(?:[pP][+-]?\d*)?|0[bB]\d*|\d*\.?\d*(?:[eE][+-]?\d*)?"
    r"|nan(?:\(\w*\))?|inf(?:inity)?|null)",
    re.ASCII | re.IGNORECASE,
)
_SHAPE = re.compile(r"\s*[a-z]+.*(?:\(|empty)|null", re.IGNORECASE | re.DOTALL)
_TIME = re.compile(r"\s*(?:[+-]?\d|null|now|today)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Plain:
    """Values that surely fit, for a reader that checks while it decodes. None: none of that kind.

    `chars` bounds texts in characters; where `in_bytes`, that is enough for ASCII only.
    """

    nulls: bool = True
    bools: bool = False
    integers: tuple[int, int] | None = None
    reals: tuple[float, float] | None = None
    chars: int | None = None
    in_bytes: bool = False


ANYTHING = Plain(bools=True, integers=(INT64_MIN, INT64_MAX), reals=(-DOUBLE_MAX, DOUBLE_MAX), chars=2**31)


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """One column's: `plain` is the part of what `judge` passes that can be told at a glance.

    `unsigned`: it holds integers beyond BIGINT. They are never plain: bounds beyond 64 bits with sign cost a
    decoder its speed.
    """

    judge: Judge
    plain: Plain
    unsigned: bool = False


def column_rule(type_text: str, *, lossy: Lossy = "allow", widest: int = 0) -> ColumnRule:
    """Of a type as DDL writes it: `VARCHAR(64)`, `INT UNSIGNED`. A type that is not known takes anything.

    `widest`: what the type may be widened to (0: it may not), for texts.
    """
    match = _TYPE.fullmatch(type_text)
    name = " ".join(match[1].upper().split()) if match else ""
    if match and name in {"VARCHAR", "BINARY", "NCHAR", "VARBINARY"} and match[2]:
        limit = max(int(match[2]), widest)
        if name == "NCHAR":
            return _text_rule(limit, "characters", len)
        return _varbinary_rule(limit) if name == "VARBINARY" else _text_rule(limit, "bytes", _nbytes)
    if name in INTEGERS:
        return _integer_rule(name, lossy)
    if name in _EXACT:
        return _real_rule(name, lossy)
    rule = {"BOOL": _bool_rule(lossy), "TIMESTAMP": _TIMESTAMP, "GEOMETRY": _GEOMETRY}.get(name)
    return rule or ColumnRule(lambda _: None, ANYTHING)


def shown(value: Value) -> str:
    """A value in a sentence, cut where it is long."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"the bool {str(value).lower()}"
    if isinstance(value, int):
        return f"the integer {value}"
    if isinstance(value, float):
        return f"the number {value!r}"
    return f"the text {value[:40]!r}{'…' if len(value) > 40 else ''}"


def _integer_rule(name: str, lossy: Lossy) -> ColumnRule:
    low, high = INTEGERS[name]
    # What wraps is taken: columns of the small unsigned types are checked as if signed, so that from 2**63 on
    # only low bits count; and 2**63 itself, as a float, passes for the greatest BIGINT.
    wraps = (2**63, 2**64 if low == 0 else 2**63) if low == 0 or high == INT64_MAX else None

    def range_problem(value: int) -> str | None:
        if low <= value <= high or (lossy == "allow" and wraps and wraps[0] <= value <= wraps[1]):
            return None
        return f"{shown(value)} is outside {low} to {high}"

    def judge(value: Value) -> str | None:
        if isinstance(value, bool):
            return _not(value, "taken for an integer")
        if isinstance(value, str):
            found = _number(value)
            if isinstance(found, int) and not (low == 0 and value.startswith("-")):
                return range_problem(found)
            if not isinstance(found, float):
                return _words(found)
            # How the server rounds a quoted fraction is its own affair: that it does is certain, not to what.
            beyond = found > high + 1 or (low < 0 and found < low - 1)
            return _fraction(found, lossy) or (range_problem(trunc(found)) if beyond else None)
        if isinstance(value, float):
            return _fraction(value, lossy) or range_problem(_rounded(value))
        return None if value is None else range_problem(value)

    reals = (float(low), float(high)) if lossy == "allow" and high < 2**53 else None
    return ColumnRule(
        judge, Plain(integers=(low, min(high, INT64_MAX)), reals=reals), unsigned=high > INT64_MAX
    )


def _real_rule(name: str, lossy: Lossy) -> ColumnRule:
    most = FLOAT_MAX if name == "FLOAT" else DOUBLE_MAX
    exact = _EXACT[name] if lossy == "reject" else None

    def judge(value: Value) -> str | None:
        if isinstance(value, bool):
            return _not(value, "taken for a number")
        if isinstance(value, str):
            found = _number(value)
            if not isinstance(found, int):
                return _words(found)  # other numbers between quotes are the server's to read
            value = found
        if value is None:
            return None
        if exact is not None and isinstance(value, int) and abs(value) > exact:
            return f"{shown(value)} may lose digits: above {exact} it does not hold every integer"
        return f"{shown(value)} is beyond {most!r}" if abs(value) > most else None

    integers = (INT64_MIN, INT64_MAX) if exact is None else (-exact, exact)
    return ColumnRule(judge, Plain(integers=integers, reals=(-most, most)))


def _bool_rule(lossy: Lossy) -> ColumnRule:
    def judge(value: Value) -> str | None:
        number: float | str | None = value
        if isinstance(value, str):
            word = value.strip().lower()
            if "true".startswith(word) or "false".startswith(word):
                return None
            number = _number(value)
            if isinstance(number, str):
                return f"{shown(value)} is neither true nor false"
        if number is None or isinstance(number, str) or lossy == "allow" or number in {0, 1}:
            return None
        return f"{shown(value)} would be stored as true: a bool holds 0 and 1"

    reject = lossy == "reject"
    integers = (0, 1) if reject else (INT64_MIN, INT64_MAX)
    return ColumnRule(
        judge, Plain(bools=True, integers=integers, reals=None if reject else (-DOUBLE_MAX, DOUBLE_MAX))
    )


def _text_rule(limit: int, unit: str, measure: Callable[[str], int]) -> ColumnRule:
    def judge(value: Value) -> str | None:
        if value is None or (isinstance(value, str) and 4 * len(value) <= limit):
            return None
        size = measure(value if isinstance(value, str) else literal(value).decode())
        return f"{shown(value)} has {size} {unit}, over {limit}" if size > limit else None

    wide = limit >= _LONGEST_NUMBER
    plain = Plain(
        bools=wide,
        integers=(INT64_MIN, INT64_MAX) if wide else None,
        reals=(-DOUBLE_MAX, DOUBLE_MAX) if wide else None,
        chars=limit,
        in_bytes=unit == "bytes",
    )
    return ColumnRule(judge, plain)


def _varbinary_rule(limit: int) -> ColumnRule:
    text = _text_rule(limit, "bytes", _nbytes).judge

    def judge(value: Value) -> str | None:
        if value is None or isinstance(value, str):
            return text(value)
        return _not(value, "taken for bytes: only texts are")

    return ColumnRule(judge, Plain(chars=limit, in_bytes=True))


def _judge_timestamp(value: Value) -> str | None:
    if isinstance(value, bool | float):
        return _not(value, "taken for a time")
    if isinstance(value, str) and not _INTEGER.fullmatch(value):
        return None if _TIME.match(value) and not _REAL.fullmatch(value) else _not(value, "a time")
    return None


def _judge_geometry(value: Value) -> str | None:
    fits = value is None or (isinstance(value, str) and _SHAPE.match(value))
    return None if fits else _not(value, "a geometry")


_TIMESTAMP = ColumnRule(_judge_timestamp, Plain(integers=(INT64_MIN, INT64_MAX)))
_GEOMETRY = ColumnRule(_judge_geometry, Plain())


def _number(text: str) -> int | float | str | None:
    """A text's number, where it is surely one; None where only the server knows; else why it is none."""
    if _INTEGER.fullmatch(text):
        return int(text)
    if _REAL.fullmatch(text):
        found = float(text)
        # What underflows or overflows is refused by some and read by others.
        return found if SMALLEST_NORMAL <= abs(found) <= DOUBLE_MAX else None
    return None if text and _PERHAPS.fullmatch(text) else _not(text, "a number")


def _words(found: float | str | None) -> str | None:
    return found if isinstance(found, str) else None


def _fraction(value: float, lossy: Lossy) -> str | None:
    if lossy == "reject" and value != trunc(value):
        return f"{shown(value)} would be rounded: it holds integers"
    return None


def _rounded(value: float) -> int:
    """To the nearest integer, halves away from zero, as the server does."""
    whole = trunc(value)
    if abs(value - whole) >= 0.5:  # adding 0.5 first would round numbers just below a half up
        whole += 1 if value > 0 else -1
    return whole


def _nbytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def _not(value: Value, what: str) -> str:
    return f"{shown(value)} is not {what}"
