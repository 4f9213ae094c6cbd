"""Readings with every rule asked, one after another; and readings as a device writes them."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

import msgpack  # type: ignore[import-untyped]  # it ships no type information
import msgspec

from taosdevice.answers import ProtocolError
from taosdevice.framing import Framing
from taosdevice.messages import MalformedError, from_json, from_msgpack
from taosdevice.names import Code
from taosdevice.times import NS, format_rfc3339, pack_time, parse_rfc3339

SMALLEST_NORMAL = 2.2250738585072014e-308
"""Closer to zero than this, other than zero itself, the database refuses a number."""

INT64_MIN, UINT64_MAX = -(2**63), 2**64 - 1

Cell = bool | int | float | str | None
"""A value of a reading. Integers have 64 bits, those without sign included."""

_KEYS = ("DeviceID", "Timestamp", "Cols")
_pack = msgspec.msgpack.Encoder().encode


def reading(framing: Framing, timestamp_ns: int, cols: Sequence[Cell]) -> dict[str, Any]:
    """One reading as it stands in `data` or in the list of a `batch`; ValueError for what no reading can hold."""
    if not cols:
        raise ValueError("Cols is empty")
    for position, cell in enumerate(cols):
        if problem := cell_problem(cell):
            raise ValueError(f"Cols[{position}] {problem}")
    stamp: object
    if framing is Framing.JSON_LINES:
        stamp = format_rfc3339(timestamp_ns)
    else:
        seconds, nanos = divmod(timestamp_ns, NS)
        stamp = msgpack.Timestamp(seconds, nanos)
    return {"Timestamp": stamp, "Cols": list(cols)}


def cell_problem(cell: object) -> str | None:
    """Why no column can hold this value, or None."""
    if cell is None or type(cell) is bool:
        return None
    if type(cell) is str:
        return "contains a NUL character, where the database would cut it" if "\0" in cell else None
    if type(cell) is int:
        return None if INT64_MIN <= cell <= UINT64_MAX else "is an integer beyond 64 bits"
    if type(cell) is not float:
        return f"is of type {type(cell).__name__}, and no number, bool, text or null"
    if not isfinite(cell):
        return "is not a finite number"
    return "is a subnormal number, which the database refuses" if 0 < abs(cell) < SMALLEST_NORMAL else None


def record_with_care(framing: Framing, device: str, raw: bytes) -> bytes:
    """The Record of one reading's bytes; ProtocolError says which rule it breaks first."""
    try:
        fields = from_json(raw) if framing is Framing.JSON_LINES else from_msgpack(raw)
    except MalformedError as error:
        raise rejected(str(error)) from None
    if strange := [key for key in fields if key not in _KEYS]:
        raise rejected(f"{strange[0][:40]!r} is no part of a reading")
    if missing := [key for key in _KEYS[1:] if key not in fields]:
        raise rejected(f"{missing[0]} is missing")
    if fields.get("DeviceID", device) != device:
        raise ProtocolError(
            Code.WRONG_DEVICE, "the reading names another device than the one that is connected"
        )
    time, cols = _time(fields["Timestamp"], framing), fields["Cols"]
    if not isinstance(cols, list) or not cols:
        raise rejected("Cols is empty" if cols == [] else "Cols is no list")
    for position, cell in enumerate(cols):
        if problem := cell_problem(cell):
            raise rejected(f"Cols[{position}] {problem}")
    return (
        b"\x83" + b"".join(map(_pack, ("DeviceID", device, "Timestamp"))) + time + _pack("Cols") + _pack(cols)
    )


def rejected(text: str) -> ProtocolError:
    """A reading that is not taken."""
    return ProtocolError(Code.RECORD_REJECTED, text)


def _time(stamp: object, framing: Framing) -> bytes:
    # A time in text belongs to JSON alone, as the extension belongs to MessagePack.
    if framing is Framing.MSGPACK and isinstance(stamp, msgpack.Timestamp):
        return pack_time(stamp.seconds * NS + stamp.nanoseconds)
    if framing is Framing.JSON_LINES and isinstance(stamp, str):
        try:
            return pack_time(parse_rfc3339(stamp))
        except ValueError as error:
            raise rejected(f"Timestamp: {error}") from None
    raise rejected("Timestamp is no time")
