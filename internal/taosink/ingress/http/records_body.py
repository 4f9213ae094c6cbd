"""A body of POST /records: which form it has, its records one by one, and each as the Kafka value it becomes. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import msgspec

from taosdevice.framing import Framing
from taosdevice.protocol import Code, ProtocolError, device_problem
from taosdevice.records import MAX_RECORD, record_of
from taosink.ingress.http.errors import Problem

Form = Literal["json", "ndjson", "msgpack"]
FORMS: dict[str, Form] = {
    "application/json": "json",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/msgpack": "msgpack",
    "application/x-msgpack": "msgpack",
    "application/vnd.msgpack": "msgpack",
}
MOST_COMMAS = 500_000
"""In a JSON array: it is taken apart at once, and each of a million zeros would be a record that is none."""


class _Named(msgspec.Struct, gc=False):
    DeviceID: str


_json_named = msgspec.json.Decoder(_Named).decode
_packed_named = msgspec.msgpack.Decoder(_Named).decode
_json_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_packed_list = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_BAD = (ValueError, RecursionError)
_NOBODY = "-"
_ARRAY_OF_1, _ARRAY_16, _ARRAY_32 = b"\x91", 0xDC, 0xDD
_SPACE = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Rejected:
    """What became of a record that was not acknowledged; `status` is the one that it alone would have had."""

    index: int
    status: int
    code: str
    text: str

    def told(self) -> dict[str, object]:
        return {
            "index": self.index,
            "status": self.status,
            "errorCode": self.code,
            "errorMessage": self.text,
        }


def form_of(content_type: str) -> Form:
    """Raises Problem 415."""
    name, _, parameters = content_type.partition(";")
    form = FORMS.get(name.strip().lower())
    charset = parameters.lower().replace(" ", "").replace('"', "")
    if form is None or ("charset=" in charset and "charset=utf-8" not in charset):
        raise Problem(
            415,
            "unsupported_media_type",
            f"Content-Type is one of {', '.join(FORMS)}; text is UTF-8",
            {"accept": ", ".join(FORMS)},
        )
    return form


def split(form: Form, body: bytes, most: int) -> list[bytes]:
    """The records, each in its bytes and not yet looked at. Raises Problem: 400 where the body does not parse as
    a whole or holds none, 413 for more than `most`."""
    if form == "ndjson":
        if body.count(b"\n") > 2 * most:
            raise _too_many(most)
        found = [line for piece in body.split(b"\n") if (line := piece.strip(_SPACE))]
    elif form == "json":
        found = _json_document(body.strip(_SPACE), most)
    else:
        found = _msgpack_document(body, most)
    if len(found) > most:
        raise _too_many(most)
    if not found:
        raise Problem(400, "bad_body", "the body holds no record")
    return found


def _json_document(body: bytes, most: int) -> list[bytes]:
    if body[:1] != b"[":
        return [body] if body else []
    if body.count(b",") > MOST_COMMAS:
        raise _too_many(most)
    return _listed(_json_list, body, "JSON")


def _msgpack_document(body: bytes, most: int) -> list[bytes]:
    first = body[0] if body else 0
    if first & 0xF0 == 0x90:
        count = first & 0x0F
    elif first in (_ARRAY_16, _ARRAY_32):
        count = int.from_bytes(body[1 : 3 if first == _ARRAY_16 else 5], "big")
    elif body:
        # As the only one of a list it is read to its end: the lengths that it announces are known to be true.
        return _listed(_packed_list, _ARRAY_OF_1 + body, "MessagePack")
    else:
        return []
    if count > most:
        raise _too_many(most)
    return _listed(_packed_list, body, "MessagePack")


def _listed(decode_list: Callable[[bytes], list[msgspec.Raw]], body: bytes, kind: str) -> list[bytes]:
    try:
        return [bytes(raw) for raw in decode_list(body)]
    except _BAD as error:
        raise Problem(400, "bad_body", f"the body is no valid {kind}: {error}") from None


def _too_many(most: int) -> Problem:
    return Problem(413, "too_many_records", f"more than {most} records in one request: send less at once")


class Converter:
    """Makes Kafka values of the records of one request. `device` is the one that the bearer may write for, empty
    where it may be any."""

    def __init__(self, device: str, *, text: bool) -> None:
        self._device = device
        self._framing = Framing.JSON_LINES if text else Framing.MSGPACK
        self._named: Callable[[bytes], _Named] = _json_named if text else _packed_named
        self._problems: dict[str, str | None] = {}

    def __repr__(self) -> str:
        return f"<Converter {self._framing.name}>"

    def convert(self, index: int, raw: bytes) -> tuple[str, bytes] | Rejected:
        """Device and value, as the consumer decodes it."""
        if len(raw) > MAX_RECORD:
            return Rejected(index, 400, Code.RECORD_REJECTED, f"a record of over {MAX_RECORD} bytes")
        try:
            device = self._device or self._device_in(raw)
            return device, record_of(self._framing, device, raw)
        except ProtocolError as error:
            if error.code == Code.WRONG_DEVICE:
                text = "the record names another device than the request may write for"
                return Rejected(index, 403, error.code, text)
            return Rejected(index, 400, error.code, error.text)

    def _device_in(self, raw: bytes) -> str:
        """The DeviceID that the record names. Raises ProtocolError."""
        try:
            device = self._named(raw).DeviceID
        except _BAD:
            # What else is wrong with it is said first: a record that is no JSON has no DeviceID either.
            record_of(self._framing, _NOBODY, raw)
            raise ProtocolError(Code.RECORD_REJECTED, "DeviceID is missing, or is no text") from None
        # Once for each device: a request has mostly few.
        if device not in self._problems:
            self._problems[device] = device_problem(device)
        if problem := self._problems[device]:
            raise ProtocolError(Code.RECORD_REJECTED, f"DeviceID: {problem}")
        return device


def overall(rejected: Iterable[Rejected], accepted: int) -> int:
    """The status of the whole answer: 202, 207 for a mixture, else the one that all records share."""
    statuses = {one.status for one in rejected}
    if not statuses:
        return 202
    return statuses.pop() if len(statuses) == 1 and not accepted else 207
