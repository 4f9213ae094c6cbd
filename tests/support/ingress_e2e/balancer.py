"""The load balancer in front of the gateways: passes bytes, knows nothing of what they mean."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import cast

Address = tuple[str, int]


class _Side(asyncio.Protocol):
    """One of the two sockets of a connection; what comes in goes to `other`."""

    def __init__(self, balancer: "Balancer", other: "_Side | None" = None) -> None:
        self._balancer = balancer
        self.other = other
        self.transport: asyncio.Transport | None = None
        self._early = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass of it
        self._balancer.sides.add(self)
        if self.other is None:
            self._balancer.begin(self)

    def join(self, other: "_Side") -> None:
        """What came before there was another side goes first."""
        self.other = other
        self.data_received(bytes(self._early))

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self._early += data
        elif self.other.transport is not None:
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._balancer.sides.discard(self)
        if self.other is not None and self.other.transport is not None:
            # A reset stays one: whoever was killed does not say goodbye.
            self.other.transport.abort() if exc else self.other.transport.close()


class Balancer:
    """In turn to each of `backends()`, passing over those that refuse. Used on one loop."""

    def __init__(self, backends: Callable[[], Sequence[Address]]) -> None:
        self._backends = backends
        self._turn = count()
        self._tasks: set[asyncio.Task[None]] = set()
        self.sides: set[_Side] = set()
        self.number = 0

    def begin(self, client: _Side) -> None:
        task = asyncio.get_running_loop().create_task(self._join(client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _join(self, client: _Side) -> None:
        assert client.transport is not None
        loop, backends, turn = asyncio.get_running_loop(), list(self._backends()), next(self._turn)
        for n in range(len(backends)):
            host, number = backends[(turn + n) % len(backends)]
            try:
                _, server = await loop.create_connection(lambda: _Side(self, client), host, number)
            except OSError:
                continue
            client.join(server)
            if client.transport.is_closing():
                assert server.transport is not None
                server.transport.abort()
            return
        client.transport.abort()

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        while self.sides:
            for side in tuple(self.sides):
                if side.transport is not None:
                    side.transport.abort()
            await asyncio.sleep(0)


@asynccontextmanager
async def balancing(backends: Callable[[], Sequence[Address]]) -> AsyncIterator[Balancer]:
    """Listens on a free number of loopback."""
    balancer = Balancer(backends)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Side(balancer), "127.0.0.1", 0, backlog=2000)
    balancer.number = server.sockets[0].getsockname()[1]
    try:
        yield balancer
    finally:
        server.close()
        await balancer.close()
        await server.wait_closed()
