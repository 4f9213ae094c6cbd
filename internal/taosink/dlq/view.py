"""Letters as people and programs read them. Pure. What a device sent is never printed raw to a terminal."""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from taosbatch.rows import RowError
from taosdevice.times import format_rfc3339
from taosink.dlq.letters import Found, Receipt, written_time
from taosink.dlq.replay import Outcome
from taosink.dlq.stats import Stats, written_code
from taosink.records.record import decode

MOST_SHOWN = 4096
DEVICES_SHOWN = 20
MESSAGE_WIDTH = 60


def printable(text: str) -> str:
    """Control characters as escapes: a device's name must not move a terminal's cursor."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def letter_json(found: Found, receipt: Receipt | None) -> dict[str, Any]:
    """One record of the topic, without its value."""
    told: dict[str, Any] = {"partition": found.partition, "offset": found.offset, "kind": found.kind}
    info = found.info
    if info is not None:
        told |= {
            "time": written_time(info.time_ms),
            "reason": info.reason,
            "class": info.cls,
            "code": written_code(info.code),
            "message": info.message,
            "device": info.device,
            "origin": {"topic": info.topic, "partition": info.partition, "offset": info.offset},
            "consumer": info.consumer,
            "attempt": info.attempt,
            "cut": info.cut,
            "replayed": _replayed_json(receipt),
        }
    return told | {"bytes": len(found.value or b"")}


def _replayed_json(receipt: Receipt | None) -> dict[str, str] | None:
    return None if receipt is None else {"to": receipt.to, "time": written_time(receipt.time_ms)}


def letter_table(rows: Sequence[tuple[Found, str]], title: str) -> Table:
    """Letters with a note each."""
    table = Table(title=printable(title), title_justify="left")
    for name in ("at", "time", "reason", "code", "device", "origin", "attempt", "note", "message"):
        table.add_column(name, overflow="fold" if name in {"device", "message"} else "ellipsis")
    for found, note in rows:
        table.add_row(*map(Text, (*_cells(found, note),)))
    return table


def _cells(found: Found, note: str) -> Iterator[str]:
    info = found.info
    yield found.place
    if info is None:
        yield from ("", found.kind, "", "", "", "", note, f"{len(found.value or b'')} bytes, no dead letter")
        return
    yield written_time(info.time_ms)
    yield info.reason
    yield written_code(info.code)
    yield printable(info.device)
    yield f"{printable(info.topic)}/{info.partition}/{info.offset}"
    yield str(info.attempt)
    yield note
    message = printable(info.message)
    yield message if len(message) <= MESSAGE_WIDTH else f"{message[:MESSAGE_WIDTH]}..."


def letter_note(found: Found, receipt: Receipt | None) -> str:
    """What an operator should know of a letter before he replays it."""
    notes = []
    if found.info is not None and found.info.cut:
        notes.append("cut")
    if receipt is not None:
        notes.append(f"replayed to {receipt.to}")
    return ", ".join(notes)


def shown(found: Found, receipt: Receipt | None) -> dict[str, Any]:
    """One record whole: every header, and the value as far as it can be read."""
    return {
        **letter_json(found, receipt),
        "timestamp_ms": found.timestamp_ms,
        "key": _text(found.key),
        "headers": [[name, _text(value)] for name, value in found.headers],
        "value": readable(found.value),
    }


def shown_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """The same for people."""
    yield f"{told['kind']} at {told['partition']}:{told['offset']}, {told['bytes']} bytes"
    for name, value in told["headers"]:
        yield f"  {printable(name)}: {printable(value if value is not None else '(null)')}"
    key = told["key"]
    yield f"  key: {printable(key) if key is not None else '(null)'}"
    if told.get("replayed"):
        yield f"  replayed to {told['replayed']['to']} at {told['replayed']['time']}"
    yield "value:"
    for line in json.dumps(told["value"], ensure_ascii=False, indent=2, default=str).splitlines():
        yield f"  {printable(line)}"


def readable(value: bytes | None) -> dict[str, Any] | None:
    """The value as a record, else as JSON or MessagePack, else as text, else as its bytes (base64, cut)."""
    if value is None:
        return None
    for form, read in (("record", _record), ("json", _json), ("msgpack", _msgpack), ("text", _plain)):
        try:
            return {form: read(value)}
        except (ValueError, OverflowError, RowError, RecursionError):
            continue
    cut = {"cut": True} if len(value) > MOST_SHOWN else {}
    return {"base64": b64encode(value[:MOST_SHOWN]).decode(), **cut}


def _record(value: bytes) -> object:
    record = decode(value)
    try:
        at = format_rfc3339(record.timestamp_ns)
    except OverflowError:
        at = f"{record.timestamp_ns} ns"
    return {"device": record.device, "timestamp": at, "cols": list(record.cols)}


def _json(value: bytes) -> object:
    found = json.loads(value.decode())
    if not isinstance(found, dict | list):
        raise ValueError("a bare value says less than the text")
    return found


def _msgpack(value: bytes) -> object:
    found = msgspec.msgpack.decode(value)  # its errors are ValueErrors
    if not isinstance(found, dict | list):
        raise ValueError("a bare value says less than the bytes")
    return msgspec.to_builtins(found, str_keys=True, enc_hook=repr)


def _plain(value: bytes) -> object:
    text = value.decode()
    if not text.isprintable():
        raise ValueError("no text")
    return text[:MOST_SHOWN]


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "backslashreplace")


def stats_table(stats: Stats, title: str) -> Table:
    """Counts by reason, class, code, origin, attempt, and the devices that have most."""
    table = Table(title=printable(title), title_justify="left")
    table.add_column("")
    table.add_column("letters", justify="right")
    table.add_row("all", f"{stats.letters:,}")
    for name in ("replayed", "cut", "foreign"):
        if count := getattr(stats, name):
            table.add_row({"foreign": "foreign records (no letters)"}.get(name, name), f"{count:,}")
    told = stats.as_json()
    if told["first"]:
        table.add_row("first, last", f"{told['first']}, {told['last']}")
    for kind, counts in (
        ("reason", stats.reasons),
        ("class", stats.classes),
        ("code", {written_code(c) or "(none)": n for c, n in stats.codes.most_common()}),
        ("origin", stats.origins),
        ("attempt", stats.attempts),
        ("device", dict(stats.devices.most_common(DEVICES_SHOWN))),
    ):
        table.add_section()
        for value, count in counts.items():
            table.add_row(Text(f"{kind} {printable(str(value))}"), f"{count:,}")
    return table


def outcome_lines(outcome: Outcome, *, to: str, done: bool, checked: bool) -> Iterator[tuple[str, str]]:
    """What a replay did or would do, as (line, style)."""
    target = "the database" if to == "database" else "their topics"
    for why, count in sorted(outcome.hindered.items()):
        yield f"not replayed, {count:,}: {why}", "yellow"
    if outcome.overwriting:
        verb = "overwrote" if done else "would overwrite"
        yield (
            f"WARNING: {outcome.overwriting:,} letters {verb} a row that is stored already, perhaps by a newer"
            " reading (--existing=skip leaves them)",
            "bold red",
        )
    elif not checked:
        yield "whether rows would be overwritten was not checked (--check=false)", "yellow"
    for place, reason in outcome.refused[:100]:
        yield f"refused, {place.partition}:{place.offset}: {printable(reason)}", "red"
    if done:
        yield f"replayed {outcome.sent:,} of {outcome.chosen:,} letters to {target}", "bold"
    else:
        yield f"would replay {outcome.chosen:,} letters to {target}; nothing was done: --yes does it", "bold"
