"""A gateway by script: it speaks the protocol on a loopback socket, and does what the test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from taosdevice.framing import FrameError, FrameSplitter, Framing, decode_frame, encode_frame
from taosdevice.protocol import BATCH, CONNECT, DATA, PING, answer, batch_answer, connected, pong

Message = dict[str, Any]


@dataclass(eq=False)
class Peer:
    """One device's connection."""

    server: "ScriptedGateway"
    writer: asyncio.StreamWriter
    number: int
    splitter: FrameSplitter = field(default_factory=FrameSplitter)
    device: str = ""

    def say(self, message: Message) -> None:
        self.writer.write(encode_frame(self.splitter.framing or Framing.MSGPACK, message))

    def leave(self, message: Message) -> None:
        """Last words, and the end."""
        self.say(message)
        self.writer.close()

    def drop(self) -> None:
        """A reset, without a word."""
        self.writer.transport.abort()


Script = Callable[[Peer, Message], Awaitable[bool | None]]


class ScriptedGateway:
    """Answers ok to everything, unless `script` has handled a message, which it says by True."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script
        self.limits: Message = {}
        self.peers: list[Peer] = []
        self.seen: list[Message] = []
        self.url = ""
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def requests(self) -> list[Message]:
        """What came, without connects and pings."""
        return [message for message in self.seen if message["action"] not in (CONNECT, PING)]

    def of(self, action: str) -> list[Message]:
        return [message for message in self.seen if message["action"] == action]

    async def until(self, true: Callable[[], bool], seconds: float = 10.0) -> None:
        """Waits until it holds; it is asked whenever a message or a connection has come."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(true)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        peer = Peer(self, writer, len(self.peers))
        self.peers.append(peer)
        try:
            with suppress(OSError, FrameError):
                while data := await reader.read(65_536):
                    for frame in peer.splitter.feed(data):
                        assert peer.splitter.framing is not None
                        await self._take(peer, decode_frame(peer.splitter.framing, frame))
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _take(self, peer: Peer, message: Message) -> None:
        self.seen.append(message)
        if not (self.script and await self.script(peer, message)):
            self.reply(peer, message)
        async with self._changed:
            self._changed.notify_all()

    def reply(self, peer: Peer, message: Message) -> None:
        """What a gateway says where nothing is wrong."""
        action, uid = message["action"], message.get("uid")
        if action == CONNECT:
            peer.device = message["deviceUid"]
            peer.say(connected(uid, f"c{peer.number}", "s", self.limits))
        elif action == PING:
            peer.say(pong(uid))
        elif action == BATCH:
            peer.say(batch_answer(uid, len(message["data"])))
        elif action == DATA:
            peer.say(answer(DATA, uid, "ok"))
        elif action != "command.result":
            peer.say(answer(action, uid, "ok", data=message.get("data")))

    async def close(self) -> None:
        while self._tasks:
            for peer in self.peers:
                peer.drop()
            await asyncio.wait(self._tasks)


@asynccontextmanager
async def scripted_gateway(script: Script | None = None, **more: Any) -> AsyncIterator[ScriptedGateway]:
    """Listens on an ephemeral number of loopback; everything it began is ended with it."""
    gateway = ScriptedGateway(script)
    server = await asyncio.start_server(gateway.serve, "127.0.0.1", 0, **more)
    scheme = "tls" if more.get("ssl") else "tcp"
    gateway.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield gateway
    finally:
        server.close()
        await gateway.close()
        await server.wait_closed()
