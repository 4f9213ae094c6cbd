"""One connection to a gateway: opened, introduced, read message by message, and closed for good."""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from taosdevice.framing import FrameError, FrameSplitter, Framing, decode_frame, encode_frame
from taosdevice.names import CONNECT, OK, PROTOCOL_VERSION, RESPONSE

READ = 65_536
LARGEST_ANSWER = 1 << 20
"""Longest message that is taken from a gateway: commands have a bound of their own there."""


class LinkError(Exception):
    """The connection ended, or was never there. `code` and `retry_after` (seconds) are what the gateway said."""

    def __init__(self, text: str, code: str = "", retry_after: float | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Address:
    """Where a gateway listens, and how."""

    host: str
    number: int
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str, tls: ssl.SSLContext | None = None) -> "Address":
        """`tcp://host:number`, or `tls://` with the system's authorities unless a context is given; ValueError."""
        parts = urlsplit(url)
        if parts.scheme not in ("tcp", "tls") or not parts.hostname or not parts.port:
            raise ValueError(f"a gateway's address is tcp://host:number or tls://host:number, not {url!r}")
        if parts.path not in ("", "/") or parts.username or parts.query:
            raise ValueError(f"nothing but a host and a number belongs into a gateway's address: {url!r}")
        if parts.scheme == "tls" and tls is None:
            tls = ssl.create_default_context()
        return cls(parts.hostname, parts.port, tls)


class Link:
    """Used by one reader and one writer, on one loop."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, framing: Framing, clock: Any
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._splitter = FrameSplitter(LARGEST_ANSWER, framing)
        self._frames: list[bytes] = []
        self.framing = framing
        self.last_heard: float = clock()

    def __repr__(self) -> str:
        return f"<Link {self.framing.value} to {self._writer.get_extra_info('peername')}>"

    @classmethod
    async def open(cls, address: Address, framing: Framing, clock: Any) -> "Link":
        """Blocks for the network; raises LinkError."""
        try:
            reader, writer = await asyncio.open_connection(
                address.host,
                address.number,
                ssl=address.tls,
                server_hostname=address.host if address.tls else None,
            )
        except OSError as error:
            raise LinkError(f"no connection to {address.host}:{address.number}: {error}") from None
        return cls(reader, writer, framing, clock)

    async def introduce(self, device: str, token: str | None) -> Mapping[str, Any]:
        """Sends `connect` and gives back its answer's data; LinkError with the gateway's code if it is refused."""
        hello = {"action": CONNECT, "deviceUid": device, "uid": 0, "version": PROTOCOL_VERSION}
        await self.send(encode_frame(self.framing, hello | ({} if token is None else {"token": token})))
        answer = await self.receive()
        if answer.get("action") != CONNECT + RESPONSE or answer.get("status") != OK:
            raise LinkError(
                str(answer.get("errorMessage", "the gateway refused the connection")),
                str(answer.get("errorCode", "")),
                reconnect_after(answer),
            )
        data = answer.get("data")
        return data if isinstance(data, Mapping) else {}

    async def send(self, frame: bytes) -> None:
        """Waits while the gateway does not read; LinkError once the connection is gone."""
        try:
            self._writer.write(frame)
            await self._writer.drain()
        except OSError as error:
            raise LinkError(f"the connection was lost: {error}") from None

    async def receive(self) -> dict[str, Any]:
        """The next message; LinkError at the end, and for bytes that are none."""
        try:
            while not self._frames:
                data = await self._reader.read(READ)
                if not data:
                    raise LinkError("the gateway closed the connection")
                self.last_heard = self._clock()
                self._frames = self._splitter.feed(data)[::-1]
            return decode_frame(self.framing, self._frames.pop())
        except OSError as error:
            raise LinkError(f"the connection was lost: {error}") from None
        except FrameError as error:
            raise LinkError(f"the gateway does not speak this protocol: {error}", error.code) from None

    def abort(self) -> None:
        """At once; a waiting `receive` or `send` ends with LinkError."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Never raises; waits a little for the other side."""
        self._writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(1.0):
                await self._writer.wait_closed()
                return
        self.abort()


def reconnect_after(message: Mapping[str, Any]) -> float | None:
    """Seconds that a `goodbye` or a refusal asks a device to stay away."""
    data = message.get("data")
    after = data.get("reconnectAfterMs") if isinstance(data, Mapping) else None
    if isinstance(after, bool) or not isinstance(after, (int, float)):
        return None
    return min(max(after / 1000, 0.0), 3600.0)
