"""A TCP proxy on loopback that a test can cut, freeze, slow down and reset."""

import contextlib
import socket
import struct
import threading
from types import TracebackType

_CHUNK = 64 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Proxy:
    """Stands between a client and `host:port`. Thread-safe; leaving the `with` ends all that it started."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads: list[threading.Thread] = []
        self._flowing = threading.Event()
        self._flowing.set()
        self._closing = threading.Event()
        self._listener: socket.socket | None = None
        self._answer_limit: int | None = None
        self.delay = 0.0
        """Seconds that each piece waits, in each direction."""
        self.connections = 0
        self.port = 0
        self.restore()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Proxy 127.0.0.1:{self.port} to {self._target} {len(self._pairs)} open>"

    def restore(self) -> None:
        """Listens (again, at the same port after a cut) and lets everything flow."""
        with self._lock:
            self._answer_limit = None
            if self._listener is None and not self._closing.is_set():
                listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
                self.port = listener.getsockname()[1]
                self._listener = listener
                self._start(self._accept, listener)
        self.delay = 0.0
        self._flowing.set()

    def cut(self) -> None:
        """As a server that was killed: connections are refused, and open ones reset."""
        with self._lock:
            listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.reset()

    def reset(self) -> None:
        """Resets the open connections; new ones are welcome."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _reset(*pair)

    def reset_answer_after(self, size: int) -> None:
        """The next answers are reset once `size` bytes of them have passed, until `restore`."""
        with self._lock:
            self._answer_limit = size

    def freeze(self) -> None:
        """Connections stay open and nothing passes, until `thaw` or `restore`."""
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    def close(self) -> None:
        self._closing.set()
        self.cut()
        self._flowing.set()
        for thread in self._threads:
            thread.join(10)

    def _start(self, work: object, *arguments: object) -> None:
        assert callable(work)
        thread = threading.Thread(target=work, args=arguments, name="proxy", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target, timeout=10)
            except OSError:
                _reset(client)
                continue
            server.settimeout(None)
            with self._lock:
                self.connections += 1
                self._pairs.append((client, server))
                self._start(self._pump, client, server, False)
                self._start(self._pump, server, client, True)

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        passed = 0
        try:
            while piece := source.recv(_CHUNK):
                if self.delay:
                    self._closing.wait(self.delay)
                self._flowing.wait()
                limit = self._answer_limit if answers else None
                if limit is not None and passed + len(piece) > limit:
                    sink.sendall(piece[: limit - passed])
                    _reset(source, sink)
                    return
                sink.sendall(piece)
                passed += len(piece)
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_WR)
        except OSError:
            _reset(source, sink)
        finally:
            if answers:
                source.close()
                sink.close()


def _reset(*sockets: socket.socket) -> None:
    """Closes with a RST instead of a FIN, and wakes whoever reads from it."""
    for each in sockets:
        with contextlib.suppress(OSError):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RD)
        each.close()
