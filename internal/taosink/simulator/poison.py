"""Broken records, of every kind that a real topic has shown; each of them must end as a dead letter."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from taosbatch.literals import Value
from taosdevice.times import EXTENSION, NS, pack_extension
from taosink.records.record import Record, encode_json, encode_msgpack

Make = Callable[[str, int, Sequence[Value]], bytes]

BEYOND_TIME_NS = 2**60 * NS

pack = msgspec.msgpack.Encoder().encode


def timestamp(at_ns: int) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(EXTENSION, pack_extension(at_ns))


def _with(**changes: object) -> Make:
    """A record that is whole but for some fields; None leaves one out."""

    def make(device: str, at: int, cols: Sequence[Value]) -> bytes:
        whole: dict[str, object] = {"DeviceID": device, "Timestamp": timestamp(at), "Cols": cols}
        changed = {**whole, **changes}
        return pack({name: value for name, value in changed.items() if value is not None})

    return make


def _first_column(value: object) -> Make:
    def make(device: str, at: int, cols: Sequence[Value]) -> bytes:
        return _with(Cols=[value, *cols[1:]])(device, at, cols)

    return make


def _truncated(device: str, at: int, cols: Sequence[Value]) -> bytes:
    whole = encode_msgpack(Record(device, at, cols))
    return whole[: len(whole) * 2 // 3]


def _trailing(device: str, at: int, cols: Sequence[Value]) -> bytes:
    return encode_msgpack(Record(device, at, cols)) + b"\x00\x01"


def _long_integer(device: str, at: int, cols: Sequence[Value]) -> bytes:
    """MessagePack has no integer of this size, so it comes as JSON."""
    return encode_json(Record(device, at, ["?", *cols[1:]])).replace(b'"?"', b"%d" % 2**70)


KINDS: Mapping[str, Make] = {
    "garbage": lambda *_: b"\xc1\xff\x00not a record\xfe",
    "truncated": _truncated,
    "empty": lambda *_: b"",
    "array": lambda _device, _at, cols: pack(list(cols)),
    "number": lambda *_: pack(7),
    "trailing bytes": _trailing,
    "no device": _with(DeviceID=None),
    "no timestamp": _with(Timestamp=None),
    "no columns": _with(Cols=None),
    "device is a number": _with(DeviceID=17),
    "device is empty": _with(DeviceID=""),
    "device has a dot": _with(DeviceID="plant.7"),
    "device is too long": _with(DeviceID="d" * 300),
    "timestamp is text": _with(Timestamp="yesterday"),
    "timestamp is cut": _with(Timestamp=msgspec.msgpack.Ext(-1, b"\x00\x01\x02\x03\x04")),
    "timestamp is beyond time": _with(Timestamp=timestamp(BEYOND_TIME_NS)),
    "columns are a map": _with(Cols={"temperature": 21.5}),
    "column is NaN": _first_column(float("nan")),
    "column is infinite": _first_column(float("inf")),
    "column is a list": _first_column([1, 2]),
    "column has a NUL": _first_column("a\x00b"),
    "column is 2**70": _long_integer,
}
NAMES = tuple(KINDS)


def broken(kind: int, device: str, at_ns: int, cols: Sequence[Value]) -> bytes:
    """The raw value of a broken record of the kind-th sort of `NAMES`."""
    return KINDS[NAMES[kind]](device, at_ns, cols)
