"""The careful reader: every rule of both codecs, one after another. What it says is the truth."""

import json
from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import msgpack  # type: ignore[import-untyped]  # it ships no type information

from taosbatch.encoding import Reason
from taosbatch.literals import LiteralError, literal
from taosdevice.times import NS, parse_rfc3339
from taosink.records.model import RecordError

Codec = Literal["auto", "msgpack", "json"]

MAX_DEPTH = 32
"""Nesting that a record may have, its own map included. Deeper is malformed, whatever reads it."""

_KEYS = ("DeviceID", "Timestamp", "Cols")
_HUGE = 2**70


@dataclass(frozen=True, slots=True)
class Fields:
    """A well-formed record of the right shape: the device is text and Cols a list that is not empty."""

    device: str
    timestamp: object
    cols: list[Any]

    def timestamp_ns(self) -> int:
        """Nanoseconds since 1970, or RecordError."""
        if isinstance(self.timestamp, msgpack.Timestamp):
            return int(self.timestamp.seconds) * NS + int(self.timestamp.nanoseconds)
        if not isinstance(self.timestamp, str):
            raise RecordError(Reason.TIMESTAMP, "Timestamp is no timestamp", self.device)
        try:
            return parse_rfc3339(self.timestamp)
        except ValueError as error:
            raise RecordError(Reason.TIMESTAMP, f"Timestamp: {error}", self.device) from None


def is_json(value: bytes, codec: Codec) -> bool:
    """Whether this value is read as JSON: `auto` asks its first byte."""
    return codec == "json" or (codec == "auto" and value[:1] in (b"{", b" ", b"\t", b"\r", b"\n"))


def parse(value: bytes, codec: Codec) -> Fields:
    """Reads a value as far as its shape; RecordError with MALFORMED, SHAPE or DEVICE, in that order."""
    if not value:
        raise RecordError(Reason.MALFORMED, "the value is empty")
    as_json = is_json(value, codec)
    try:
        found = _parse_json(value) if as_json else _parse_msgpack(value)
        _check(found, MAX_DEPTH)
    except (ValueError, RecursionError, msgpack.UnpackException) as error:
        kind = "JSON" if as_json else "MessagePack"
        raise RecordError(Reason.MALFORMED, f"no valid {kind}: {_told(error)}") from None
    return _shaped(found, as_json=as_json)


def check_cells(fields: Fields, unsigned: Container[int] = ()) -> None:
    """RecordError with VALUE for the first cell that no INSERT can carry.

    `unsigned`: the positions of what goes into a BIGINT UNSIGNED.
    """
    for position, cell in enumerate(fields.cols):
        try:
            literal(cell, unsigned=position in unsigned)
        except LiteralError as error:
            raise RecordError(Reason.VALUE, f"Cols[{position}]: {error}", fields.device) from None


class _Pairs(list[tuple[Any, Any]]):
    """A map as it stood in the bytes: duplicate keys are still there, and no key need be hashable."""


class _Extension:
    """An extension that is no timestamp."""


def _shaped(found: object, *, as_json: bool) -> Fields:
    if not isinstance(found, _Pairs):
        raise RecordError(Reason.SHAPE, "the record is no map")
    fields = {key: item for key, item in found if isinstance(key, str)}
    device = fields.get("DeviceID")
    legible = device if isinstance(device, str) else ""
    if missing := [key for key in _KEYS if key not in fields]:
        raise RecordError(Reason.SHAPE, f"{missing[0]} is missing", legible)
    cols = fields["Cols"]
    if type(cols) is not list or not cols:
        raise RecordError(Reason.SHAPE, "Cols is empty" if cols == [] else "Cols is no list", legible)
    if not isinstance(device, str):
        raise RecordError(Reason.DEVICE, "DeviceID is no text")
    timestamp = fields["Timestamp"]
    # A time in text belongs to JSON alone, as the extension belongs to MessagePack.
    return Fields(device, None if isinstance(timestamp, str) and not as_json else timestamp, cols)


def _parse_msgpack(value: bytes) -> object:
    return msgpack.unpackb(
        value,
        timestamp=0,  # the only setting that keeps both the nanoseconds and the difference from an integer
        strict_map_key=False,
        object_pairs_hook=_pairs,
        ext_hook=_extension,
    )


def _parse_json(value: bytes) -> object:
    # Decoded first: json.loads would take UTF-16 and UTF-32 too.
    return _JSON.decode(value.decode())


def _pairs(pairs: Iterable[tuple[Any, Any]]) -> _Pairs:
    found = _Pairs(pairs)
    keys = [key for key, _ in found if isinstance(key, str)]
    if len(set(keys)) != len(keys):
        raise ValueError("a key stands twice in a map")
    return found


def _extension(code: int, data: bytes) -> _Extension:  # noqa: ARG001  # the signature of msgpack's hook
    return _Extension()


def _integer(digits: str) -> int:
    # int() refuses thousands of digits with an error that would read as malformed JSON.
    return int(digits) if len(digits) < 40 else _HUGE


def _constant(name: str) -> float:
    raise ValueError(f"{name} does not exist in JSON")


_JSON = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=_integer, parse_constant=_constant)


def _check(node: object, depth: int) -> None:
    """ValueError for lone surrogates (JSON can escape them) and for nesting deeper than `depth`."""
    if isinstance(node, str):
        node.encode()
    elif isinstance(node, list):
        if not depth:
            raise ValueError(f"nested deeper than {MAX_DEPTH}")
        for item in node:
            for part in item if isinstance(node, _Pairs) else (item,):
                _check(part, depth - 1)


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__
