"""The JSON forms: a message to be sent, a segment on its way, and what the application is told.

`send_time` is a text or a number and goes through as it was written: it names the message, so 1.0 and 1 are two.
A payload holds text. A sender that cuts inside a character writes the bytes as they are, although JSON then is no
UTF-8, or gives `payload_base64` in place of `payload`; both are read, and whole again after the last segment.
"""

import json
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeGuard

from taosbatch.segments import Segment, cut

MOST_NAME_BYTES = 256
MOST_TIME_BYTES = 128
MOST_SEGMENTS = 10_000


class FormError(ValueError):
    """A body that is no such message; the text says what is wrong with it and may be shown to its sender."""


class TooLongError(FormError):
    """A text that takes more segments than a message may have."""


@dataclass(frozen=True, slots=True)
class Message:
    """A text to be sent. `sent_at` is a JSON value as it was written."""

    id: str
    sender: str
    sent_at: str
    text: str

    def segments(self) -> list[Segment]:
        """Raises TooLongError for a text that takes too many."""
        pieces = cut(self.text)
        if len(pieces) > MOST_SEGMENTS:
            raise TooLongError(f"data takes {len(pieces)} segments; {MOST_SEGMENTS} is the most")
        return [
            Segment(number, len(pieces), self.sender, self.sent_at, piece)
            for number, piece in enumerate(pieces, 1)
        ]


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


def read_message(body: bytes) -> Message:
    """The body of `POST /send`; FormError says why it is none."""
    fields = _object(body)
    text = fields.get("data")
    if not _is_text(text):
        raise FormError("data is no text")
    name = fields.get("id", "")
    if isinstance(name, list | dict | bool) or name is None or not _utf8(str(name)):
        raise FormError("id is neither a text nor a number")
    return Message(str(name), _sender(fields), _sent_at(fields), text)


def read_segment(body: bytes) -> Segment:
    """The body of `POST /transfer`, and a record of the segments' topic; FormError says why it is none."""
    fields = _object(body)
    number, total = _count(fields, "segment_number"), _count(fields, "total_segments")
    if not number <= total:
        raise FormError(f"segment_number {number} is above total_segments {total}")
    if total > MOST_SEGMENTS:
        raise FormError(f"total_segments {total} is above {MOST_SEGMENTS}, the most")
    return Segment(number, total, _sender(fields), _sent_at(fields), _payload(fields))


def segment_json(segment: Segment) -> bytes:
    """The segment as it goes over the link and into the topic."""
    return (
        f'{{"segment_number":{segment.number},"total_segments":{segment.total},'
        f'"username":{_quoted(segment.sender)},"send_time":{segment.sent_at},'
        f'"payload":{_quoted(segment.payload)}}}'
    ).encode()


def receipt_json(sender: str, text: str, sent_at: str, *, lost: bool) -> bytes:
    """What the application's `/receive` is told."""
    error = "lost" if lost else ""
    return (
        f'{{"username":{_quoted(sender)},"data":{_quoted(text)},"send_time":{sent_at},"error":"{error}"}}'
    ).encode()


def _object(body: bytes) -> dict[str, Any]:
    try:
        # Bytes that are no UTF-8 become lone surrogates: the halves of a character that was cut.
        found = _JSON.decode(body.decode("utf-8", "surrogateescape"))
    except RecursionError:
        raise FormError("nested too deep") from None
    except ValueError as error:
        raise FormError(f"no valid JSON: {error}") from None
    if not isinstance(found, dict):
        raise FormError("no JSON object")
    return found


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError("a key stands twice in an object")
        found[key] = value
    return found


def _constant(name: str) -> float:
    raise ValueError(f"{name} does not exist in JSON")


_JSON = json.JSONDecoder(
    object_pairs_hook=_once, parse_int=_Number, parse_float=_Number, parse_constant=_constant
)


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and not isinstance(value, _Number) and _utf8(value)


def _utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _sender(fields: dict[str, Any]) -> str:
    sender = fields.get("username")
    if not isinstance(sender, str) or not sender or not _is_text(sender):
        raise FormError("username is no text, or empty")
    if len(sender.encode()) > MOST_NAME_BYTES:
        raise FormError(f"username is longer than {MOST_NAME_BYTES} bytes")
    return sender


def _sent_at(fields: dict[str, Any]) -> str:
    value = fields.get("send_time")
    if isinstance(value, _Number):
        written = str(value)
    elif isinstance(value, str) and _is_text(value):
        written = _quoted(value)
    else:
        raise FormError("send_time is neither a text nor a number")
    if len(written.encode()) > MOST_TIME_BYTES:
        raise FormError(f"send_time is longer than {MOST_TIME_BYTES} bytes")
    return written


def _count(fields: dict[str, Any], name: str) -> int:
    value = fields.get(name)
    if not (isinstance(value, _Number) and value.isascii() and value.isdigit() and len(value) < 10):
        raise FormError(f"{name} is no whole number from 1 on")
    if not int(value):
        raise FormError(f"{name} is 0; segments are counted from 1")
    return int(value)


def _payload(fields: dict[str, Any]) -> str:
    payload, encoded = fields.get("payload"), fields.get("payload_base64")
    if isinstance(payload, str) and not isinstance(payload, _Number) and encoded is None:
        return payload
    if isinstance(encoded, str) and payload is None:
        try:
            return b64decode(encoded, validate=True).decode("utf-8", "surrogateescape")
        except ValueError:
            raise FormError("payload_base64 is no base64") from None
    raise FormError("payload is no text (or give payload_base64, and not both)")


def _quoted(text: str) -> str:
    # Lone surrogates have no UTF-8: they are written as escapes.
    return json.dumps(text, ensure_ascii=not _utf8(text))
