"""One message as lines for people or as a JSON object. Pure."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from taosdevice.times import format_rfc3339
from taosink.messages.readable import label, printable, readable

MOST_SHOWN = 4096
"""Characters of a value on a line for people; JSON carries all of it."""


@dataclass(frozen=True, slots=True)
class Found:
    """A message as it stood in its topic. `timestamp_ms` is None where it has none."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int | None
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = field(default=())


def as_json(found: Found) -> str:
    """One line, in ASCII: no terminal and no encoding can make something else of it."""
    value = readable(found.value)
    told: dict[str, Any] = {
        "topic": found.topic,
        "partition": found.partition,
        "offset": found.offset,
        "timestamp": _time(found.timestamp_ms),
        "key": label(found.key),
        "headers": [[name, label(content)] for name, content in found.headers],
        "form": value.form,
        "bytes": len(found.value or b""),
        "value": value.value,
    }
    return json.dumps(told, allow_nan=False)


def as_lines(found: Found) -> Iterator[str]:
    """The message on one line, and each of its headers on one more."""
    key = label(found.key)
    parts = [f"{found.partition}:{found.offset}", _time(found.timestamp_ms) or "(no time)"]
    parts.append("(no key)" if key is None else _cut(key))
    yield "  ".join([*parts, _value(found.value)])
    for name, content in found.headers:
        shown = label(content)
        yield f"    {_cut(name)}: {'(null)' if shown is None else _cut(shown)}"


def _value(raw: bytes | None) -> str:
    value = readable(raw)
    if value.form == "null":
        return "(null)"
    text = value.value if isinstance(value.value, str) else json.dumps(value.value, ensure_ascii=False)
    return _cut(text)


def _cut(text: str) -> str:
    if len(text) <= MOST_SHOWN:
        return printable(text)
    return f"{printable(text[:MOST_SHOWN])}... ({len(text)} characters; --json shows all)"


def _time(ms: int | None) -> str | None:
    if ms is None:
        return None
    try:
        return format_rfc3339(ms * 1_000_000)
    except OverflowError:
        return f"{ms} ms"
