"""The fast way through VALUES: one compiled pattern per row shape, for plain literals only.

What the pattern does not take is left to the parser proper, so this decides nothing but speed.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from .literals import Value
from .tokens import string_value
from .types import INTEGERS, Column

_WS = r"[ \t\n\r\f]*"
_NULL = "|[nN][uU][lL][lL]"
_QUOTED = r"('(?:[^'\\]++|\\.|'')*+'" + _NULL + ")"
_PATTERNS = {
    **dict.fromkeys([n for n in INTEGERS if n != "BIGINT UNSIGNED"], rf"(-?\d{{1,18}}{_NULL})"),
    "TIMESTAMP": rf"(-?\d{{1,18}}{_NULL})",
    "DOUBLE": rf"(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?{_NULL})",
    "BOOL": rf"([tT][rR][uU][eE]|[fF][aA][lL][sS][eE]{_NULL})",
    "VARCHAR": _QUOTED,
    "NCHAR": _QUOTED,
}
_DOUBLE_MIN, _DOUBLE_MAX = 2.2250738585072014e-308, 1.7976931348623157e308


class _SlowError(Exception):
    """A value needs the parser proper."""


@lru_cache(maxsize=256)
def _pattern(types: tuple[str, ...]) -> re.Pattern[str] | None:
    parts = [_PATTERNS.get(name) for name in types]
    if not parts or None in parts:
        return None
    body = (_WS + "," + _WS).join(str(p) for p in parts)
    return re.compile(rf"{_WS}(?:,{_WS})?\({_WS}{body}{_WS}\)", re.DOTALL | re.ASCII)


def fast_rows(text: str, pos: int, bound: Sequence[Column]) -> tuple[list[tuple[Value, ...]], int]:
    """As many plain rows as stand from `pos` on, and the position behind them."""
    pattern = _pattern(tuple(c.type.name for c in bound))
    if pattern is None:
        return [], pos
    match = pattern.scanner(text, pos).match  # type: ignore[attr-defined]  # typeshed has no scanner()
    found: list[tuple[str, ...]] = []
    end = pos
    while row := match():
        found.append(row.groups())
        end = row.end()
    if not found:
        return [], pos
    try:
        columns = [
            _COLUMNS[c.type.name](texts, c) for c, texts in zip(bound, zip(*found, strict=True), strict=True)
        ]
    except _SlowError:
        return [], pos
    return list(zip(*columns, strict=True)), end


def _integers(texts: Sequence[str], column: Column) -> Sequence[Value]:
    low, high = INTEGERS[column.type.name][1:]
    try:
        values = list(map(int, texts))
    except ValueError:
        if column.slot == "ts":
            raise _SlowError from None
        known = [None if t[0] in "nN" else int(t) for t in texts]
        values = [v for v in known if v is not None]
        if values and not low <= min(values) <= max(values) <= high:
            raise _SlowError from None
        return known
    if not low <= min(values) <= max(values) <= high:
        raise _SlowError
    return values


def _times(texts: Sequence[str], column: Column) -> Sequence[Value]:
    if column.slot == "ts":
        try:
            return list(map(int, texts))
        except ValueError:
            raise _SlowError from None
    return [None if t[0] in "nN" else int(t) for t in texts]


def _doubles(texts: Sequence[str], _column: Column) -> Sequence[Value]:
    # float() also reads "null"'s look-alikes nan and inf, which the pattern has kept out.
    try:
        values: Sequence[float | None] = list(map(float, texts))
    except ValueError:
        values = [None if t[0] in "nN" else float(t) for t in texts]
    for value, text in zip(values, texts, strict=True):
        if (
            value is not None
            and not _DOUBLE_MIN <= abs(value) <= _DOUBLE_MAX
            and (value or "e" in text.lower())
        ):
            raise _SlowError
    return values


_BOOLS: dict[str, Value] = {"t": 1, "T": 1, "f": 0, "F": 0, "n": None, "N": None}


def _bools(texts: Sequence[str], _column: Column) -> Sequence[Value]:
    return [_BOOLS[t[0]] for t in texts]


def _texts(texts: Sequence[str], column: Column) -> Sequence[Value]:
    values = [
        (t[1:-1] if "\\" not in t and "''" not in t else string_value(t)) if t[0] == "'" else None
        for t in texts
    ]
    limit = column.type.length
    if max(map(len, texts)) * 4 > limit:
        for value in values:
            if value is not None:
                size = len(value) if column.type.name == "NCHAR" else len(value.encode())
                if size > limit:
                    raise _SlowError
    return values


_COLUMNS: dict[str, Callable[[Sequence[str], Column], Sequence[Value]]] = {
    **dict.fromkeys(INTEGERS, _integers),
    "TIMESTAMP": _times,
    "DOUBLE": _doubles,
    "BOOL": _bools,
    "VARCHAR": _texts,
    "NCHAR": _texts,
}
