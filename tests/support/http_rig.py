"""A real HTTP listener on a loop of its own thread, and a Kafka that a test can slow down."""

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import urllib3
from starlette.types import ASGIApp

from taosink.ingress.ports import Done, Reply, Verdict
from taosink.observe.ingress_metrics import IngressMetrics
from taosink.observe.listen_rule import parse_address
from taosink.serving.serve import HttpServer, WireLimits, bind

T = TypeVar("T")


@dataclass
class Shelf:
    """`ports.Publishing` without a Kafka: keeps what it takes and acknowledges it on the next turn of the loop.

    `open` False: takes nothing. `refuse`: takes no call that holds these bytes. `silent`: never
    acknowledges. `failing`: index in a call -> why.
    """

    open: bool = True
    refuse: bytes | None = None
    silent: bool = False
    failing: dict[int, str] = field(default_factory=dict)
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    refusals: int = 0
    waiting: int = 0
    _room: list[Callable[[], None]] = field(default_factory=list)

    def readings(self, device: str, values: Sequence[bytes], done: Done, reply: Reply | None = None) -> bool:
        if not self.open or (self.refuse is not None and any(self.refuse in value for value in values)):
            self.refusals += 1
            return False
        self.taken += [(device, value) for value in values]
        if reply is not None:
            self.replies.append(reply)
        if not self.silent:
            asyncio.get_running_loop().call_soon(done, dict(self.failing))
        return True

    def request(self, envelope: bytes, key: bytes, done: Done) -> bool:
        raise NotImplementedError

    def on_room(self, call: Callable[[], None]) -> None:
        self._room.append(call)

    def reopen(self) -> None:
        """To be called on the loop."""
        self.open = True
        for call in self._room:
            call()


class Tokens:
    """An authenticator: the token `t-NAME` is the device NAME's; with `anybody` none is asked for."""

    def __init__(self, *, anybody: bool = False) -> None:
        self.anybody = anybody

    async def check(
        self, device: str, token: str | None, peer_certificate: Mapping[str, Any] | None
    ) -> Verdict:
        del peer_certificate
        if self.anybody:
            return Verdict(True, device)
        if token is None:
            return Verdict(False, code="unauthorized", text="a token is needed")
        if token == "expired":
            return Verdict(False, code="token_expired", text="the token expired")
        kind, _, named = token.partition("-")
        if kind != "t":
            return Verdict(False, code="unauthorized", text="this is no token of this server")
        if device and device != named:
            return Verdict(False, code="wrong_device", text="the token is another device's")
        return Verdict(True, named)

    def reload(self) -> None:
        raise NotImplementedError


class Well:
    """`ports.Health`."""

    ready = True

    def figures(self) -> Mapping[str, float]:
        return {"connections": 3.0, "sessions": 2.0}


@dataclass
class Listener:
    """A listener that serves, and how to speak to it."""

    host: str
    number: int
    loop: asyncio.AbstractEventLoop
    refused: list[str]
    server: HttpServer
    http: urllib3.HTTPConnectionPool

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs it on the listener's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    def soon(self, call: Callable[[], object]) -> None:
        self.loop.call_soon_threadsafe(call)

    def post(
        self, path: str, body: bytes | Iterator[bytes], kind: str = "application/json", **headers: str
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Status, JSON and headers of the answer; underscores in names of headers stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.http.request("POST", path, body=body, headers={"content-type": kind, **named})
        return answer.status, json.loads(answer.data or b"null"), answer.headers

    def get(self, path: str, **headers: str) -> tuple[int, bytes, Mapping[str, str]]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.http.request("GET", path, headers=named)
        return answer.status, answer.data, answer.headers

    def connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.number), timeout=10)

    def raw(self, *pieces: bytes) -> bytes:
        """What comes back until the server closes."""
        with self.connect() as sock:
            for piece in pieces:
                try:
                    sock.sendall(piece)
                except OSError:
                    break  # it has said enough
            return read_all(sock)


def read_all(sock: socket.socket) -> bytes:
    """Until the other side closes, or cuts."""
    found = bytearray()
    try:
        while piece := sock.recv(65_536):
            found += piece
    except ConnectionResetError:
        pass
    return bytes(found)


@contextmanager
def serving(
    make: Callable[[], ASGIApp],
    *,
    limits: WireLimits | None = None,
    context: ssl.SSLContext | None = None,
    name: str = "test",
) -> Iterator[Listener]:
    """Serves what `make` makes, which is called on the loop."""
    sockets = bind(parse_address("127.0.0.1:0"))
    refused: list[str] = []
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="http-rig")
    thread.start()

    async def start() -> HttpServer:
        server = HttpServer(
            make(), sockets, name=name, context=context, limits=limits, refused=refused.append
        )
        await server.start()
        return server

    try:
        server = asyncio.run_coroutine_threadsafe(start(), loop).result(20)
        address = parse_address("{}:{}".format(*sockets[0].getsockname()[:2]))
        pool = urllib3.HTTPConnectionPool(address.host, address.number, timeout=20, retries=False)
        with pool:
            yield Listener(address.host, address.number, loop, refused, server, pool)
        asyncio.run_coroutine_threadsafe(server.stop(2), loop).result(20)
    finally:
        for listener in sockets:
            listener.close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()


def line(**more: object) -> bytes:
    """A good record as JSON, with what is given in the place of its own."""
    record: dict[str, object] = {
        "DeviceID": "d1",
        "Timestamp": "2026-01-31T12:00:00.25Z",
        "Cols": [1, 2.5, "x"],
    }
    return json.dumps({**record, **more}).encode()


def metrics() -> IngressMetrics:
    return IngressMetrics()
