"""The data of `data` and `batch` into Records: the MessagePack values that consumers of the readings topic read."""

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Annotated

import msgspec
from msgspec import UNSET, Raw, UnsetType

from taosdevice.answers import ProtocolError
from taosdevice.framing import Framing
from taosdevice.names import Code
from taosdevice.readings import SMALLEST_NORMAL, record_with_care
from taosdevice.times import NS, is_packed_time, pack_time, parse_rfc3339

MAX_RECORD = 900_000
"""Bytes of one Record: with its headers under 1 MiB, which is a broker's default for a message."""

_LARGEST = 1.7976931348623157e308
_Int = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Float = Annotated[float, msgspec.Meta(ge=-_LARGEST, le=_LARGEST)]  # neither NaN nor an infinity passes
_Cols = Annotated[list[bool | _Int | _Float | str | None], msgspec.Meta(min_length=1)]

Value = bytes | ProtocolError
Judge = Callable[[bytes], bytes]
"""One reading's bytes into a Record; it raises whatever it likes where it is not sure."""


class _Packed(msgspec.Struct, gc=False):
    Timestamp: Raw  # as a datetime it would lose nanoseconds
    Cols: _Cols
    DeviceID: str | UnsetType = UNSET


class _Json(msgspec.Struct, gc=False):
    Timestamp: str
    Cols: _Cols
    DeviceID: str | UnsetType = UNSET


_pack = msgspec.msgpack.Encoder().encode
_packed = msgspec.msgpack.Decoder(_Packed).decode
_json = msgspec.json.Decoder(_Json).decode
_many = {
    Framing.JSON_LINES: msgspec.json.Decoder(list[Raw]).decode,
    Framing.MSGPACK: msgspec.msgpack.Decoder(list[Raw]).decode,
}

_KEY_DEVICE, _KEY_TIME, _KEY_COLS = _pack("DeviceID"), _pack("Timestamp"), _pack("Cols")
_MAP_OF_2, _MAP_OF_3 = 0x82, 0x83
_read_64 = Struct(">HII").unpack
_FIXEXT8_TIME = 0xD7FF
_NANOS_END = NS << 2  # the high word is nanoseconds * 4 plus two bits of the seconds
_MAP_HEADS = frozenset(bytes((head,)) for head in (*range(0x80, 0x90), 0xDE, 0xDF))
_BAD = (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError)


def records_of(framing: Framing, device: str, data: bytes, *, max_record: int = MAX_RECORD) -> list[Value]:
    """The Records of a batch, in order; in the place of a reading that is none stands why. A map is a batch of one.

    `data`: the value's bytes, of a frame that `read_request` took, so that announced lengths are known to be
    true. ProtocolError where it is neither list nor map. Values are MessagePack, whichever the framing.
    """
    readings: Sequence[bytes | Raw] = (data,)
    if not _is_map(framing, data):
        try:
            readings = _many[framing](data)
        except _BAD:
            raise ProtocolError(Code.BAD_MESSAGE, "the data of a batch is a list of readings") from None
    quick = _judge[framing](device)
    found: list[Value] = []
    for reading in readings:
        raw = bytes(reading)
        try:
            value = quick(raw)
        except Exception:  # noqa: BLE001  # whatever the quick way dislikes, the careful one judges
            try:
                value = record_with_care(framing, device, raw)
            except ProtocolError as error:
                found.append(error)
                continue
        found.append(value if len(value) <= max_record else _too_large(len(value), max_record))
    return found


def record_of(framing: Framing, device: str, data: bytes, *, max_record: int = MAX_RECORD) -> bytes:
    """The Record of a `data`, as `records_of` makes it; ProtocolError where it is none."""
    if not _is_map(framing, data):
        raise ProtocolError(Code.RECORD_REJECTED, "a reading is a map of Timestamp and Cols")
    (found,) = records_of(framing, device, data, max_record=max_record)
    if isinstance(found, ProtocolError):
        raise found
    return found


def _is_map(framing: Framing, data: bytes) -> bool:
    if framing is Framing.JSON_LINES:
        return data[:1] == b"{"
    return data[:1] in _MAP_HEADS


def _from_msgpack(device: str) -> Judge:
    head = b"\x83" + _KEY_DEVICE + _pack(device)

    def convert(raw: bytes) -> bytes:
        record = _packed(raw)
        stamp, named = record.Timestamp, record.DeviceID
        # A map of as many pairs as fields were found has no other key, and none twice.
        if raw[0] == _MAP_OF_2 and named is UNSET:
            value = head + raw[1:]
        elif raw[0] == _MAP_OF_3 and named is not UNSET:
            if named != device:
                raise ValueError
            value = raw
        else:
            raise ValueError
        if len(stamp) == 10:
            kind, high, _ = _read_64(stamp)
            if kind != _FIXEXT8_TIME or high >= _NANOS_END:
                raise ValueError
        elif not is_packed_time(bytes(stamp)):
            raise ValueError
        _check(record.Cols)
        return value

    return convert


def _from_json(device: str) -> Judge:
    before = b"\x83" + _KEY_DEVICE + _pack(device) + _KEY_TIME

    def convert(raw: bytes) -> bytes:
        record = _json(raw)
        named = record.DeviceID
        colons = 2 + record.Timestamp.count(":")
        if named is not UNSET:
            if named != device:
                raise ValueError
            colons += 1 + device.count(":")
        # Each pair has a colon outside its strings: so many prove that no key is unknown and none stands twice.
        if raw.count(b":") != colons or b"\\" in raw:
            raise ValueError
        _check(record.Cols)
        return before + pack_time(parse_rfc3339(record.Timestamp)) + _KEY_COLS + _pack(record.Cols)

    return convert


def _check(cols: Sequence[object]) -> None:
    for cell in cols:
        if type(cell) is str:
            if "\0" in cell:
                raise ValueError
        elif type(cell) is float and -SMALLEST_NORMAL < cell < SMALLEST_NORMAL and cell:
            raise ValueError


def _too_large(size: int, limit: int) -> ProtocolError:
    return ProtocolError(Code.RECORD_REJECTED, f"the record has {size} bytes, at most {limit} are taken")


_judge: dict[Framing, Callable[[str], Judge]] = {
    Framing.JSON_LINES: _from_json,
    Framing.MSGPACK: _from_msgpack,
}
