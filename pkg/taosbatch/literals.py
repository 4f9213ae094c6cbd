"""Values as INSERT writes them. Every encoder gives the same bytes for the same value."""

from collections.abc import Callable, Container, Iterable
from math import isfinite
from typing import TypeGuard

Value = bool | int | float | str | None
"""What a cell or a tag can hold. Exactly these types: a subclass may write itself in another way."""

INT64_MIN, INT64_MAX, UINT64_MAX = -(2**63), 2**63 - 1, 2**64 - 1

SMALLEST_NORMAL = 2.2250738585072014e-308
"""The server answers 0x0216 for anything closer to zero than this, other than zero itself."""


class LiteralError(ValueError):
    """A value that no INSERT can carry; the message says why."""


def text(value: str) -> bytes:
    """A string between single quotes. A NUL is refused: the server's strings end there."""
    if "\0" in value:
        raise LiteralError("the text contains a NUL character, where the database would cut it")
    try:
        return b"'%b'" % value.replace("\\", "\\\\").replace("'", "\\'").encode()
    except UnicodeEncodeError:
        raise LiteralError("the text is not valid Unicode (a lone surrogate)") from None


def real(value: float) -> bytes:
    """The shortest text that reads back as the same float: 1e16, 1e-7, 0.00001234; never a plus sign."""
    if not isfinite(value):
        raise LiteralError(f"{value!r} is not a number that the database stores")
    if value and abs(value) < SMALLEST_NORMAL:
        raise LiteralError(f"{value!r} is a subnormal number, which the database refuses")
    digits = repr(value)
    return (digits if "e" not in digits else _without_padding(digits)).encode()


def integer(value: int) -> bytes:
    """A decimal integer that fits BIGINT."""
    if not INT64_MIN <= value <= INT64_MAX:
        raise LiteralError("the integer does not fit into 64 bits with sign")
    return b"%d" % value


def is_beyond_bigint(value: object) -> TypeGuard[int]:
    """Whether BIGINT UNSIGNED holds it, and nothing else does."""
    return type(value) is int and INT64_MAX < value <= UINT64_MAX


def literal(value: object, *, unsigned: bool = False) -> bytes:
    """Any `Value`; LiteralError for what is none, or cannot be stored.

    `unsigned`: it goes into a BIGINT UNSIGNED, the one type that holds integers beyond BIGINT.
    """
    if unsigned and is_beyond_bigint(value):
        return b"%d" % value
    write = _WRITERS.get(type(value))
    if write is None:
        raise LiteralError(f"a value of type {type(value).__name__} is no number, bool, text or null")
    return write(value)


def row(values: Iterable[object], unsigned: Container[int] = ()) -> bytes:
    """The inside of one pair of parentheses. LiteralError names the position of the first bad value.

    `unsigned`: the positions, from 0, of what goes into a BIGINT UNSIGNED.
    """
    cells: list[bytes] = []
    for value in values:
        try:
            cells.append(literal(value))
        except LiteralError as error:
            # Asked here alone, so that ordinary values do not pay for it.
            if not (len(cells) in unsigned and is_beyond_bigint(value)):
                raise LiteralError(f"value {len(cells)}: {error}") from None
            cells.append(literal(value, unsigned=True))
    return b",".join(cells)


def _without_padding(digits: str) -> str:
    """Python writes 1e-07 and 1e+16, and turns to exponents one power of ten earlier for small numbers."""
    mantissa, _, exponent = digits.partition("e")
    power = int(exponent)
    if power != -5:
        return f"{mantissa}e{power}"
    sign = "-" if mantissa.startswith("-") else ""
    return f"{sign}0.0000{mantissa.removeprefix('-').replace('.', '')}"


_WRITERS: dict[type, Callable[..., bytes]] = {
    bool: lambda value: b"true" if value else b"false",
    int: integer,
    float: real,
    str: text,
    type(None): lambda _: b"null",
}
