"""The calls that the status listener answers. Everything here runs on the listener's own loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import msgspec
import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from taosbatch.offsets import Lane
from taosink.observe.expose import exposition, registry
from taosink.observe.health import Reason
from taosink.observe.metrics import ConsumerMetrics
from taosink.observe.page.ring import Ring
from taosink.observe.page.serving import page_routes
from taosink.observe.page.watchers import TOO_MANY, Watchers
from taosink.observe.status.document import database_document, document, health_document, reasons
from taosink.observe.status.guard import Guard
from taosink.observe.status.look import Look, Looker

log = structlog.get_logger()

EVERY = 1.0
"""Seconds between two snapshots of `/events`."""
HISTORY = ("stored", "consumed", "arriving", "lag", "lag_seconds", "dead_lettered")
_NEVER_KEPT = {"cache-control": "no-store"}


class StatusCalls:
    """The routes and what they share: one look a second, told to everybody who watches."""

    def __init__(self, looker: Looker) -> None:
        self._looker = looker
        self._parts = looker.parts
        self._watchers = Watchers()
        self._ticked = asyncio.Condition()
        self._event = b""
        self._ended = False
        self._ring = Ring(HISTORY)
        self._registry = registry()
        self._registry.register(ConsumerMetrics(looker.parts, looker.facts, looker.look))
        self.routes = [
            *page_routes("consumer"),
            Route("/livez", self._live),
            Route("/readyz", self._ready),
            Route("/healthz", self._healthy),
            Route("/metrics", self._metrics),
            Route("/status.json", self._status),
            Route("/history.json", self._history),
            Route("/events", self._events),
            Route("/breakers/{topic}/{partition:int}/close", self._close_breaker, methods=["POST"]),
        ]

    def __repr__(self) -> str:
        return f"<StatusCalls watchers={len(self._watchers)}>"

    async def tick(self) -> None:
        """One look, for the rates and for everybody who watches `/events`. To be called once a second."""
        look = self._looker.tick()
        self._remember(look)
        if len(self._watchers):
            self._event = b"data: " + self._encoded(look) + b"\n\n"
        async with self._ticked:
            self._ticked.notify_all()

    def _remember(self, look: Look) -> None:
        speed = look.speed
        self._ring.add(
            look.at,
            speed.stored,
            speed.consumed,
            speed.arriving,
            look.lag,
            look.lag_seconds,
            speed.dead_lettered,
        )

    async def end(self) -> None:
        """Streams come to their end, with a last look: who watches is told that this is a stop."""
        with suppress(Exception):
            self._event = b"data: " + self._encoded(self._looker.look()) + b"\n\n"
        self._ended = True
        async with self._ticked:
            self._ticked.notify_all()

    def _encoded(self, look: Look) -> bytes:
        return msgspec.json.encode(document(look, self._parts, self._looker.facts))

    async def _live(self, _request: Request) -> Response:
        return _verdict(self._looker.look().health.live)

    async def _ready(self, _request: Request) -> Response:
        return _verdict(self._looker.look().health.ready)

    async def _healthy(self, _request: Request) -> Response:
        look = self._looker.look()
        body = health_document(look.health) | {
            "database": database_document(look),
            "breakers_open": [_name(p.lane) for p in look.partitions if p.state == "stopped"],
            "paused": [_name(p.lane) for p in look.partitions if p.state == "paused"],
            "dead_letters_blocked": dict(look.letters.blocked),
            "lag": look.lag,
        }
        return _json(body, 503 if look.health.healthy else 200)

    async def _metrics(self, request: Request) -> Response:
        body, content_type = exposition(self._registry, request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type, **_NEVER_KEPT})

    async def _status(self, _request: Request) -> Response:
        return Response(
            self._encoded(self._looker.look()), media_type="application/json", headers=_NEVER_KEPT
        )

    async def _history(self, _request: Request) -> Response:
        return _json(self._ring.document(), 200)

    async def _events(self, request: Request) -> Response:
        found = self._watchers.answer(request.method, self._stream)
        return found or _json({"error": TOO_MANY}, 503, {"retry-after": "5"})

    async def _stream(self) -> AsyncIterator[bytes]:
        yield b"retry: 2000\n\ndata: " + self._encoded(self._looker.look()) + b"\n\n"
        while not self._ended:
            async with self._ticked:
                if not self._ended:
                    await self._ticked.wait()
            yield self._event

    async def _close_breaker(self, request: Request) -> Response:
        lane = Lane(request.path_params["topic"], request.path_params["partition"])
        if lane not in self._parts.source.view.lanes:
            return _json(
                {"error": f"{_name(lane)} is not with this consumer; /status.json tells what is"}, 404
            )
        if not self._parts.breakers.close(lane):
            return _json({"error": f"{_name(lane)} is not stopped by its breaker"}, 409)
        # What waits for the next probe goes at once.
        self._parts.queue.release([lane])
        return _json({"closed": {"topic": lane.topic, "partition": lane.partition}}, 200)


class Guarded:
    """ASGI middleware: asks the guard before anything else is done with a request."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope.get("headers", ())}
        refusal = self._guard.refuses(scope["path"], scope["method"], headers)
        if refusal is None:
            await self._app(scope, receive, send)
            return
        challenge = {"www-authenticate": 'Basic realm="taosink status"'} if refusal.status == 401 else {}
        await _json({"error": refusal.message}, refusal.status, challenge)(scope, receive, send)


def make_app(calls: StatusCalls, guard: Guard) -> Starlette:
    plain = {404: _plain, 405: _plain}
    return Starlette(routes=calls.routes, middleware=[Middleware(Guarded, guard)], exception_handlers=plain)


async def _plain(request: Request, error: Exception) -> Response:
    status, what = getattr(error, "status_code", 404), getattr(error, "detail", "Not Found")
    return _json({"error": f"{what}: {request.method} {request.url.path[:200]}"}, status)


def _verdict(found: tuple[Reason, ...]) -> Response:
    return _json({"ok": not found, "reasons": reasons(found)}, 503 if found else 200)


def _json(body: Any, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        media_type="application/json",
        headers=_NEVER_KEPT | (headers or {}),
    )


def _name(lane: Lane) -> str:
    return f"{lane.topic}/{lane.partition}"
