"""A gateway on real sockets of loopback, with stand-ins behind it, and devices that speak to it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import uvloop
from support.ingress_parts import Rig, SoonPublishing

from taosdevice.framing import FrameSplitter, Framing, decode_frame, encode_frame
from taosink.ingress.accepting import serve
from taosink.ingress.gateway import TICK
from taosink.ingress.limits import Limits
from taosink.ingress.tcp import Sockets
from taosink.observe.listen_rule import Address
from taosink.serving.serve import bind

READING = {"Timestamp": "2026-01-31T08:00:00.5Z", "Cols": [1.5, "on"]}
PATIENCE = 10.0


class Server:
    """A gateway on a free port of loopback, in the running loop."""

    def __init__(self, rig: Rig, sockets: Sockets, number: int) -> None:
        self.rig, self.sockets, self.number = rig, sockets, number

    async def until(self, done: Callable[[], object]) -> None:
        end = asyncio.get_running_loop().time() + PATIENCE
        while not done():
            assert asyncio.get_running_loop().time() < end, self.rig.counts.seen
            await asyncio.sleep(0.005)


class Device:
    """A device of a test, on one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, framing: Framing) -> None:
        self.reader, self.writer, self.framing = reader, writer, framing
        self._splitter = FrameSplitter(1 << 20, framing)
        self._frames: list[bytes] = []

    def send(self, action: str, **more: Any) -> None:
        self.writer.write(encode_frame(self.framing, {"action": action, **more}))

    async def hear(self) -> dict[str, Any]:
        """The next message; EOFError at the end."""
        while not self._frames:
            data = await asyncio.wait_for(self.reader.read(65_536), PATIENCE)
            if not data:
                raise EOFError
            self._frames += self._splitter.feed(data)
        return decode_frame(self.framing, self._frames.pop(0))

    async def ask(self, action: str, **more: Any) -> dict[str, Any]:
        self.send(action, **more)
        return await self.hear()

    async def ended(self) -> bool:
        """Whether the server closes, within the patience; what it still says is passed over."""
        try:
            while await asyncio.wait_for(self.reader.read(65_536), PATIENCE):
                pass
        except ConnectionError:
            pass
        return True


@asynccontextmanager
async def gateway(
    limits: Limits | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    by_hand: bool = False,
    **rig_options: Any,
) -> AsyncIterator[Server]:
    loop = asyncio.get_running_loop()
    if not by_hand:
        rig_options["publishing"] = SoonPublishing(loop)
    rig = Rig(limits or Limits(rate=0), clock=loop.time, **rig_options)
    sockets = Sockets(rig.gateway, loop)
    listeners = bind(Address("127.0.0.1", 0))
    servers = await serve(sockets, listeners, tls=tls, backlog=100)

    async def tick() -> None:
        while True:
            await asyncio.sleep(TICK / 5)
            rig.gateway.tick()

    ticking = asyncio.create_task(tick())
    try:
        yield Server(rig, sockets, listeners[0].getsockname()[1])
    finally:
        for server in servers:
            server.close()
        rig.gateway.close_all()
        await sockets.end(1.0)
        ticking.cancel()
        assert not sockets.open
        assert rig.gateway.admission.count == 0
        assert not len(rig.gateway.sessions)


@asynccontextmanager
async def device(
    server: Server, name: str = "pump-1", framing: Framing = Framing.JSON_LINES, **options: Any
) -> AsyncIterator[Device]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.number, **options)
    found = Device(reader, writer, framing)
    try:
        if name:
            answer = await found.ask("connect", deviceUid=name, uid="c")
            assert answer["status"] == "ok", answer
        yield found
    finally:
        # A device may hold bytes that nobody reads: an orderly close would wait for them.
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


def run(
    scenario: Callable[[], Awaitable[None]],
    make_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop,
) -> None:
    async def whole() -> None:
        await asyncio.wait_for(scenario(), 3 * PATIENCE)

    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(whole())
