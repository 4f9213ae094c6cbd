"""Compiled expressions with their types, and what both the compiler and its functions need."""

from dataclasses import dataclass

from . import errors
from .select_ast import Literal
from .types import UBIGINT_BIAS, VARIABLE_LENGTH, DataType

_THEIRS = """
abs acos apercentile asin atan avg bottom cast ceil char_length concat concat_ws cos count csum database
derivative diff elapsed exp first floor histogram hyperloglog interp irate last last_row leastsquares
length ln log lower ltrim mavg max min mod mode now percentile pi pow rand round rtrim sample sign sin
spread sqrt statecount stateduration stddev substr sum tail tan timediff timetruncate timezone to_char
to_iso8601 to_json to_timestamp to_unixtimestamp today top twa unique upper server_version server_status
client_version current_user st_astext st_contains st_containsproperly st_covers st_equals st_geomfromtext
st_intersects st_makepoint st_touches
"""
_UNSUPPORTED = frozenset(_THEIRS.split())


@dataclass(frozen=True, slots=True)
class Typed:
    """`literal` is the literal behind it, if it is one: comparisons read that by the other side's type."""

    sql: str
    type: DataType
    aggregate: bool = False
    literal: Literal | None = None


def unknown_function(name: str) -> errors.TaosError:
    """A function of TDengine's that is not supported here, or none at all."""
    if name in _UNSUPPORTED:
        return errors.syntax(name)
    return errors.TaosError(errors.INVALID_FUNCTION_NAME, f"Invalid function name: {name}")


def real(text: str) -> str:
    value = float(text)
    return repr(value) if abs(value) <= 1.7976931348623157e308 else ("9e999" if value > 0 else "-9e999")


def number(typed: Typed) -> str:
    """The value as a number: strings are read as one."""
    if typed.literal is not None and typed.literal.kind == "string":
        try:
            return real(typed.literal.text)
        except ValueError:
            return "0.0"
    if typed.type.name == "BIGINT UNSIGNED":
        return typed.sql if typed.literal is not None else f"({typed.sql} + {float(UBIGINT_BIAS)!r})"
    if typed.type.name in VARIABLE_LENGTH and typed.literal is None:
        return f"cast({typed.sql} as real)"
    return typed.sql
