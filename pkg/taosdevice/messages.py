"""One message to bytes and back, in JSON and in MessagePack, with every rule that hostile bytes must meet."""

import json
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

import msgpack  # type: ignore[import-untyped]  # it ships no type information
import msgspec

from taosdevice.times import format_rfc3339

MAX_DEPTH = 16
"""Nesting of lists and maps in a message, its own map included."""

_LONGEST_INTEGER = 40
_HUGE = 2**70

_NS = 1_000_000_000


class MalformedError(ValueError):
    """Bytes that are no message; the text says why."""


class _Nothing(msgspec.Struct):
    """Decoding into it walks over a map and keeps nothing, so that announced lengths cost nothing."""


_walk_msgpack = msgspec.msgpack.Decoder(_Nothing).decode


def from_json(payload: bytes) -> dict[str, Any]:
    """The message; raises MalformedError."""
    try:
        # Decoded first: json.loads would take UTF-16 and UTF-32 too.
        return _checked(_JSON.decode(payload.decode()))
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"no valid JSON message: {_told(error)}") from None


def from_msgpack(payload: bytes) -> dict[str, Any]:
    """The message; raises MalformedError."""
    try:
        # The walk comes first: msgpack makes room for what a header announces, nested a thousand times over,
        # and after the walk each announced element is known to have a byte behind it.
        _walk_msgpack(payload)
        return _checked(
            msgpack.unpackb(
                payload,
                timestamp=0,  # the only setting that keeps the nanoseconds
                strict_map_key=False,
                object_pairs_hook=_pairs,
                ext_hook=msgspec.msgpack.Ext,
            )
        )
    except (ValueError, RecursionError, msgpack.UnpackException) as error:
        raise MalformedError(f"no valid MessagePack message: {_told(error)}") from None


def to_msgpack(value: object) -> bytes:
    """ValueError for what MessagePack has no form for, such as an integer beyond 64 bits."""
    try:
        return _msgpack_encoder.encode(value)
    except (TypeError, OverflowError, msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(f"it has no form in MessagePack: {_told(error)}") from None


def to_json(value: object) -> bytes:
    """Without a line feed. Times become RFC 3339 text, bytes base64; ValueError for NaN and other extensions."""
    try:
        written = _json_encoder.encode(value)
    except (TypeError, OverflowError, msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(f"it has no form in JSON: {_told(error)}") from None
    # The encoder writes null for what is no number; looked for only where there is a null.
    if b"null" in written:
        _refuse_nan(value)
    return written


def _msgpack_hook(value: object) -> object:
    if isinstance(value, msgpack.Timestamp):
        return msgspec.msgpack.Ext(-1, value.to_bytes())
    raise TypeError(f"a value of type {type(value).__name__}")


def _json_hook(value: object) -> object:
    if isinstance(value, msgpack.Timestamp):
        return format_rfc3339(value.seconds * _NS + value.nanoseconds)
    raise TypeError(f"a value of type {type(value).__name__}")


_msgpack_encoder = msgspec.msgpack.Encoder(enc_hook=_msgpack_hook)
_json_encoder = msgspec.json.Encoder(enc_hook=_json_hook)


def _pairs(pairs: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if not isinstance(key, str):
            raise MalformedError("a key is no text")
        if key in found:
            raise MalformedError("a key stands twice in a map")
        found[key] = value
    return found


def _integer(digits: str) -> int:
    # int() of thousands of digits is slow, and refused with a text of Python's own.
    return int(digits) if len(digits) < _LONGEST_INTEGER else _HUGE


def _constant(name: str) -> float:
    raise MalformedError(f"{name} does not exist in JSON")


_JSON = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=_integer, parse_constant=_constant)


def _checked(found: object) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise MalformedError("it is no map")
    _check(found, MAX_DEPTH)
    return found


def _check(node: object, depth: int) -> None:
    """MalformedError for nesting deeper than `depth`; ValueError for lone surrogates, which JSON can escape."""
    if isinstance(node, str):
        node.encode()
    elif isinstance(node, (dict, list)):
        if not depth:
            raise MalformedError(f"nested deeper than {MAX_DEPTH}")
        for item in node:
            _check(item, depth - 1)
        if isinstance(node, dict):
            for item in node.values():
                _check(item, depth - 1)


def _refuse_nan(node: object) -> None:
    if isinstance(node, float) and not isfinite(node):
        raise ValueError(f"{node!r} has no form in JSON")
    if isinstance(node, Mapping):
        node = node.values()
    elif not isinstance(node, (list, tuple)):
        return
    for item in node:
        _refuse_nan(item)


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__
