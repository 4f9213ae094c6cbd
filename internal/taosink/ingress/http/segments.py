"""The segment calls of the public listener: `POST /send`, `POST /transfer`, and `OPTIONS` on both."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from taosink.ingress import spoken
from taosink.ingress.http.bearer import device_of
from taosink.ingress.http.body import Body, BodyLimits, Memory
from taosink.ingress.http.errors import Problem, answer, later
from taosink.ingress.http.routing import HttpCounting
from taosink.ingress.ports import Authenticator, Done
from taosink.segments.forms import FormError, TooLongError, read_message, read_segment, segment_json

log = structlog.get_logger(__name__)

SEND, TRANSFER = "/send", "/transfer"
_ALLOW = "OPTIONS, POST"
_PREFLIGHT_SECONDS = "600"
_RETRY_S = 5


class Link(Protocol):
    """Takes a message's segments and sends them on in the background. Does not block."""

    def offer(self, name: str, sender: str, bodies: list[bytes]) -> bool:
        """False: there is no room for them; none was taken."""
        ...


PutRecord = Callable[[str, bytes, bytes | None, int, Done], bool]
"""`LoopPublishing.record`: topic, key, value, partition, done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentDeps:
    """What the calls are built from. `link` None: there is no `/send`. `origin`: whose pages may call, empty for
    none. `in_flight`: segments on their way to Kafka; `seconds`: how long one may take."""

    authenticator: Authenticator
    metrics: HttpCounting
    put: PutRecord
    link: Link | None = None
    topic: str = "segments"
    origin: str = ""
    body: BodyLimits = field(default_factory=lambda: BodyLimits(bytes=1 << 20, all_bytes=16 << 20))
    in_flight: int = 1000
    seconds: float = 10.0


def routes(deps: SegmentDeps) -> list[Route]:
    """For `PublicDeps.extra`."""
    memory = Memory(deps.body.all_bytes)
    found = [Route(TRANSFER, _Transfer(deps, memory), methods=["POST", "OPTIONS"])]
    if deps.link is not None:
        found.insert(0, Route(SEND, _Send(deps, memory, deps.link), methods=["POST", "OPTIONS"]))
    return found


class _Call:
    """One endpoint, an ASGI application. On the loop's thread."""

    def __init__(self, deps: SegmentDeps, memory: Memory) -> None:
        self._deps, self._memory = deps, memory

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._memory!r}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            await Response(status_code=204, headers=self._preflight())(scope, receive, send)
            return
        headers, request = Headers(scope=scope), spoken.HttpRequest.of(scope, None)
        began = time.monotonic()
        try:
            async with Body(headers, receive, self._deps.body, self._memory) as body:
                try:
                    response = await self._answer(scope, headers, body, request)
                    spoken.http_ended(request, "ok", time.monotonic() - began)
                except Problem as problem:
                    self._deps.metrics.count("reject", problem.code)
                    if problem.code == "unknown_outcome":
                        spoken.http_ended(request, "unknown", time.monotonic() - began)
                    else:
                        spoken.http_refused(request, problem.code)
                    response = problem.response()
                    # What is not read would be taken for the next request, or hold the connection for ever.
                    if not await body.drain():
                        response.headers["connection"] = "close"
                response.headers.update(self._shared())
                await response(scope, receive, send)
        except ClientDisconnect:
            self._deps.metrics.count("event", "http_body_cut")

    async def _answer(
        self, scope: Scope, headers: Headers, body: Body, request: spoken.HttpRequest
    ) -> Response:
        raise NotImplementedError

    async def _caller(self, scope: Scope, headers: Headers) -> str:
        certificate = scope.get("state", {}).get("peer_certificate")
        try:
            device = await device_of(self._deps.authenticator, "", headers, certificate)
        except Problem as problem:
            self._deps.metrics.count("auth", problem.code)
            raise
        self._deps.metrics.count("auth", "ok")
        return device

    def _shared(self) -> Mapping[str, str]:
        origin = self._deps.origin
        if not origin:
            return {}
        return {"access-control-allow-origin": origin} | ({} if origin == "*" else {"vary": "Origin"})

    def _preflight(self) -> Mapping[str, str]:
        """What a browser asks before it posts JSON from another origin's page (Fetch, 4.8)."""
        if not self._deps.origin:
            return {"allow": _ALLOW}
        return {
            "allow": _ALLOW,
            **self._shared(),
            "access-control-allow-methods": "POST",
            "access-control-allow-headers": "authorization, content-type, content-encoding",
            "access-control-max-age": _PREFLIGHT_SECONDS,
        }


class _Send(_Call):
    """A text, cut and sent on behind the caller's back: 200 says that it is queued, and no more."""

    def __init__(self, deps: SegmentDeps, memory: Memory, link: Link) -> None:
        super().__init__(deps, memory)
        self._link = link

    async def _answer(
        self, scope: Scope, headers: Headers, body: Body, request: spoken.HttpRequest
    ) -> Response:
        device = request.device = await self._caller(scope, headers)
        raw = await body.read()
        try:
            message = read_message(raw)
            bodies = [segment_json(segment) for segment in message.segments()]
        except TooLongError as error:
            raise Problem(413, "body_too_large", str(error)) from None
        except FormError as error:
            raise Problem(400, "bad_message", str(error)) from None
        request.device = device or message.sender
        if device and device != message.sender:
            raise Problem(403, "wrong_device", "username is not whom the bearer token names")
        if not self._link.offer(message.id, message.sender, bodies):
            raise later(503, "busy", "as many segments wait for the link as there is room for", _RETRY_S)
        self._deps.metrics.count("segment", "queued", len(bodies))
        return answer(200, {"id": message.id, "segments": len(bodies)})


class _Transfer(_Call):
    """One segment into Kafka, keyed by its sender, so that one consumer sees a message whole. Whoever has a valid
    token may hand over any sender's: it is the link's far end that calls."""

    def __init__(self, deps: SegmentDeps, memory: Memory) -> None:
        super().__init__(deps, memory)
        self._on_way = 0

    async def _answer(
        self, scope: Scope, headers: Headers, body: Body, request: spoken.HttpRequest
    ) -> Response:
        request.device = await self._caller(scope, headers)
        try:
            segment = read_segment(await body.read())
        except FormError as error:
            raise Problem(400, "bad_message", str(error)) from None
        request.device = segment.sender
        failure = await self._put(segment.sender.encode(), segment_json(segment))
        if failure:
            raise Problem(
                500,
                "unknown_outcome",
                f"Kafka has not taken it ({failure}): send it again, a second copy does no harm",
                {"retry-after": str(_RETRY_S)},
            )
        self._deps.metrics.count("segment", "accepted")
        return answer(200, {"segment_number": segment.number, "total_segments": segment.total})

    async def _put(self, key: bytes, value: bytes) -> str:
        """Empty where Kafka has it, else why not."""
        if self._on_way >= self._deps.in_flight:
            return "busy"
        told: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def done(failures: Mapping[int, str]) -> None:
            self._on_way -= 1
            if not told.done():
                told.set_result(failures.get(0, ""))

        # Partition -1: the client's own hash of the key.
        if not self._deps.put(self._deps.topic, key, value, -1, done):
            return "busy"
        self._on_way += 1
        try:
            async with asyncio.timeout(self._deps.seconds):
                return await told
        except TimeoutError:
            return "no answer in time"
