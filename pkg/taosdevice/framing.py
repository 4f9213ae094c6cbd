"""Bytes into frames, and frames into messages: pure, incremental, and bounded whatever arrives."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from taosdevice.messages import MalformedError, from_json, from_msgpack, to_json, to_msgpack

MAX_FRAME_DEFAULT = 64 * 1024
MAX_FRAME_LIMIT = (1 << 24) - 1
"""The first byte of a length is 0 up to here: that byte is how the framing is told."""

_HEAD = 4
_JSON_FIRST = frozenset(b"{ \t\r\n")
_HTTP_FIRST = frozenset(b"GPHDOCT")
_TLS_FIRST = 0x16


class Framing(Enum):
    """How a connection's messages are divided; both directions use the same."""

    JSON_LINES = "json"
    MSGPACK = "msgpack"


class FrameError(Exception):
    """The connection cannot go on. `code` is one of the protocol's; `frames` came whole before the fault."""

    def __init__(self, code: str, text: str, frames: list[bytes] | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.frames: list[bytes] = frames or []


class FrameSplitter:
    """Cuts one connection's bytes into frames. It holds less than one frame, and never more than `max_frame`.

    Not thread-safe. After its first FrameError it raises the same for whatever follows.
    """

    __slots__ = ("_failed", "_need", "_tail", "framing", "max_frame")

    def __init__(self, max_frame: int = MAX_FRAME_DEFAULT, framing: Framing | None = None) -> None:
        if not 0 < max_frame <= MAX_FRAME_LIMIT:
            raise ValueError(f"max_frame is 1 to {MAX_FRAME_LIMIT} bytes, not {max_frame}")
        self.max_frame = max_frame
        self.framing = framing
        self._tail = bytearray()
        self._need = _HEAD
        self._failed: tuple[str, str] | None = None

    def __repr__(self) -> str:
        return f"FrameSplitter({self.framing}, buffered={self.buffered}, failed={self._failed})"

    @property
    def buffered(self) -> int:
        """Bytes of a frame that is not whole yet."""
        return len(self._tail)

    def feed(self, data: bytes | bytearray | memoryview) -> list[bytes]:
        """The frames that `data` completes, without newline or length; blank lines are passed over.

        FrameError (frame_too_large, bad_frame, garbage, http, tls_on_plain) once the bytes can be no frame.
        """
        if self._failed:
            raise FrameError(*self._failed)
        if not data:
            return []
        data = data if isinstance(data, bytes) else bytes(data)
        if self.framing is None:
            self.framing = self._told_by(data[0])
        return self._lines(data) if self.framing is Framing.JSON_LINES else self._packed(data)

    def _told_by(self, first: int) -> Framing:
        if first in _JSON_FIRST:
            return Framing.JSON_LINES
        if first == 0:
            return Framing.MSGPACK
        if first in _HTTP_FIRST:
            raise self._fail("http", "this is no HTTP listener: devices speak JSON lines or MessagePack here")
        if first == _TLS_FIRST:
            raise self._fail("tls_on_plain", "a TLS handshake came on a listener without TLS")
        raise self._fail("garbage", f"a connection cannot begin with the byte 0x{first:02x}")

    def _lines(self, data: bytes) -> list[bytes]:
        tail, limit = self._tail, self.max_frame
        first, *others = data.split(b"\n")
        if len(tail) + len(first) > limit:
            raise self._too_large(f"a line has more than {limit} bytes", [])
        if not others:
            tail += first
            return []
        if tail:
            first = bytes(tail) + first
            tail.clear()
        rest = others.pop()
        frames: list[bytes] = []
        for line in (first, *others):
            if len(line) > limit:
                raise self._too_large(f"a line has more than {limit} bytes", frames)
            if line and not line.isspace():
                frames.append(line)
        if len(rest) > limit:
            raise self._too_large(f"a line has more than {limit} bytes", frames)
        tail += rest
        return frames

    def _packed(self, data: bytes) -> list[bytes]:
        tail = self._tail
        if tail:
            if len(tail) + len(data) < self._need:
                tail += data
                return []
            data = bytes(tail) + data
            tail.clear()
        frames: list[bytes] = []
        at, end = 0, len(data)
        self._need = _HEAD
        while end - at >= _HEAD:
            size = int.from_bytes(data[at : at + _HEAD], "big")
            if size > self.max_frame:
                text = f"a frame of {size} bytes is announced, at most {self.max_frame} are taken"
                raise self._too_large(text, frames)
            if not size:
                raise self._fail("bad_frame", "a frame of no bytes is announced", frames)
            start, after = at + _HEAD, at + _HEAD + size
            if after > end:
                self._need = _HEAD + size
                break
            frames.append(data[start:after])
            at = after
        tail += data[at:]
        return frames

    def _too_large(self, text: str, frames: list[bytes]) -> FrameError:
        return self._fail("frame_too_large", text, frames)

    def _fail(self, code: str, text: str, frames: list[bytes] | None = None) -> FrameError:
        self._failed = (code, text)
        self._tail.clear()
        return FrameError(code, text, frames)


def encode_frame(framing: Framing, message: Mapping[str, Any]) -> bytes:
    """One message as it goes on the wire. ValueError for what the framing has no form for.

    Times are `msgpack.Timestamp`, or text in JSON already.
    """
    if framing is Framing.JSON_LINES:
        return to_json(message) + b"\n"
    packed = to_msgpack(message)
    if len(packed) > MAX_FRAME_LIMIT:
        raise ValueError(f"a message of {len(packed)} bytes does not fit into a frame")
    return len(packed).to_bytes(_HEAD, "big") + packed


def decode_frame(framing: Framing, payload: bytes) -> dict[str, Any]:
    """The message in a frame; MessagePack's times come as `msgpack.Timestamp`, with their nanoseconds.

    FrameError (bad_frame): malformed, invalid UTF-8, a key twice or no text, nested deeper than 16, no map.
    """
    try:
        return from_json(payload) if framing is Framing.JSON_LINES else from_msgpack(payload)
    except MalformedError as error:
        raise FrameError("bad_frame", str(error)) from None
