"""Frames made beforehand: what differs from request to request is put into its place. Pure."""

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any

import msgpack  # type: ignore[import-untyped]  # it ships no type information

from taosdevice.framing import Framing, encode_frame
from taosdevice.protocol import BATCH, CONNECT, DATA, OK, PING, PROTOCOL_VERSION, answer, batch_answer, pong
from taosink.load.options import Ack, LoadOptions

FIRST_UID = 1 << 20
"""Every uid from here to 2**32 has the same length in MessagePack: a head byte and four bytes."""
UIDS = (1 << 32) - FIRST_UID
COLS = (21.5, 3, True, "ok")
MAX_BATCH = 1000
"""Readings of one request have milliseconds of one second of their own."""
SPAN = 100_000_000
"""Seconds that readings are spread over, three years; a longer run writes the first ones again."""

_UID = b"\xce"
_SECONDS = 0x51515151
"""Stands for a reading's second until it is known: no other bytes of a frame are like it."""
_STEP_NS = 1_000_000
_four = Struct(">I").pack


def connect_frame(device: str, token: str | None) -> bytes:
    """The first message of a connection."""
    hello: dict[str, Any] = {"action": CONNECT, "deviceUid": device, "uid": 0, "version": PROTOCOL_VERSION}
    return encode_frame(Framing.MSGPACK, hello if token is None else hello | {"token": token})


class Frames:
    """Requests of one kind by their number, and the bytes of the answer that says ok to them."""

    def __init__(self, mode: str, ack: Ack, batch: int, first_time: int) -> None:
        self._first_time = first_time
        self._make: Callable[[int], bytes] = self._ping if mode == "idle" else self._reading
        self._step = batch if mode == "batch" else 1
        whole = _request(mode, ack, batch)
        mark = _UID + _four(FIRST_UID)
        self._head, rest = _cut(whole, mark)
        self._tail: Sequence[bytes] = rest.split(_four(_SECONDS))
        self.ok_head, self.ok_tail = _cut(_ok(mode, batch), mark)
        self.ok_size = len(self.ok_head) + 4 + len(self.ok_tail)
        self.single = mode == "single"

    def request(self, number: int) -> bytes:
        """Request `number` of the run, from 0. No two have the same readings."""
        return self._make(number)

    def number_of(self, data: bytes, at: int) -> int:
        """The number of the request to which an ok stands at this place, -1 where something else stands there."""
        head = at + len(self.ok_head)
        if (
            data[at:head] != self.ok_head
            or data[head + 4 : at + self.ok_size] != self.ok_tail
            or at + self.ok_size > len(data)
        ):
            return -1
        return int.from_bytes(data[head : head + 4], "big") - FIRST_UID

    def _ping(self, number: int) -> bytes:
        return b"".join((self._head, _four(FIRST_UID + number % UIDS), *self._tail))

    def _reading(self, number: int) -> bytes:
        # A second of its own for each request: readings of a single one differ in nothing else.
        second = _four(self._first_time + number % SPAN)
        return b"".join((self._head, _four(FIRST_UID + number % UIDS), second.join(self._tail)))


def frames_of(options: LoadOptions) -> list[Frames]:
    """One kind for each acknowledgement asked for."""
    return [Frames(options.mode, ack, options.batch, options.first_time) for ack in options.acks]


def _request(mode: str, ack: Ack, batch: int) -> bytes:
    message: dict[str, Any] = {"action": {"single": DATA, "batch": BATCH, "idle": PING}[mode]}
    message["uid"] = FIRST_UID
    if mode != "idle":
        readings = [_one(place) for place in range(batch if mode == "batch" else 1)]
        message["data"] = readings if mode == "batch" else readings[0]
        if ack != "kafka":
            message["ack"] = ack
    return encode_frame(Framing.MSGPACK, message)


def _one(place: int) -> dict[str, Any]:
    # Never a whole second: that would have a shorter form.
    return {"Timestamp": msgpack.Timestamp(_SECONDS, place * _STEP_NS + 1000), "Cols": list(COLS)}


def _ok(mode: str, batch: int) -> bytes:
    if mode == "idle":
        return encode_frame(Framing.MSGPACK, pong(FIRST_UID))
    said = batch_answer(FIRST_UID, batch) if mode == "batch" else answer(DATA, FIRST_UID, OK)
    return encode_frame(Framing.MSGPACK, said)


def _cut(frame: bytes, mark: bytes) -> tuple[bytes, bytes]:
    """What stands before the number in a frame, its head byte included, and what stands behind it."""
    before, found, after = frame.partition(mark)
    assert found  # noqa: S101 -- every frame here has a uid
    return before + _UID, after
