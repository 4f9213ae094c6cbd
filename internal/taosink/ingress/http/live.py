"""The gateway's live page: its document, the stream of it, and the minutes behind it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from taosink.ingress.http.errors import JSON, answer, later
from taosink.ingress.http.live_document import COUNTED, Facts, Standing, document, headline
from taosink.ingress.http.live_figures import Moments, Seen
from taosink.ingress.ports import Health
from taosink.observe.histogram import Spread
from taosink.observe.logs import RECENT
from taosink.observe.page.ring import Ring
from taosink.observe.page.serving import page_routes
from taosink.observe.page.watchers import TOO_MANY, Watchers
from taosink.observe.repeats import Repeats

log = structlog.get_logger()

EVERY = 1.0
"""Seconds between two looks."""
UNWATCHED = 5
"""Looks from one counting of the connections to the next while nobody watches: it takes longer the more there are."""
QUIET = 60.0
HISTORY = ("frames", "readings", "answers", "rejects", "connections", "in_flight", "kafka_waiting")


class Figures(Protocol):
    """`IngressMetrics`, as far as the page looks at it."""

    def counted(self, kind: str, reason: str) -> int: ...

    def counts(self, kind: str) -> Mapping[str, int]: ...

    def ack_times(self) -> Mapping[str, Spread]: ...

    def figures(self) -> Mapping[str, float]: ...

    def bounds(self) -> Mapping[str, float]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveDeps:
    """What the page is made of. `reasons`: why the gateway is not ready, `needs_operator`: whether somebody has to end
    that; `fault`: why it never will be again."""

    facts: Facts
    health: Health
    metrics: Figures
    reasons: Callable[[], Sequence[str]]
    fault: Callable[[], str]
    needs_operator: Callable[[], bool] = lambda: False
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time


class Live:
    """Used on the loop's thread. `tick` as often as one likes; it looks once a second, in some tens of microseconds,
    and puts a document together for who watches alone."""

    def __init__(self, deps: LiveDeps) -> None:
        self._deps = deps
        self._started = deps.clock()
        self._due = self._started
        spreads = deps.metrics.ack_times()
        self._moments = Moments(next(iter(spreads.values())).bounds if spreads else ())
        self._ring = Ring(HISTORY)
        self._watchers = Watchers()
        self._ticked = asyncio.Event()
        self._event = b""
        self._stopping = self._was_ready = False
        self._matter, self._since = "", self._started
        self._repeats = Repeats(QUIET)
        self._looks, self._figures = 0, deps.health.figures()

    def __repr__(self) -> str:
        return f"<Live watchers={len(self._watchers)}>"

    def routes(self) -> list[Route]:
        """For `AdminDeps.extra`."""
        return [
            *page_routes("gateway"),
            Route("/status.json", self._status, methods=["GET"]),
            Route("/history.json", self._history, methods=["GET"]),
            Route("/events", self._events, methods=["GET"]),
        ]

    def tick(self) -> None:
        """Looks, where a second has passed; tells who watches. Never blocks."""
        now = self._deps.clock()
        if now < self._due:
            return
        self._due = max(self._due + EVERY, now)
        try:
            self._look(now)
            if len(self._watchers):
                self._event = self._made()
        except Exception:  # devices and their deadlines are not to wait for a page
            unsaid = self._repeats.due("tick", now)
            if unsaid is not None:
                log.exception(
                    "status.look_failed",
                    unsaid=unsaid,
                    meaning="devices are served all the same; report it",
                )
        self._wake()

    def stop(self) -> None:
        """The page is told that the gateway stops; streams end, so that nothing waits for them. Never raises."""
        self._stopping = True
        with suppress(Exception):
            self._event = self._made()
        self._wake()

    def _made(self) -> bytes:
        return b"data: " + self._encoded() + b"\n\n"

    def _wake(self) -> None:
        ticked, self._ticked = self._ticked, asyncio.Event()
        ticked.set()

    def _look(self, now: float) -> None:
        metrics = self._deps.metrics
        acks = metrics.ack_times()
        moving = self._moments.look(
            Seen(
                now,
                metrics.counted("frames", "in"),
                metrics.counted("frames", "out"),
                metrics.counted("published", "readings"),
                sum(metrics.counts("reject").values()),
                {kind: spread.counts for kind, spread in acks.items()},
            )
        )
        if len(self._watchers) or self._looks % UNWATCHED == 0:
            self._figures = self._deps.health.figures()
        figures, self._looks = self._figures, self._looks + 1
        self._was_ready = self._was_ready or self._deps.health.ready
        matter = headline(self._standing(figures)).code
        if matter != self._matter:
            self._matter, self._since = matter, now
        self._ring.add(
            self._deps.wall(),
            moving.frames_in,
            moving.readings,
            sum(moving.acks.values()),
            moving.rejects,
            figures.get("connections"),
            figures.get("in_flight"),
            figures.get("kafka_waiting"),
        )

    def _standing(self, figures: Mapping[str, float]) -> Standing:
        return Standing(
            ready=self._deps.health.ready,
            was_ready=self._was_ready,
            stopping=self._stopping,
            fault=self._deps.fault(),
            reasons=tuple(self._deps.reasons()),
            needs_operator=self._deps.needs_operator(),
            paused=int(figures.get("paused", 0)),
            devices=int(figures.get("sessions", 0)),
        )

    def _encoded(self) -> bytes:
        return msgspec.json.encode(self._document())

    def _document(self) -> dict[str, Any]:
        deps, now = self._deps, self._deps.clock()
        figures = deps.metrics.figures()
        standing = self._standing(figures)
        head = headline(standing)
        if head.level != "good" and head.code == self._matter:
            head = head._replace(since=round(now - self._since, 1))
        return document(
            at=deps.wall(),
            uptime=now - self._started,
            facts=deps.facts,
            head=head,
            moving=self._moments.moving,
            counts={kind: deps.metrics.counts(kind) for kind in COUNTED},
            acks={kind: spread.values for kind, spread in deps.metrics.ack_times().items()},
            figures=figures,
            bounds=deps.metrics.bounds(),
            standing=standing,
            errors=RECENT.newest_first(),
        )

    async def _status(self, _request: Request) -> Response:
        return Response(self._encoded(), media_type=JSON, headers={"cache-control": "no-store"})

    async def _history(self, _request: Request) -> Response:
        return answer(200, self._ring.document())

    async def _events(self, request: Request) -> Response:
        found = self._watchers.answer(request.method, self._stream)
        if found is None:
            raise later(503, "too_many", TOO_MANY, 5)
        return found

    async def _stream(self) -> AsyncIterator[bytes]:
        yield b"retry: 2000\n\n" + self._made()
        while not self._stopping:
            await self._ticked.wait()
            yield self._event
