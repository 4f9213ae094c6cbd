"""A `taosink ingress` in a process of its own, and devices on plain sockets."""

import json
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from support.watched_process import WatchedProcess

from taosdevice.framing import FrameSplitter, Framing, decode_frame, encode_frame

PATIENCE = 30.0
DEFAULTS = {
    "ingress.tcp-listen": "127.0.0.1:0",
    "ingress.http-listen": "",
    "ingress.admin-listen": "127.0.0.1:0",
    "ingress.auth": "open",
    "log.format": "json",
}


class IngressProcess(WatchedProcess):
    """With the flags that are given, over those of a test."""

    def __init__(self, arguments: Mapping[str, str]) -> None:
        flags = [f"--{name}={value}" for name, value in {**DEFAULTS, **arguments}.items()]
        super().__init__("ingress", [sys.executable, "-m", "taosink_cli", "ingress", *flags])

    def address(self, listener: str = "tcp") -> tuple[str, int]:
        """Where it listens; waits until it does."""
        host, _, number = str(self.event("ingress.listening")[listener]).rpartition(":")
        return host, int(number)


@contextmanager
def ingress(arguments: Mapping[str, str]) -> Iterator[IngressProcess]:
    """Stopped with SIGTERM on leaving, killed where that does not help."""
    process = IngressProcess({"stop.deadline": "5s", **arguments})
    try:
        yield process
    finally:
        process.stop(signal.SIGTERM)


class SocketDevice:
    """A device on a blocking socket; each wait has an end."""

    def __init__(self, address: tuple[str, int], framing: Framing = Framing.JSON_LINES) -> None:
        self.framing = framing
        self.socket = socket.create_connection(address, PATIENCE)
        self._splitter = FrameSplitter(1 << 20, framing)
        self._frames: list[bytes] = []

    def __enter__(self) -> "SocketDevice":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, action: str, **more: Any) -> None:
        self.socket.sendall(encode_frame(self.framing, {"action": action, **more}))

    def hear(self) -> dict[str, Any]:
        """The next message; EOFError where the gateway has closed."""
        while not self._frames:
            data = self.socket.recv(65_536)
            if not data:
                raise EOFError
            self._frames += self._splitter.feed(data)
        return decode_frame(self.framing, self._frames.pop(0))

    def ask(self, action: str, **more: Any) -> dict[str, Any]:
        self.send(action, **more)
        return self.hear()

    def connect(self, device: str) -> dict[str, Any]:
        """Binds the device; gives back what the gateway said with it."""
        answer = self.ask("connect", deviceUid=device, uid="c")
        assert answer["status"] == "ok", json.dumps(answer)
        return dict(answer["data"])
