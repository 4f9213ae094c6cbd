"""A raw HTTP server that says whatever a test wants: right answers, wrong ones, and none."""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType


@dataclass(frozen=True, slots=True)
class Request:
    line: str
    headers: dict[str, str]
    body: bytes


Handler = Callable[[Request], bytes]
"""Returns the raw bytes of the answer; empty closes the connection."""


def answer(body: object, status: str = "200 OK", extra: str = "") -> bytes:
    """An HTTP answer with a JSON body."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n{extra}\r\n"
    return head.encode() + raw


def affected(rows: int) -> bytes:
    """TDengine's answer to a write."""
    return answer({"code": 0, "column_meta": [["affected_rows", "INT", 4]], "data": [[rows]], "rows": 1})


class HttpServer:
    """Loopback, ephemeral port, a thread per connection; `connections` counts them."""

    def __init__(self, handler: Handler, tls: ssl.SSLContext | None = None) -> None:
        self._handler = handler
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.requests: list[Request] = []
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> "HttpServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in self._open:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(client)
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self._talk(client if self._tls is None else self._tls.wrap_socket(client, server_side=True))
        client.close()

    def _talk(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as lines:
            while request := _request(lines):
                self.requests.append(request)
                if not request.line.endswith("HTTP/1.1"):
                    client.sendall(answer(b"no HTTP", "400 Bad Request"))
                    return
                said = self._handler(request)
                if not said:
                    return
                client.sendall(said)
                if b"Connection: close" in said:
                    return


def _request(lines: object) -> Request | None:
    read: Callable[..., bytes] = lines.readline  # type: ignore[attr-defined]  # a socket's file
    line = read().decode("latin-1").strip()
    if not line.endswith("HTTP/1.1"):
        return Request(line, {}, b"") if line else None
    headers = {}
    while header := read().decode().strip():
        name, _, text = header.partition(":")
        headers[name.lower()] = text.strip()
    size = int(headers.get("content-length", "0"))
    return Request(line, headers, lines.read(size))  # type: ignore[attr-defined]  # a socket's file
