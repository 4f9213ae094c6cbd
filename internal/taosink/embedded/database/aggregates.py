"""FIRST, LAST and LAST_ROW, which SQLite lacks, and C's remainder."""

import math
import sqlite3

from .literals import Value
from .types import UBIGINT_BIAS


class _ByTime:
    """Keeps the value at one end of time; NULL values count only for LAST_ROW."""

    later = True
    nulls = False

    def __init__(self) -> None:
        self._time: int | None = None
        self._value: Value = None

    def step(self, time: int, value: Value) -> None:
        if value is None and not self.nulls:
            return
        if self._time is None or (time >= self._time if self.later else time < self._time):
            self._time, self._value = time, value

    def finalize(self) -> Value:
        return self._value


class _First(_ByTime):
    later = False


class _LastRow(_ByTime):
    nulls = True


class _UnsignedSum:
    """The sum of BIGINT UNSIGNED, which wraps at 2**64; values in and out are kept less the bias."""

    def __init__(self) -> None:
        self._total: int | None = None

    def step(self, value: int | None) -> None:
        if value is not None:
            self._total = (self._total or 0) + value + UBIGINT_BIAS

    def finalize(self) -> int | None:
        return None if self._total is None else self._total % 2**64 - UBIGINT_BIAS


def _remainder(left: float | None, right: float | None) -> float | None:
    if left is None or not right:
        return None
    return math.fmod(left, right)


def register(connection: sqlite3.Connection) -> None:
    """Makes them callable from SQL."""
    for name, made in (("td_first", _First), ("td_last", _ByTime), ("td_last_row", _LastRow)):
        connection.create_aggregate(name, 2, made)  # type: ignore[arg-type]  # typeshed wants one int argument
    connection.create_aggregate("td_sum_unsigned", 1, _UnsignedSum)  # type: ignore[arg-type]  # the same
    connection.create_function("td_mod", 2, _remainder, deterministic=True)
