"""The quick reader: takes what it can prove to be right, and leaves all else to the careful one."""

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Annotated, Any

import msgspec

from taosbatch.encoding import Layout, Precision
from taosbatch.literals import INT64_MAX, INT64_MIN, Value
from taosbatch.rows import UNIT_NS
from taosdevice.times import NS, parse_rfc3339
from taosink.records.codecs import Codec
from taosink.records.typed import Form, Typed, typed

Fast = tuple[str, int, Sequence[Value]]
"""Device, timestamp in the database's unit, and one value or more: finite, within 64 bits, of right types."""

Reader = Callable[[bytes], Fast | None]

Decode = Callable[[bytes], Any]

_LARGEST = 1.7976931348623157e308
_Int = Annotated[int, msgspec.Meta(ge=INT64_MIN, le=INT64_MAX)]
_Float = Annotated[float, msgspec.Meta(ge=-_LARGEST, le=_LARGEST)]  # neither NaN nor an infinity passes
_Cols = list[bool | _Int | _Float | str | None]


class _Packed(msgspec.Struct, gc=False):
    DeviceID: str
    Timestamp: msgspec.Raw  # as an Ext or a datetime it would cost more, or lose nanoseconds
    Cols: _Cols


class _Json(msgspec.Struct, gc=False):
    DeviceID: str
    Timestamp: str
    Cols: _Cols


_packed = msgspec.msgpack.Decoder(_Packed).decode
_json = msgspec.json.Decoder(_Json).decode

_MAP_OF_3 = 0x83  # with three required fields found in it, it has no other key and none twice
_BRACE, _BACKSLASH = ord("{"), ord("\\")

_read_64 = Struct(">HII").unpack
_FIXEXT8_TIME = 0xD7FF  # the head of the 64-bit form: nanoseconds << 34 | seconds
_SECOND_QUARTERS = 4 * NS


def reader(codec: Codec, precision: Precision, table: Typed | None = None) -> Reader:
    """What reads one value: None where it is not sure, also of `table` taking its values. It never raises.

    Characters stand for bytes in what it finds to fit: beyond ASCII a text may be longer. Used by one thread.
    """
    packed = _msgpack_reader(precision, _Decoding(table, "msgpack", _packed).decode if table else _packed)
    text = _json_reader(precision, _Decoding(table, "json", _json).decode if table else _json)
    takes_packed, takes_json = codec != "json", codec != "msgpack"

    def read(value: bytes) -> Fast | None:
        try:
            first = value[0]
            if first == _MAP_OF_3:
                return packed(value) if takes_packed else None
            return text(value) if first == _BRACE and takes_json else None
        except Exception:  # noqa: BLE001  # whatever it is that the quick reader dislikes, the careful one judges it
            return None

    return read


def reader_for(layout: Layout) -> Reader:
    """The reader of a layout's codec and precision, and of what its table takes."""
    table = layout.guard.table if layout.guard else None
    return reader(layout.codec, layout.precision, typed(table) if table else None)


class _Decoding:
    """Decodes by a table's columns: the width that came last is expected, others cost a second decoding."""

    __slots__ = ("_any", "_expected", "_form", "_table")

    def __init__(self, table: Typed, form: Form, anything: Decode) -> None:
        self._table = table
        self._form = form
        self._any = anything
        self._expected = table.decoder(table.width, form) or anything

    def decode(self, value: bytes) -> Any:
        """The record; raises where it is none, or the table does not take it."""
        if self._expected is not self._any:
            try:
                return self._expected(value)
            except msgspec.ValidationError:
                pass
        record = self._any(value)
        cells = record.Cols
        self._expected = self._table.decoder(len(cells), self._form) or self._expected
        if problem := self._table.row(len(cells)).check(cells):
            raise ValueError(problem)
        return record


def _msgpack_reader(precision: Precision, decode: Decode) -> Reader:
    unit = UNIT_NS[precision]
    per_second, quarters = NS // unit, 4 * unit

    def read(value: bytes) -> Fast | None:
        record = decode(value)
        raw, cols = record.Timestamp, record.Cols
        if not cols:
            return None
        if len(raw) == 10:
            head, high, low = _read_64(raw)
            # The high half is nanoseconds * 4 plus the seconds' two highest bits, which are 0 until 2106.
            if head == _FIXEXT8_TIME and high < _SECOND_QUARTERS and not high & 3:
                return record.DeviceID, low * per_second + high // quarters, cols
        nanos = _extension_ns(bytes(raw))
        if nanos is None or not INT64_MIN <= (at := nanos // unit) <= INT64_MAX:
            return None
        return record.DeviceID, at, cols

    return read


def _extension_ns(raw: bytes) -> int | None:
    """Nanoseconds of any canonical timestamp extension."""
    if len(raw) == 6 and raw.startswith(b"\xd6\xff"):
        return int.from_bytes(raw[2:], "big") * NS
    if len(raw) == 10 and raw.startswith(b"\xd7\xff"):
        whole = int.from_bytes(raw[2:], "big")
        nanos, seconds = whole >> 34, whole & 0x3_FFFF_FFFF
    elif len(raw) == 15 and raw.startswith(b"\xc7\x0c\xff"):
        nanos, seconds = int.from_bytes(raw[3:7], "big"), int.from_bytes(raw[7:], "big", signed=True)
    else:
        return None
    return seconds * NS + nanos if nanos < NS else None


def _json_reader(precision: Precision, decode: Decode) -> Reader:
    unit = UNIT_NS[precision]

    def read(value: bytes) -> Fast | None:
        record = decode(value)
        stamp = record.Timestamp
        # Each pair has a colon outside its strings: three beside the time's own prove that no key is repeated
        # and that none is unknown.
        if not record.Cols or _BACKSLASH in value or value.count(b":") != 3 + stamp.count(":"):
            return None
        at = parse_rfc3339(stamp) // unit
        return (record.DeviceID, at, record.Cols) if INT64_MIN <= at <= INT64_MAX else None

    return read
