"""taosAdapter's side of the answers: JSON bodies, types of values, authorization."""

import base64
import binascii
import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from decimal import Decimal

import msgspec

from . import errors
from .answers import Affected, Answer
from .literals import Value
from .timestamps import formatter
from .types import UBIGINT_BIAS, DataType

NO_AUTH, BAD_AUTH, EMPTY_BODY, NO_SQL, BAD_REQUEST = 0x1105, 0x1124, 0x1106, 0x1107, 0xFFFF
_AFFECTED = [["affected_rows", "INT", 4]]
Show = Callable[[Value], object]


def double(value: Value) -> object:
    """A DOUBLE as Go writes it: whole numbers below 1e21 without exponent or fraction, from the shortest digits."""
    if not isinstance(value, (float, int)):
        return value
    if value % 1 or abs(value) >= 1e21:
        return value
    if abs(value) < 2**53:
        return int(value)
    return msgspec.Raw(str(int(Decimal(repr(value)))).encode())


def float32(value: Value) -> Value:
    """The shortest decimal that is the same FLOAT."""
    if not isinstance(value, float):
        return value
    packed = struct.pack("<f", value)
    for digits in range(1, 10):
        shown = float(f"{value:.{digits}g}")
        try:
            if struct.pack("<f", shown) == packed:
                return shown
        except OverflowError:
            continue
    return value


def _shower(kind: DataType, show_time: Callable[[int], str]) -> Show | None:
    """How a stored value of `kind` is shown; None if as it is."""
    plain: dict[str, Show] = {
        "TIMESTAMP": lambda v: show_time(int(v)),  # type: ignore[arg-type]  # the column's type says so
        "BOOL": bool,
        "FLOAT": lambda v: double(float32(v)),
        "DOUBLE": double,
        "BIGINT UNSIGNED": lambda v: int(v) + UBIGINT_BIAS,  # type: ignore[arg-type]  # the same
        "VARBINARY": lambda v: v.hex() if isinstance(v, bytes) else v,
        "GEOMETRY": lambda v: v.hex() if isinstance(v, bytes) else v,
    }
    return plain.get(kind.name)


def body(answer: Answer, zone: tzinfo | None) -> bytes:
    """The JSON body of a success. (The recorded adapter gives lists with `row_with_meta` too.)"""
    if isinstance(answer, Affected):
        shown: object = {"code": 0, "column_meta": _AFFECTED, "data": [[answer.rows]], "rows": 1}
        return msgspec.json.encode(shown)
    meta = [[title, kind.name, kind.length] for title, kind in answer.columns]
    show_time = formatter(answer.precision, zone)
    columns = [_shower(kind, show_time) for _, kind in answer.columns]
    rows: Sequence[object] = answer.rows
    if any(columns):
        rows = [
            [v if v is None or show is None else show(v) for v, show in zip(row, columns, strict=True)]
            for row in answer.rows
        ]
    return msgspec.json.encode({"code": 0, "column_meta": meta, "data": rows, "rows": len(rows)})


def error_body(code: int, desc: str) -> bytes:
    return msgspec.json.encode({"code": code, "desc": desc})


class HttpError(Exception):
    """An answer of the adapter's own, which never reached the database."""

    def __init__(self, status: int, code: int, desc: str) -> None:
        super().__init__(desc)
        self.status = status
        self.code = code
        self.desc = desc


def authorize(header: str | None, users: Mapping[str, str]) -> None:
    """Raises HttpError for a header that says nothing, TaosError for credentials that are wrong."""
    if not header:
        raise HttpError(401, NO_AUTH, "no auth info input")
    scheme, _, value = header.strip().partition(" ")
    if scheme.lower() == "basic":
        try:
            user, colon, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            colon = ""
        if not colon:
            raise HttpError(401, BAD_AUTH, "invalid basic Authorization")
    elif scheme.lower() in ("taosd", "bearer"):
        user, password = _of_token(value.strip())
    else:
        raise HttpError(401, 0x1122, "unknown Authorization scheme")
    if user not in users:
        raise errors.TaosError(errors.USER_NOT_EXIST, "Invalid user")
    if users[user] != password:
        raise errors.TaosError(errors.AUTH_FAILURE, "Authentication failure")


def login_token(user: str, password: str) -> str:
    """What GET /rest/login gives; no secret, as it is the credentials themselves."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def _of_token(token: str) -> tuple[str, str]:
    try:
        user, colon, password = base64.b64decode(token, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        colon = ""
    if not colon:
        raise HttpError(401, BAD_AUTH, "invalid taosd Authorization")
    return user, password
