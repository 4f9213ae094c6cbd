"""Any bytes as a person can read them. Pure; never raises, and nothing of it can command a terminal."""

import json
import math
from dataclasses import dataclass
from typing import Any, Literal

import msgpack  # type: ignore[import-untyped]  # it ships no type information

from taosdevice.times import NS, format_rfc3339

Form = Literal["null", "json", "msgpack", "text", "bytes"]

_JSON_BEGINS = b'{["\t\r\n '


@dataclass(frozen=True, slots=True)
class Readable:
    """A value as far as it could be understood; `value` holds only what JSON has."""

    form: Form
    value: Any


def readable(raw: bytes | None) -> Readable:
    """JSON or MessagePack (maps and lists), else text, else the bytes as hexadecimal."""
    if raw is None:
        return Readable("null", None)
    if raw[:1] and raw[:1] in _JSON_BEGINS:
        try:
            return Readable("json", _json(raw))
        except (ValueError, RecursionError):
            pass
    elif raw:
        try:
            return Readable("msgpack", _msgpack(raw))
        except (ValueError, RecursionError, msgpack.UnpackException):
            pass
    text = text_or_hex(raw)
    return Readable("bytes" if text is None else "text", _hex(raw) if text is None else text)


def text_or_hex(raw: bytes) -> str | None:
    """The text that the bytes are; None where they are none, or mostly control characters."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    odd = sum(not (c.isprintable() or c in "\t\r\n") for c in text)
    return text if 4 * odd <= len(text) else None


def label(raw: bytes | None) -> str | None:
    """A key or a header's value: its text, or 0x and its bytes."""
    if raw is None:
        return None
    text = text_or_hex(raw)
    return _hex(raw) if text is None else text


def printable(text: str) -> str:
    """Control characters, also those that turn a line around, as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _json(raw: bytes) -> Any:
    found = json.loads(raw.decode(), parse_constant=_no_constant)
    if not isinstance(found, dict | list):
        raise ValueError("a bare value says less than the text")
    return _plain(found)  # 1e400 is infinity by now


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} does not exist in JSON")


def _msgpack(raw: bytes) -> Any:
    found = msgpack.unpackb(
        raw,
        timestamp=0,
        strict_map_key=False,
        unicode_errors="backslashreplace",
        object_pairs_hook=_pairs,
        ext_hook=lambda code, data: f"ext({code}, {_hex(data)})",
    )
    if not isinstance(found, dict | list):
        raise ValueError("a bare value says less than the bytes")
    return _plain(found)


def _pairs(pairs: Any) -> dict[str, Any]:
    # Keys may be anything, lists too, which no dictionary takes.
    return {key if isinstance(key, str) else str(_plain(key)): value for key, value in pairs}


def _plain(node: Any) -> Any:
    """What JSON has no form for, as text."""
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_plain(value) for value in node]
    if isinstance(node, msgpack.Timestamp):
        return _time(node.seconds * NS + node.nanoseconds)
    if isinstance(node, bytes):
        return _hex(node)
    if isinstance(node, float) and not math.isfinite(node):
        return str(node)
    return node


def _time(ns: int) -> str:
    try:
        return format_rfc3339(ns)
    except OverflowError:
        return f"{ns} ns"


def _hex(raw: bytes) -> str:
    return f"0x{raw.hex()}"
