"""The headers of a dead letter: what happened to a record, and where it came from. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Self

from taosbatch.encoding import Reason, Reject
from taosink.ports import SourceMessage

PREFIX = "taosink.dlq."
FORMAT_VERSION = 1
MAX_TEXT = 1_000
"""Characters kept of a message or a device name: both may hold what a device sent, of any length."""

Headers = Sequence[tuple[str, bytes | None]]

UNDECODABLE, UNSTORABLE, DATABASE = "undecodable", "unstorable", "database"
CLASSES: Mapping[Reason, str] = {
    Reason.MALFORMED: UNDECODABLE,
    Reason.SHAPE: UNDECODABLE,
    Reason.DEVICE: UNSTORABLE,
    Reason.TIMESTAMP: UNSTORABLE,
    Reason.VALUE: UNSTORABLE,
    Reason.TOO_LARGE: UNSTORABLE,
    Reason.DATABASE: DATABASE,
}
"""No record at all; a record that no table takes; a row that the database refused (its number is `code`)."""


@dataclass(frozen=True, slots=True)
class DeadLetterInfo:
    """A dead letter's headers, one field a header (`cls` is `taosink.dlq.class`).

    `time_ms` is when it was dead-lettered. `attempt` counts from 1 and grows with each replay that came back.
    `cut`, `size` and `sha256` are set only where the letter does not hold the whole record: what was cut, and
    the length and hash of the original value. `timestamp_ms` only where the topic refused the original one.
    """

    reason: str
    cls: str
    code: int
    message: str
    topic: str
    partition: int
    offset: int
    device: str
    consumer: str
    time_ms: int
    attempt: int = 1
    version: int = FORMAT_VERSION
    cut: str = ""
    size: int | None = None
    sha256: str = ""
    timestamp_ms: int | None = None

    def encode(self) -> list[tuple[str, bytes | None]]:
        """In the order of the fields; those that are not set are left out."""
        optional = {"cut", "size", "sha256", "timestamp_ms"}
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return [(header_name(n), _bytes(v)) for n, v in values if n not in optional or v not in (None, "")]

    @classmethod
    def decode(cls, headers: Iterable[tuple[str, bytes | None]] | None) -> Self | None:
        """None where these are not the headers of a dead letter. Never raises."""
        texts = {name: (value or b"").decode("utf-8", "replace") for name, value in headers or ()}
        found = {f.name: texts[header_name(f.name)] for f in fields(cls) if header_name(f.name) in texts}
        numbers = {name: _number(found[name]) for name in NUMBERS if name in found}
        required = {f.name for f in fields(cls)[:10]}
        if not required <= found.keys() or None in numbers.values():
            return None
        return cls(**{**found, **numbers})  # type: ignore[arg-type] # the numbers are those that NUMBERS names


NUMBERS = ("code", "partition", "offset", "time_ms", "attempt", "version", "size", "timestamp_ms")


def header_name(field: str) -> str:
    return PREFIX + {"cls": "class", "time_ms": "time", "timestamp_ms": "timestamp"}.get(field, field)


def describe(source: SourceMessage, reject: Reject, *, consumer: str, time_ms: int) -> DeadLetterInfo:
    """What is said of a record that was refused, its attempt counted on from its own headers."""
    return DeadLetterInfo(
        reason=reject.reason.value,
        cls=CLASSES[reject.reason],
        code=reject.code,
        message=reject.detail[:MAX_TEXT],
        topic=source.topic() or "",
        partition=_known(source.partition()),
        offset=_known(source.offset()),
        device=reject.device[:MAX_TEXT],
        consumer=consumer,
        time_ms=time_ms,
        attempt=attempts(source.headers()) + 1,
    )


def attempts(headers: Iterable[tuple[str, bytes | None]] | None) -> int:
    """How often this record has been dead-lettered before; 0 for one that is no replay."""
    name = header_name("attempt")
    seen = [
        _number((value or b"").decode("ascii", "replace")) or 0 for key, value in headers or () if key == name
    ]
    return max(seen, default=0)


def original(headers: Headers | None) -> list[tuple[str, bytes | None]]:
    """The record's own headers: those of an earlier dead letter are told anew, not told twice."""
    return [(name, value) for name, value in headers or () if not name.startswith(PREFIX)]


def _known(number: int | None) -> int:
    return -1 if number is None else number


def _number(text: str) -> int | None:
    # int() takes signs, spaces and other alphabets' digits, and refuses 5,000 digits with an exception
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None


def _bytes(value: object) -> bytes:
    # a device name may hold a lone surrogate, which has no UTF-8 form
    return str(value).encode("utf-8", "backslashreplace")
