"""Record, and its two codecs in both directions."""

import json

import msgspec

from taosdevice.times import EXTENSION, format_rfc3339, pack_extension
from taosink.records.codecs import Codec, check_cells, parse
from taosink.records.model import Record, RecordError

__all__ = ["Codec", "Record", "RecordError", "decode", "encode_json", "encode_msgpack"]

_to_msgpack = msgspec.msgpack.Encoder().encode


def encode_msgpack(record: Record) -> bytes:
    """The MessagePack form, with the shortest of the three timestamp forms.

    OverflowError for a timestamp beyond 64 bits of seconds, or an integer beyond 64 bits.
    """
    stamp = msgspec.msgpack.Ext(EXTENSION, pack_extension(record.timestamp_ns))
    return _to_msgpack({"DeviceID": record.device, "Timestamp": stamp, "Cols": record.cols})


def encode_json(record: Record) -> bytes:
    """The JSON form, in UTC with as many fraction digits as needed.

    ValueError for NaN and infinity, OverflowError for a timestamp outside the years 1 to 9999.
    """
    stamp = format_rfc3339(record.timestamp_ns)
    fields = {"DeviceID": record.device, "Timestamp": stamp, "Cols": list(record.cols)}
    return json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def decode(value: bytes, codec: Codec = "auto", *, unsigned: bool = False) -> Record:
    """One record from either form; RecordError says which rule it breaks first.

    The rules of the table's name are not asked here: they depend on where the record is written. `unsigned`: so
    it is with integers beyond BIGINT, which pass.
    """
    fields = parse(value, codec)
    timestamp_ns = fields.timestamp_ns()
    check_cells(fields, range(len(fields.cols)) if unsigned else ())
    return Record(fields.device, timestamp_ns, fields.cols)
