"""uvicorn's HTTP/1.1 connection with the bounds that it lacks: heads in size and time, answers nobody reads."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from taosink.observe.repeats import Repeats

log = structlog.get_logger()

QUIET_S = 60.0
_TEXTS = {
    400: ("bad_request", "this is no HTTP request: check scheme, address and client"),
    408: ("timeout", "the request's head did not come whole in time"),
    431: ("head_too_large", "the request's head is larger than this server takes"),
    503: ("too_many_connections", "as many connections are open as this server takes: try again later"),
}


@dataclass(frozen=True, slots=True)
class WireLimits:
    """Bounds of one listener. Seconds and bytes."""

    connections: int = 1000
    head_bytes: int = 16_384
    head_seconds: float = 10.0
    keep_alive_seconds: float = 60.0
    write_seconds: float = 20.0
    handshake_seconds: float = 10.0
    backlog: int = 512


class _HeadTooLargeError(Exception):
    """Raised inside the parser, which makes one error of its own of it."""


class WireLog:
    """Stands where uvicorn has its logger: strangers cannot fill the log, defects are always in it."""

    level = 100
    """Above everything: what uvicorn says of single connections is not even put together."""

    def __init__(self, listener: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._listener, self._clock = listener, clock
        self._repeats = Repeats(QUIET_S)

    def warning(self, message: str, *_args: object) -> None:
        """Of a head that cannot be parsed the connection tells by `stranger`: it knows which kind it is."""

    def stranger(self, address: str) -> None:
        """Somebody speaks no HTTP here."""
        times = self._repeats.due("stranger", self._clock())
        if times is not None:
            log.warning(
                "http.not_http",
                listener=self._listener,
                address=address,
                meaning="what calls speaks no HTTP, or TLS with a listener that has none, or the other way",
                unsaid=times,
            )

    def error(self, message: str, *_args: object, exc_info: BaseException | None = None) -> None:
        if isinstance(exc_info, asyncio.CancelledError):
            log.warning(
                "http.request_cut",
                listener=self._listener,
                meaning="the time to stop was over; what it had published stays published, and a resend is safe",
            )
            return
        times = self._repeats.due(f"{message}{exc_info!r}", self._clock())
        if times is not None:
            log.error(
                "http.defect",
                listener=self._listener,
                problem=message.strip(),
                exc_info=exc_info,
                meaning="one request was answered 500; what it had published stays published",
                unsaid=times,
            )

    def info(self, message: str, *args: object) -> None:
        """Nothing: requests are counted, not logged."""

    log = info


class Connection(HttpToolsProtocol):
    """One connection. Its class is made per listener by `bounded`."""

    limits: ClassVar[WireLimits]
    wire_log: ClassVar[WireLog]
    refused: ClassVar[Callable[[str], None]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = self.wire_log  # type: ignore[assignment]  # it has the three methods that are called
        self.access_log = False
        self._peer: Any = None
        self._status = 400
        self._in_head = self._head_began = False
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._peer = transport.get_extra_info("peercert") or None
        if len(self.connections) > self.limits.connections:
            self.connections.discard(self)
            self.refuse(503, "too_many_connections")
            return
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        self._stop_write_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._head_began = False
        super().data_received(data)
        if self.transport.is_closing():
            return
        # Where the head began in this very piece the rest of the piece may belong to the request before.
        if self._in_head and not self._head_began:
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.head_bytes:
                self.refuse(431, "head_too_large")
                return
        if self._head_timer is None and (self._in_head or self._idle):
            self._watch_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["peer_certificate"] = self._peer
        self._in_head = self._head_began = True
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._add_to_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._add_to_head(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_head_timer()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch_writing()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_write_timer()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._watch_writing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's own text, without a code
        if self._status == 400:
            self.wire_log.stranger(self.client[0] if self.client else "")
        self.refuse(self._status, "head_too_large" if self._status == 431 else "not_http")

    def refuse(self, status: int, reason: str) -> None:
        """Answers without the application, and closes. An answer that is under way is cut instead."""
        type(self).refused(reason)
        if not self._idle:
            self.transport.abort()
            return
        code, text = _TEXTS[status]
        body = json.dumps({"errorCode": code, "errorMessage": text}).encode()
        after = b"retry-after: 5\r\n" if status == 503 else b""
        self.transport.write(
            STATUS_LINE[status]
            + b"content-type: application/json\r\nconnection: close\r\n"
            + after
            + b"content-length: %d\r\n\r\n%b" % (len(body), body)
        )
        self.transport.close()
        self._watch_writing()

    @property
    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _add_to_head(self, nbytes: int) -> None:
        self._head_bytes += nbytes
        if self._head_bytes > self.limits.head_bytes:
            self._status = 431
            raise _HeadTooLargeError

    def _watch_head(self) -> None:
        self._head_timer = self.loop.call_later(self.limits.head_seconds, self._head_late)

    def _head_late(self) -> None:
        self._head_timer = None
        if self.transport.is_closing():
            return
        if not self._idle:
            # It came behind a request that is being answered, and reading may be paused for that one's sake.
            self._watch_head()
        elif self._in_head:
            self.refuse(408, "slow_head")
        else:
            type(self).refused("silent")
            self.transport.close()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _watch_writing(self) -> None:
        if self._write_timer is None and self.transport.get_write_buffer_size():
            self._write_timer = self.loop.call_later(self.limits.write_seconds, self._abort)

    def _abort(self) -> None:
        self._write_timer = None
        if self.transport.get_write_buffer_size():
            type(self).refused("slow_reader")
            self.transport.abort()


def bounded(listener: str, limits: WireLimits, refused: Callable[[str], None]) -> type[Connection]:
    """The connection class of one listener. `refused` is called with a reason, on the loop."""
    return type(
        "BoundedConnection",
        (Connection,),
        {"limits": limits, "wire_log": WireLog(listener), "refused": staticmethod(refused)},
    )
