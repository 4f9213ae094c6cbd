"""Sockets of devices: asyncio's callbacks on one side, sessions on the other."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, cast

from taosdevice.framing import Framing
from taosink.ingress.gateway import Gateway
from taosink.ingress.session import Session
from taosink.ingress.session_ports import Pause

READ_SIZE = 65_536


class Sockets:
    """What the sockets of one gateway share: the buffer that is read into, and answers that wait for the turn's
    end. Used on the loop's thread."""

    def __init__(self, gateway: Gateway, loop: asyncio.AbstractEventLoop) -> None:
        self.gateway = gateway
        self.loop = loop
        # One for all: a turn reads into it and hands on what it read before the next socket's turn.
        self.buffer = memoryview(bytearray(READ_SIZE))
        self.open: set[DeviceSocket] = set()
        self.closed = False
        self.bytes_in = self.bytes_out = self.frames_out = 0
        self._dirty: list[DeviceSocket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        return f"<Sockets {len(self.open)}>"

    def dirty(self, link: "DeviceSocket") -> None:
        """Its answers are written at the end of this turn of the loop, all together."""
        if not self._dirty:
            self.loop.call_soon(self._flush)
        self._dirty.append(link)

    def report(self) -> None:
        """Counts what has moved since the last call; each piece on its own would cost too much."""
        counting = self.gateway.counting
        counting.count("bytes", "in", self.bytes_in)
        counting.count("bytes", "out", self.bytes_out)
        counting.count("frames", "out", self.frames_out)
        self.bytes_in = self.bytes_out = self.frames_out = 0

    def figures(self) -> Mapping[str, float]:
        """For the gauges."""
        unread = 0
        spoken = {Framing.JSON_LINES: 0, Framing.MSGPACK: 0, None: 0}
        for link in self.open:
            unread += link.unread
            spoken[link.framing] += 1
        return {
            "output_bytes": unread,
            "connections_json": spoken[Framing.JSON_LINES],
            "connections_msgpack": spoken[Framing.MSGPACK],
        }

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs it in a task that this object keeps."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def accept(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs it until `stop_accepting`."""
        self._accepting.append(self.loop.create_task(work))

    def stop_accepting(self) -> None:
        """Connections that come from now on are refused."""
        self.closed = True
        for task in self._accepting:
            task.cancel()

    async def end(self, seconds: float) -> None:
        """Waits for sockets to close, aborts the rest, and waits for their ends to be told."""
        self.stop_accepting()
        until = self.loop.time() + seconds
        while self.open and self.loop.time() < until:
            await asyncio.sleep(0.01)
        for link in tuple(self.open):
            link.abort()
        for task in self._tasks:
            task.cancel()
        while self.open and self.loop.time() < until + 1.0:
            await asyncio.sleep(0.01)

    def _flush(self) -> None:
        links, self._dirty = self._dirty, []
        for link in links:
            link.flush()


class DeviceSocket(asyncio.BufferedProtocol):
    """One device's socket; a `session.Link`. Under TLS its session begins with the handshake."""

    __slots__ = ("_out", "_session", "_shaking", "_sockets", "_transport")

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self._shaking: asyncio.Task[Any] | None = None
        self._transport: asyncio.Transport | None = None
        self._session: Session | None = None
        self._out: list[bytes] | None = None

    def __repr__(self) -> str:
        return f"<DeviceSocket {self._session!r}>"

    # asyncio's side

    def admit(self, address: str, *, tls: bool) -> bool:
        """Counts the connection in and opens its session; False where it is refused."""
        gateway = self._sockets.gateway
        refused = "shutting_down" if self._sockets.closed else gateway.admission.enter(address)
        if refused:
            gateway.counting.count("refused", refused)
            return False
        self._sockets.open.add(self)
        self._shaking = asyncio.current_task() if tls else None
        self._session = gateway.open(self, address, tls=tls)
        return True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        connected = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        if self._session is None and not self.admit(str(peer[0]) if peer else "", tls=False):
            connected.abort()
            return
        self._shaking = None
        high = self._sockets.gateway.limits.max_output // 2
        connected.set_write_buffer_limits(high=high, low=high // 4)
        self._transport = connected

    def fail(self, reason: str) -> None:
        """TLS did not come about."""
        self._shaking = None
        if self._session is not None:
            self._session.abort(reason)
        self.connection_lost(None)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 -- asyncio's signature
        return self._sockets.buffer

    def buffer_updated(self, nbytes: int) -> None:
        sockets = self._sockets
        sockets.bytes_in += nbytes
        if self._session is not None:
            self._session.received(sockets.buffer[:nbytes], sockets.loop.time())

    def eof_received(self) -> bool:
        """A device that has said all still hears the answers that it is owed. (Not under TLS, whose end closes
        both ways.)"""
        session = self._session
        if session is None or session.tls or session.quiet:
            return False
        session.pause(Pause.ENDED, self._sockets.loop.time())
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        """Idempotent."""
        session, self._session = self._session, None
        if session is None:
            return
        self._transport = self._out = None
        self._sockets.open.discard(self)
        self._sockets.gateway.admission.leave(session.address)
        self._sockets.gateway.lost(session)

    def pause_writing(self) -> None:
        if self._session is not None:
            self._session.pause(Pause.OUTPUT, self._sockets.loop.time())

    def resume_writing(self) -> None:
        if self._session is not None:
            self._session.resume(Pause.OUTPUT, self._sockets.loop.time())

    # The session's side

    def write(self, data: bytes) -> None:
        if self._out is None:
            self._out = [data]
            self._sockets.dirty(self)
        else:
            self._out.append(data)

    def flush(self) -> None:
        """Writes what the turn has gathered."""
        transport, out = self._transport, self._out
        if out is None or transport is None:
            return
        self._out = None
        data = out[0] if len(out) == 1 else b"".join(out)
        self._sockets.bytes_out += len(data)
        self._sockets.frames_out += len(out)
        transport.write(data)
        limit = self._sockets.gateway.limits.max_output
        if self._session is not None and transport.get_write_buffer_size() > limit:
            self._session.abort("slow_reader")

    @property
    def unread(self) -> int:
        """Bytes that the device has not taken yet."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    @property
    def framing(self) -> Framing | None:
        """None before the first byte, and at the end."""
        return self._session.framing if self._session is not None else None

    def certificate(self) -> Mapping[str, Any] | None:
        found = self._transport.get_extra_info("peercert") if self._transport is not None else None
        return cast("Mapping[str, Any] | None", found or None)

    def pause(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        self.flush()
        if self._transport is not None:
            self._transport.close()
        else:
            self.abort()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        elif self._shaking is not None:
            self._shaking.cancel()
