"""The consumer's status listener: its sockets, its thread, and its end."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from taosink.observe.listen_rule import parse_address
from taosink.observe.repeats import Repeats
from taosink.observe.status.guard import Guard
from taosink.observe.status.look import Looker
from taosink.observe.status.routes import EVERY, StatusCalls, make_app
from taosink.serving.serve import HttpServer, WireLimits, bind

log = structlog.get_logger()

LIMITS = WireLimits(connections=200, write_seconds=10.0, backlog=64)
QUIET = 60.0
REQUESTS_END = 0.5
"""Seconds that requests under way have when it closes."""


class StatusListener:
    """One thread, `status`, with a loop of its own: probes are answered whatever the workers wait for.

    Binds at once: raises CannotListenError, whose text is one line for an operator.
    """

    def __init__(self, listen: str, token: str) -> None:
        address = parse_address(listen)
        self._sockets: Sequence[socket.socket] = bind(address, LIMITS.backlog)
        self._guard = Guard(token, address.loopback)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = threading.Event()
        self._wake: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._repeats = Repeats(QUIET)
        host, number = self._sockets[0].getsockname()[:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{number}"

    def __repr__(self) -> str:
        return f"<StatusListener {self.url}>"

    def start(self, make_looker: Callable[[], Looker]) -> None:
        """Once. Logs `status.listening` when it answers."""
        self._thread = threading.Thread(target=self._run, args=(make_looker,), name="status", daemon=True)
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Ends streams, then connections; idempotent. False where the thread still runs after `timeout` seconds."""
        self._stop.set()
        if self._thread is None:
            for listener in self._sockets:
                listener.close()
            return True
        if self._loop is not None and self._wake is not None:
            with suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._wake.set)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self, make_looker: Callable[[], Looker]) -> None:
        try:
            asyncio.run(self._serve(make_looker()))
        except Exception:  # the consumer goes on without it: records are not to wait for a page
            log.exception("status.failed", meaning="probes and metrics are not answered; records flow on")

    async def _serve(self, looker: Looker) -> None:
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        calls = StatusCalls(looker)
        server = HttpServer(make_app(calls, self._guard), self._sockets, name="status", limits=LIMITS)
        await server.start()
        log.info("status.listening", url=self.url, protected=bool(self._guard.token))
        try:
            while not self._stop.is_set():
                await self._tick(calls)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), EVERY)
        finally:
            await calls.end()
            await server.stop(REQUESTS_END)

    async def _tick(self, calls: StatusCalls) -> None:
        try:
            await calls.tick()
        except Exception:  # one look that fails must not take the probes away
            unsaid = self._repeats.due("tick", time.monotonic())
            if unsaid is not None:
                log.exception(
                    "status.look_failed",
                    unsaid=unsaid,
                    meaning="probes are answered all the same; report it",
                )
