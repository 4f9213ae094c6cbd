"""Whether a stored value is the one that was sent, by the type of its column. Pure."""

import struct
from typing import Any

from taosbatch.encoding import Precision
from taosbatch.literals import Value
from taosbatch.rows import UNIT_NS
from taosdevice.times import parse_rfc3339
from taosink.audit.stored_rows import timestamp_units
from taosink.taos.ddl import ColumnType

_INTEGERS = ("TINYINT", "SMALLINT", "INT", "BIGINT")
_TEXTS = {"VARCHAR", "NCHAR"}
_TRUE = {"true": True, "false": False}


def same_value(expected: Value, actual: Any, column: ColumnType, precision: Precision) -> bool:
    """True also for what the column's type makes of the value: a DOUBLE of an integer, a FLOAT's nearest.

    Integers are compared exactly where the column holds integers. Of types that no record value has
    (VARBINARY, GEOMETRY, DECIMAL) only NULL or not is compared.
    """
    if expected is None or actual is None:
        return expected is actual
    kind = column.name.removesuffix(" UNSIGNED")
    if kind == "BOOL":
        return _truth(expected) is _truth(actual)
    if kind in _INTEGERS or kind in {"FLOAT", "DOUBLE"}:
        return _same_number(_number(expected), _number(actual), kind)
    if kind in _TEXTS:
        return _same_text(expected, actual)
    if kind == "TIMESTAMP":
        return _same_time(expected, actual, precision)
    return True


def _same_number(expected: float | None, actual: float | None, kind: str) -> bool:
    if expected is None or actual is None:
        return False
    if kind in _INTEGERS:
        # The server rounds a fraction half away from zero, where values.lossy allows it in.
        return expected == actual or (expected != int(expected) and _rounded(expected) == actual)
    if float(expected) == float(actual):
        return True
    return kind == "FLOAT" and _single(expected) == _single(actual)


def _rounded(number: float) -> int:
    return int(number + 0.5) if number >= 0 else int(number - 0.5)


def _single(number: float) -> float:
    try:
        return float(struct.unpack("f", struct.pack("f", number))[0])
    except OverflowError:
        return float("inf")


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return value
    try:
        return int(value) if str(value).lstrip("+-").isdigit() else float(value)
    except (ValueError, TypeError):
        return None


def _truth(value: Any) -> bool | None:
    if isinstance(value, str):
        return _TRUE.get(value.lower())
    return bool(value)


def _same_text(expected: Value, actual: Any) -> bool:
    text = actual.decode("utf-8", "replace") if isinstance(actual, bytes) else str(actual)
    if isinstance(expected, str):
        return expected == text
    if isinstance(expected, bool):
        return _TRUE.get(text.lower()) is expected
    number = _number(text)
    return number is not None and expected is not None and float(number) == float(expected)


def _same_time(expected: Value, actual: Any, precision: Precision) -> bool:
    if isinstance(expected, str):
        try:
            expected = parse_rfc3339(expected) // UNIT_NS[precision]
        except ValueError:
            return True
    return expected == timestamp_units(actual, precision)
