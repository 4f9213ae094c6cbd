"""One simulated device's connection: as little work for a request as there can be."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Protocol, cast

from taosdevice.framing import FrameError, Framing, decode_frame
from taosdevice.protocol import CONNECT, OK, RESPONSE
from taosink.load.frames import Frames

_LENGTH = 4


class Listener(Protocol):
    """Who hears what becomes of requests and connections. Called on the loop's thread."""

    frames: Frames

    def answered(self, number: int, now: float) -> None:
        """Request `number` was answered ok."""
        ...

    def heard(self, message: Mapping[str, Any]) -> None:
        """Any other message of the gateway."""
        ...

    def lost(self, reason: str) -> None:
        """A connection that was held is over."""
        ...


class Device(asyncio.Protocol):
    """`bound` ends with the gateway's answer to `connect`: empty, or why the connection is not held."""

    __slots__ = ("_closing", "_listener", "_reason", "_rest", "_transport", "bound", "limits")

    def __init__(self, listener: Listener, bound: "asyncio.Future[str]") -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._reason = "lost"
        self._closing = False
        self.bound = bound
        self.limits: Mapping[str, Any] = {}

    def __repr__(self) -> str:
        return f"<Device {'held' if self.held else 'not held'}>"

    @property
    def held(self) -> bool:
        return self._transport is not None and self.bound.done()

    def send(self, frame: bytes) -> bool:
        """False where the connection is over."""
        if self._transport is None:
            return False
        self._transport.write(frame)
        return True

    def close(self) -> None:
        """The end of it is no loss then."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self.bound.done():
            self.bound.set_result(type(exc).__name__ if exc else self._reason)
        elif not self._closing:
            self._listener.lost(self._reason)

    def data_received(self, data: bytes) -> None:
        listener = self._listener
        number_of, size = listener.frames.number_of, listener.frames.ok_size
        if self._rest:
            data, self._rest = self._rest + data, b""
        at, now = 0, time.monotonic()
        while at < len(data):
            number = number_of(data, at)
            if number >= 0:
                at += size
                listener.answered(number, now)
                continue
            end = at + _LENGTH + int.from_bytes(data[at : at + _LENGTH], "big")
            if end > len(data) or at + _LENGTH > len(data):
                self._rest = data[at:]
                return
            self._take(data[at + _LENGTH : end])
            at = end

    def _take(self, payload: bytes) -> None:
        try:
            message = decode_frame(Framing.MSGPACK, payload)
        except FrameError as error:
            self._reason = error.code
            self.close()
            self._listener.lost(error.code)
            return
        if message.get("action") in ("close", "goodbye", "replaced"):
            self._reason = str(message.get("errorCode") or message["action"])
        elif not self.bound.done() and message.get("action") == CONNECT + RESPONSE:
            self._admitted(message)
        else:
            self._listener.heard(message)

    def _admitted(self, message: Mapping[str, Any]) -> None:
        if message.get("status") != OK:
            self._closing = True
            self.bound.set_result(str(message.get("errorCode") or message.get("status")))
            return
        data = message.get("data")
        limits = data.get("limits") if isinstance(data, Mapping) else None
        self.limits = limits if isinstance(limits, Mapping) else {}
        self.bound.set_result("")
