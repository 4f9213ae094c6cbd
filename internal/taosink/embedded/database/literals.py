"""Literals to stored values, type by type: what the server takes, rounds and refuses."""

import re
import struct
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal

from . import errors
from .geometry import parse_wkt
from .tokens import BIN, BOOL, FLOAT, HEX, INTEGER, STRING, VARIABLE, Token, string_value
from .types import INTEGERS, NUMERIC, TEXT, UBIGINT_BIAS, DataType

Value = int | float | str | bytes | None
_LITERALS = frozenset({"NOW", "TODAY", INTEGER, STRING, FLOAT, BOOL, "NULL", HEX, BIN, VARIABLE})
_SMALL_UNSIGNED = frozenset({"TINYINT UNSIGNED", "SMALLINT UNSIGNED", "INT UNSIGNED"})
_STR_TYPES = TEXT | {"VARBINARY"}
_FLOAT_MAX = 3.4028234663852886e38
_DOUBLE_MIN = 2.2250738585072014e-308
_NUMBER = re.compile(r"\s*[+-]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)", re.ASCII)
_DIGITS = re.compile(r"\s*[+-]?\d+", re.ASCII)
_I64 = (-(2**63), 2**63 - 1)


class RefusedError(Exception):
    """The text is no number of the kind asked for."""


def convert(token: Token, kind: DataType, name: str, *, tag: bool = False) -> Value:
    """The value of a literal for a column or tag of any type but TIMESTAMP (which may go on past its token).

    Raises TaosError with the server's number.
    """
    text = check(token)
    if is_null(token, text, kind.name):
        return None
    if text == "" and kind.name in NUMERIC:
        raise errors.near(text, "invalid numeric data")
    converter = _wrapping if not tag and kind.name in _SMALL_UNSIGNED else _CONVERTERS[kind.name]
    try:
        return converter(token, text, kind, name)
    except RefusedError:
        raise errors.near(token.text, f"invalid {kind.name.lower()} data") from None


def check(token: Token) -> str:
    """The literal's text without its quotes; raises for what is no literal."""
    if token.kind not in _LITERALS:
        raise errors.near(token.text, "invalid data or symbol")
    if token.kind == STRING:
        return string_value(token.text)
    return token.text.lower()


def is_null(token: Token, text: str, type_name: str) -> bool:
    if token.kind == "NULL":
        return True
    return token.kind == STRING and type_name not in _STR_TYPES and text.lower() == "null"


def _strtod(text: str) -> tuple[float, int]:
    """C's strtod: the value and where it ended. Raises where errno would be ERANGE."""
    found = _NUMBER.match(text)
    if found is None:
        return 0.0, 0
    body = found.group().strip()
    if "x" in body.lower():
        return float(int(body, 16)), found.end()
    value = float(body)
    mantissa = re.split("[eE]", body)[0]
    if value in (float("inf"), float("-inf")) or (abs(value) < _DOUBLE_MIN and re.search("[1-9]", mantissa)):
        raise RefusedError
    return value, found.end()


def to_double(token: Token, text: str) -> float:
    if token.kind == BIN:
        return float(_sign_and_magnitude(text))
    value, end = _strtod(text)
    if end != len(text) or not text:
        raise RefusedError
    return value


def _round(text: str) -> int:
    """round() of strtod: half away from zero."""
    value, end = _strtod(text)
    if end != len(text):
        raise RefusedError
    return int(Decimal(value).to_integral_value(ROUND_HALF_UP))


def _sign_and_magnitude(text: str) -> int:
    """Binary, hex and float forms with a sign, rounded to an integer within 64 bits unsigned."""
    if not text or (text[0] not in "+-." and not ("0" <= text[0] <= "9")):
        raise RefusedError
    negative, body = text[0] == "-", text[1:] if text[0] in "+-" else text
    if body[:2] in ("0b", "0B") and len(body) > 2:
        digits = body[2:].lstrip("0")
        if len(digits) > 64 or re.search("[^01]", digits):
            raise RefusedError
        value = int(digits or "0", 2)
    elif body[:2] in ("0x", "0X") and len(body) > 2:
        if not re.fullmatch("[0-9a-fA-F]+", body[2:]):
            raise RefusedError
        value = int(body[2:], 16)
    else:
        if not body or body[0] in " \t+-":
            raise RefusedError
        value = _round(body)
    if value > 2**64 - 1:
        raise RefusedError
    return -value if negative else value


def to_integer(token: Token, text: str) -> int:
    """A signed 64-bit integer of a literal; fractions round half away from zero."""
    if token.kind == INTEGER:
        value = int(text)
    elif token.kind == FLOAT:
        value = _round(text)
    else:
        value = _loose_integer(text, signed=True)
    if not _I64[0] <= value <= _I64[1]:
        raise RefusedError
    return value


def to_unsigned(token: Token, text: str) -> int:
    """An unsigned 64-bit integer of a literal; minus zero is zero."""
    if token.kind == INTEGER:
        value = int(text)
    elif token.kind == FLOAT:
        value = _round(text)
    else:
        value = _loose_integer(text, signed=False)
    if not 0 <= value <= 2**64 - 1:
        raise RefusedError
    return value


def _loose_integer(text: str, *, signed: bool) -> int:
    """Quoted, hex and binary forms: digits, digits with a plain fraction, or any number."""
    found = _DIGITS.match(text)
    if found:
        value = int(found.group())
        rest = text[found.end() :]
        low, high = _I64 if signed else (0, 2**64 - 1)
        if not rest:
            return value
        # The server looks at the first decimal only, and at the sign of the text.
        if low <= value <= high and re.fullmatch(r"\.[0-9]*", rest):
            if rest[1:2] > "4":
                value += -1 if signed and found.group().strip().startswith("-") else 1
            return value
    return _sign_and_magnitude(text)


def _integer(token: Token, text: str, kind: DataType, _name: str) -> Value:
    _, low, high = INTEGERS[kind.name]
    value = to_integer(token, text) if low < 0 else to_unsigned(token, text)
    if not low <= value <= high:
        raise errors.near(token.text, f"{kind.name.lower()} data overflow")
    return value - UBIGINT_BIAS if kind.name == "BIGINT UNSIGNED" else value


def _wrapping(token: Token, text: str, kind: DataType, name: str) -> Value:
    """In a column the server checks small unsigned types as if signed: from 2**63 on only low bits count."""
    value = to_unsigned(token, text)
    return value & INTEGERS[kind.name][2] if value >= 2**63 else _integer(token, text, kind, name)


def _float(token: Token, text: str, _kind: DataType, _name: str) -> Value:
    value = to_double(token, text)
    if abs(value) > _FLOAT_MAX:
        raise RefusedError
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def _double(token: Token, text: str, _kind: DataType, _name: str) -> Value:
    return to_double(token, text)


def _bool(token: Token, text: str, _kind: DataType, _name: str) -> Value:
    if token.kind in (BOOL, STRING) and text.lower() in ("true", "false"):
        return int(text.lower() == "true")
    if token.kind == INTEGER:
        return int(int(text) != 0)
    if token.kind == FLOAT:
        return int(float(text) != 0)
    if token.kind in (BIN, HEX, STRING):
        return int(to_double(token, text) != 0)
    raise RefusedError


def _varchar(_token: Token, text: str, kind: DataType, name: str) -> Value:
    if len(text) * 4 > kind.length and len(text.encode()) > kind.length:
        raise errors.too_long(name)
    return text


def _nchar(_token: Token, text: str, kind: DataType, name: str) -> Value:
    if len(text) > kind.length:
        raise errors.too_long(name)
    return text


def _varbinary(token: Token, text: str, kind: DataType, name: str) -> Value:
    if token.kind != STRING:
        raise errors.TaosError(errors.INVALID_VARBINARY, f"Invalid varbinary value: {name}")
    raw = token.text[1:-1]
    if raw.startswith("\\x"):
        digits = raw[2:]
        if len(raw.encode()) % 2 or re.search("[^0-9a-fA-F]", digits):
            raise errors.TaosError(errors.INVALID_VARBINARY, f"Invalid varbinary value: {name}")
        data = bytes.fromhex(digits)
    else:
        data = text.encode()
    if len(data) > kind.length:
        raise errors.too_long(name)
    return data


def _geometry(token: Token, text: str, kind: DataType, name: str) -> Value:
    data = parse_wkt(text) if token.kind == STRING else None
    if data is None:
        raise RefusedError
    if len(data) > kind.length:
        raise errors.too_long(name)
    return data


def _json(token: Token, text: str, _kind: DataType, _name: str) -> Value:
    raise errors.near(text or token.text, "json is not supported here")


_CONVERTERS: dict[str, Callable[[Token, str, DataType, str], Value]] = {
    **dict.fromkeys(INTEGERS, _integer),
    "BOOL": _bool,
    "FLOAT": _float,
    "DOUBLE": _double,
    "VARCHAR": _varchar,
    "NCHAR": _nchar,
    "VARBINARY": _varbinary,
    "GEOMETRY": _geometry,
    "JSON": _json,
}
