"""Requests of devices: the quick reader takes what it can prove to be right, the careful one judges the rest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from msgspec import UNSET, Raw, UnsetType

from taosdevice.answers import ProtocolError
from taosdevice.framing import FrameError, Framing, decode_frame
from taosdevice.messages import to_json, to_msgpack
from taosdevice.names import (
    BATCH,
    COMMAND_RESULT,
    CONNECT,
    DATA,
    MAX_ACTION_BYTES,
    MAX_TOKEN_BYTES,
    MAX_UID_BYTES,
    PING,
    Ack,
    Code,
    Uid,
    device_problem,
    uid_problem,
)


@dataclass(frozen=True, slots=True)
class Request:
    """What a device asks. `data` holds the bytes of the value as the connection's framing encodes it, b"" where
    there is none; `message` is the whole as sent, None for `data`, `batch` and `ping`, which need none."""

    action: str
    uid: Uid | None = None
    device: str | None = None
    data: bytes = b""
    ack: Ack = "kafka"
    token: str | None = None
    version: int | None = None
    status: str | None = None
    message: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        # No token: a request may be logged.
        return (
            f"Request({self.action!r}, uid={self.uid!r}, device={self.device!r}, data={len(self.data)} bytes)"
        )

    @property
    def value(self) -> Any:
        """The decoded data of a request that is not `data` or `batch`; None where there is none."""
        return None if self.message is None else self.message.get("data")


_HOT = frozenset((DATA, BATCH, PING))
"""Actions whose envelope alone is read here: the data of `data` and `batch` is judged record by record."""


class _Envelope(msgspec.Struct, gc=False):
    action: str
    uid: str | int | UnsetType = UNSET
    data: Raw | UnsetType = UNSET
    ack: str | UnsetType = UNSET
    device: str | UnsetType = msgspec.field(default=UNSET, name="deviceUid")


class _Data(msgspec.Struct, gc=False):
    data: Raw = Raw()


_envelope = {
    Framing.JSON_LINES: msgspec.json.Decoder(_Envelope).decode,
    Framing.MSGPACK: msgspec.msgpack.Decoder(_Envelope).decode,
}
_data = {
    Framing.JSON_LINES: msgspec.json.Decoder(_Data).decode,
    Framing.MSGPACK: msgspec.msgpack.Decoder(_Data).decode,
}
_encode = {Framing.JSON_LINES: to_json, Framing.MSGPACK: to_msgpack}

_FIXMAP, _FIXMAP_END = 0x80, 0x8F


def read_request(framing: Framing, payload: bytes) -> Request:
    """The request in a frame; the quickest way to it.

    FrameError (bad_frame): close the connection. ProtocolError: answer it, and go on.
    """
    found = _hot(framing, payload)
    if found is not None:
        return found
    message = decode_frame(framing, payload)
    try:
        raw = bytes(_data[framing](payload).data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise FrameError("bad_frame", f"no valid message: {error}") from None
    return _judged(message, raw)


def parse_request(framing: Framing, message: Mapping[str, Any]) -> Request:
    """The request in a decoded message, as `read_request` would give it; ProtocolError is to be answered."""
    data = message.get("data")
    try:
        return _judged(message, b"" if data is None else _encode[framing](data))
    except ValueError as error:
        raise _wrong(message, f"data: {error}") from None


def _hot(framing: Framing, payload: bytes) -> Request | None:
    """A `data`, `batch` or `ping` that is right beyond doubt, else None."""
    try:
        envelope = _envelope[framing](payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    action, uid, ack = envelope.action, envelope.uid, envelope.ack
    if action not in _HOT or not _is_uid(uid) or ack not in _ACKS or (ack == "stored" and uid is UNSET):
        return None
    if envelope.device is not UNSET and device_problem(envelope.device):
        return None
    data = b"" if envelope.data is UNSET else bytes(envelope.data)
    proved = _packed_keys if framing is Framing.MSGPACK else _text_keys
    if not proved(payload, envelope, data) or bool(data) == (action == PING) or data in _NULLS:
        return None
    known = None if uid is UNSET else uid
    if action == PING:
        return Request(PING, known)
    device = None if envelope.device is UNSET else envelope.device
    return Request(action, known, device, data, "stored" if ack == "stored" else "kafka")


def _given(envelope: _Envelope) -> int:
    """How many keys were found: as many in the message prove that none is unknown and none stands twice."""
    optional = (envelope.uid, envelope.data, envelope.ack, envelope.device)
    return 1 + sum(field is not UNSET for field in optional)


def _packed_keys(payload: bytes, envelope: _Envelope, _data: bytes) -> bool:
    return payload[0] <= _FIXMAP_END and payload[0] - _FIXMAP == _given(envelope)


def _text_keys(payload: bytes, envelope: _Envelope, data: bytes) -> bool:
    # Each pair has a colon outside its strings. Outside data no backslash, which could hide one.
    colons = _given(envelope) + data.count(b":")
    for text in (envelope.uid, envelope.ack, envelope.device):
        if isinstance(text, str):
            colons += text.count(":")
    return payload.count(b":") == colons and payload.count(b"\\") == data.count(b"\\")


_NULLS = (b"null", b"\xc0")
_ACKS = (UNSET, "kafka", "stored")


def _is_uid(uid: str | int | UnsetType) -> bool:
    # Four bytes a character at the most.
    return uid is UNSET or (
        len(uid) * 4 <= MAX_UID_BYTES if isinstance(uid, str) else -(2**63) <= uid < 2**64
    )


def _judged(message: Mapping[str, Any], raw: bytes) -> Request:
    """The careful reader: every rule, one after another."""
    action = message.get("action")
    if not isinstance(action, str) or not action:
        raise _wrong(message, "action is missing" if action is None else "action is no text")
    if len(action.encode()) > MAX_ACTION_BYTES:
        raise _wrong(message, f"action has more than {MAX_ACTION_BYTES} bytes")
    uid, device, data = message.get("uid"), message.get("deviceUid"), message.get("data")
    if uid is not None and (problem := uid_problem(uid)):
        raise _wrong(message, problem)
    if device is not None and (problem := device_problem(device)):
        raise _wrong(message, f"deviceUid: {problem}")
    ack, version = message.get("ack"), message.get("version")
    if ack not in (None, "kafka", "stored"):
        raise _wrong(message, "ack is neither kafka nor stored")
    if ack == "stored" and uid is None:
        raise _wrong(message, "ack stored needs a uid, by which the answer is known")
    if version is not None and (isinstance(version, bool) or not isinstance(version, int)):
        raise _wrong(message, "version is no integer")
    status = _text(message, "status", MAX_UID_BYTES)
    token = _text(message, "token", MAX_TOKEN_BYTES)
    if action == CONNECT and device is None:
        raise _wrong(message, "a connect needs deviceUid")
    if action in (DATA, BATCH) and data is None:
        raise _wrong(message, f"a {action} needs data")
    if action == COMMAND_RESULT and not isinstance(uid, str):
        raise _wrong(message, "a command.result needs the command's uid")
    hot = action in _HOT
    return Request(
        action,
        cast("Uid | None", uid),
        device,
        b"" if data is None or action == PING else raw,
        cast("Ack", ack or "kafka"),
        None if hot else token,
        None if hot else version,
        None if hot else status,
        None if hot else message,
    )


def _text(message: Mapping[str, Any], key: str, limit: int) -> str | None:
    found = message.get(key)
    if found is None:
        return None
    if not isinstance(found, str) or len(found.encode()) > limit:
        raise _wrong(message, f"{key} is no text of at most {limit} bytes")
    return found


def _wrong(message: Mapping[str, Any], text: str) -> ProtocolError:
    uid, action = message.get("uid"), message.get("action")
    legible = uid if uid is not None and uid_problem(uid) is None else None
    known = isinstance(action, str) and len(action.encode()) <= MAX_ACTION_BYTES
    return ProtocolError(Code.BAD_MESSAGE, text, uid=legible, action=str(action) if known else "")
