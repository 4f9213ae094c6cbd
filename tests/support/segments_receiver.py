"""An application that receives messages: a small HTTP server on loopback that remembers what came."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """`status` is what it answers from now on; `bodies` are those it answered with a 2xx, `refused` the others."""

    def __init__(self) -> None:
        self.status = 200
        self.bodies: list[dict[str, Any]] = []
        self.refused: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = (
                -1
            )  # head and body in one write: in two, each answer waits 40 ms for an acknowledgement

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                taken = 200 <= receiver.status < 300
                receiver.headers.append(dict(self.headers))
                (receiver.bodies if taken else receiver.refused).append({"path": self.path, **body})
                self.send_response(receiver.status)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def texts(self, *, error: str = "") -> list[str]:
        return sorted(body["data"] for body in self.bodies if body["error"] == error)


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    receiver.server.daemon_threads = True
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.02,), name="receiver")
    thread.start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        thread.join()
        receiver.server.server_close()
