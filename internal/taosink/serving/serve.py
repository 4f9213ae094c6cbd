"""Serves an ASGI application by uvicorn on the loop that is there: no signal handlers, bounds, one deadline."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from taosink.observe.listen_rule import Address
from taosink.serving.wire import Connection, WireLimits, bounded

__all__ = ["CannotListenError", "HttpServer", "WireLimits", "bind"]


class CannotListenError(Exception):
    """An address cannot be listened on; the text is one line for an operator."""


BACKLOG = 512
"""Connections that wait to be accepted, where nothing is said."""


def bind(address: Address, backlog: int = BACKLOG) -> list[socket.socket]:
    """Listening, non-blocking sockets of this address (two where an empty host means IPv4 and IPv6).

    Names are resolved, which may block. Raises CannotListenError; no socket is left open then.
    """
    try:
        found = socket.getaddrinfo(
            address.host or None, address.number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise CannotListenError(
            f"cannot listen on {address} ({error}): give an address of this machine"
        ) from None
    opened: list[socket.socket] = []
    number = address.number
    try:
        # A name may stand for the same address twice; the second socket has to have the first one's number.
        for family, where in dict.fromkeys((family, where) for family, _, _, _, where in found):
            if family not in (socket.AF_INET, socket.AF_INET6) or (opened and address.host):
                continue
            opened.append(_listening(family, (str(where[0]), number, *where[2:]), backlog))
            number = opened[0].getsockname()[1]
    except OSError as error:
        for listener in opened:
            listener.close()
        taken = "it is in use" if error.errno == errno.EADDRINUSE else str(error)
        raise CannotListenError(
            f"cannot listen on {address} ({taken}): stop what uses it, or choose another address (number 0"
            " picks a free one)"
        ) from error
    return opened


def _listening(family: int, where: tuple[object, ...], backlog: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(where)
        listener.listen(backlog)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


class _Server(uvicorn.Server):
    """uvicorn's server without its signals; its own sockets, context and handshake time."""

    def __init__(
        self,
        config: uvicorn.Config,
        connection: type[Connection],
        context: ssl.SSLContext | None,
        limits: WireLimits,
    ) -> None:
        super().__init__(config)
        self._connection, self._context, self._limits = connection, context, limits

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """The process's owner decides when to stop, for all its listeners at once."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        made = partial(self._connection, config=self.config, server_state=self.server_state, app_state={})
        handshake = self._limits.handshake_seconds if self._context else None
        self.servers = [
            await loop.create_server(
                made,
                sock=listener,
                ssl=self._context,
                ssl_handshake_timeout=handshake,
                backlog=self._limits.backlog,
            )
            for listener in sockets or ()
        ]
        self.started = True


class HttpServer:
    """One listener. Used on one loop; `start` and `stop` once each. It owns the sockets from `start` on."""

    def __init__(
        self,
        app: ASGIApp,
        sockets: Sequence[socket.socket],
        *,
        name: str,
        context: ssl.SSLContext | None = None,
        limits: WireLimits | None = None,
        refused: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        """`refused` is called with a reason for each connection or head that the application never sees."""
        self._name, self._sockets = name, list(sockets)
        limits = limits or WireLimits()
        connection = bounded(name, limits, refused)
        config = uvicorn.Config(
            app,
            http=connection,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # an address that a stranger writes into a header is none
            timeout_keep_alive=limits.keep_alive_seconds,  # type: ignore[arg-type]  # goes to call_later as it is
            backlog=limits.backlog,
        )
        self._server = _Server(config, connection, context, limits)
        self._serving: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<HttpServer {self._name} connections={self.connections}>"

    @property
    def connections(self) -> int:
        """Open ones, idle ones too."""
        return len(self._server.server_state.connections)

    @property
    def addresses(self) -> list[Address]:
        """Where it listens; known before `start`."""
        names = [listener.getsockname() for listener in self._sockets]
        return [Address(str(name[0]), int(name[1])) for name in names]

    async def start(self) -> None:
        """Returns when connections are accepted. Raises what the loop raises where a socket is no good."""
        self._serving = asyncio.create_task(self._server.serve(self._sockets), name=f"http {self._name}")
        while not self._server.started and not self._serving.done():
            await asyncio.sleep(0.002)
        if self._serving.done():
            self._serving.result()

    async def stop(self, seconds: float) -> None:
        """Accepts no more, lets requests under way end for `seconds`, then cuts them. Idempotent."""
        if self._serving is None:
            for listener in self._sockets:
                listener.close()
            return
        self._server.should_exit = True
        await asyncio.wait([self._serving], timeout=seconds)
        # The connections first: a handler that is cancelled would otherwise answer 500 to its client.
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()
        for task in list(self._server.server_state.tasks):
            task.cancel()
        await asyncio.wait([self._serving], timeout=1.0)
        self._serving.cancel()
        await asyncio.wait([self._serving])
        await asyncio.sleep(0)  # the connections' ends are told on the next turn
