"""Names, limits and error codes of the protocol, version 1."""

from typing import Final, Literal

PROTOCOL_VERSION: Final = 1

MAX_UID_BYTES = 128
MAX_DEVICE_BYTES = 192
MAX_ACTION_BYTES = 128
MAX_TOKEN_BYTES = 4096

CONNECT, PING, PONG, DATA, BATCH = "connect", "ping", "pong", "data", "batch"
COMMAND, COMMAND_RESULT = "command", "command.result"
GOODBYE, CLOSE, REPLACED_ACTION = "goodbye", "close", "replaced"
RESPONSE = ".response"

Status = Literal["ok", "partial", "rejected", "busy", "unknown", "error"]
OK, PARTIAL, REJECTED, BUSY, UNKNOWN, ERROR = "ok", "partial", "rejected", "busy", "unknown", "error"

Ack = Literal["kafka", "stored"]
Uid = str | int


class Code:
    """`errorCode`: stable tokens that programs may compare."""

    BAD_FRAME = "bad_frame"
    FRAME_TOO_LARGE = "frame_too_large"
    GARBAGE = "garbage"
    HTTP = "http"
    TLS_ON_PLAIN = "tls_on_plain"
    BAD_MESSAGE = "bad_message"
    NOT_CONNECTED = "not_connected"
    ALREADY_CONNECTED = "already_connected"
    UNSUPPORTED_VERSION = "unsupported_version"
    UNKNOWN_ACTION = "unknown_action"
    UNAUTHORIZED = "unauthorized"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105  # the name of an error, no secret
    WRONG_DEVICE = "wrong_device"
    REPLACED = "replaced"
    BUSY = "busy"
    RATE_LIMITED = "rate_limited"
    TOO_MANY_IN_FLIGHT = "too_many_in_flight"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    RECORD_REJECTED = "record_rejected"
    UNKNOWN_OUTCOME = "unknown_outcome"
    TIMEOUT = "timeout"
    HANDSHAKE_TIMEOUT = "handshake_timeout"
    IDLE = "idle"
    SLOW_FRAME = "slow_frame"
    SLOW_READER = "slow_reader"
    SHUTTING_DOWN = "shutting_down"
    INTERNAL = "internal"


RETRY_CODES: Final = frozenset(
    {
        Code.BUSY,
        Code.RATE_LIMITED,
        Code.TOO_MANY_IN_FLIGHT,
        Code.UNKNOWN_OUTCOME,
        Code.TIMEOUT,
        Code.SHUTTING_DOWN,
    }
)
"""Answers after which the same request, with the same uid, is safe to send again and may well succeed."""


def device_problem(device: object) -> str | None:
    """Why this cannot be a device's id, or None. What a database takes as a name is asked elsewhere."""
    if not isinstance(device, str):
        return "the device id is no text"
    if not device:
        return "the device id is empty"
    if _size(device) > MAX_DEVICE_BYTES:
        return f"the device id has more than {MAX_DEVICE_BYTES} bytes"
    # Control characters: keys that begin with NUL are the gateways' own in the presence topic.
    if any(char < " " or char == "\x7f" for char in device):
        return "the device id contains a control character"
    return None


def uid_problem(uid: object) -> str | None:
    """Why this cannot be a request's uid, or None."""
    if isinstance(uid, bool) or not isinstance(uid, (str, int)):
        return "uid is neither text nor integer"
    if isinstance(uid, int):
        return None if -(2**63) <= uid < 2**64 else "uid is an integer beyond 64 bits"
    return f"uid has more than {MAX_UID_BYTES} bytes" if _size(uid) > MAX_UID_BYTES else None


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
