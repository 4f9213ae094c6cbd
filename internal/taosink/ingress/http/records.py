"""`POST /records`: readings of one request into Kafka, each with its own outcome."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.datastructures import Headers, QueryParams
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from taosink.ingress import spoken
from taosink.ingress.http.bearer import device_of
from taosink.ingress.http.body import Body, BodyLimits, Memory
from taosink.ingress.http.errors import Problem, answer, later
from taosink.ingress.http.publish import Outlet, Waits
from taosink.ingress.http.rates import Rates
from taosink.ingress.http.records_body import Converter, Rejected, form_of, overall, split
from taosink.ingress.http.routing import HttpCounting
from taosink.ingress.ports import Authenticator

_AT_ONCE = 200
"""Records between two turns of the loop, which serves sockets too: about a millisecond."""
_RETRY_S = 5


@dataclass(frozen=True, slots=True)
class RecordLimits:
    """Of `POST /records`. `rate` and `burst`: requests a second of one device, or of one address where any device
    may be written for; 0 is no limit. `in_flight`: requests under way in all."""

    body: BodyLimits = field(default_factory=BodyLimits)
    records: int = 10_000
    in_flight: int = 256
    rate: float = 50.0
    burst: float = 100.0
    waits: Waits = field(default_factory=Waits)

    def told(self) -> dict[str, float]:
        """For the metric of bounds."""
        return {
            "http_body_bytes": self.body.bytes,
            "http_all_bodies_bytes": self.body.all_bytes,
            "http_body_seconds": self.body.seconds,
            "http_records_per_request": self.records,
            "http_requests_in_flight": self.in_flight,
            "http_requests_per_second": self.rate,
        }


class Records:
    """The endpoint, an ASGI application. On the loop's thread."""

    def __init__(
        self,
        outlet: Outlet,
        authenticator: Authenticator,
        metrics: HttpCounting,
        limits: RecordLimits,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._outlet, self._authenticator, self._metrics = outlet, authenticator, metrics
        self._limits, self._clock = limits, clock
        self._memory = Memory(limits.body.all_bytes)
        self._rates = Rates(limits.rate, limits.burst)
        self._in_flight = 0

    def __repr__(self) -> str:
        return f"<Records in_flight={self._in_flight} {self._memory!r}>"

    def figures(self) -> dict[str, float]:
        """For the gauges."""
        return {"http_in_flight": self._in_flight, "http_body_bytes": self._memory.taken}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, request = Headers(scope=scope), spoken.HttpRequest.of(scope, self._outlet.client)
        self._in_flight += 1
        try:
            async with Body(headers, receive, self._limits.body, self._memory, clock=self._clock) as body:
                try:
                    response = await self._answer(scope, headers, body, request)
                except Problem as problem:
                    self._metrics.count("reject", problem.code)
                    spoken.http_refused(request, problem.code)
                    response = problem.response()
                    # What is not read would be taken for the next request, or hold the connection for ever.
                    if not await body.drain():
                        response.headers["connection"] = "close"
                await response(scope, receive, send)
        except ClientDisconnect:
            self._metrics.count("event", "http_body_cut")
        finally:
            self._in_flight -= 1

    async def _answer(
        self, scope: Scope, headers: Headers, body: Body, request: spoken.HttpRequest
    ) -> Response:
        began = self._clock()
        if self._in_flight > self._limits.in_flight:
            raise later(429, "too_many_in_flight", "too many requests are under way: send it again later", 1)
        query = QueryParams(scope["query_string"])
        stored = self._stored(query.get("ack", "kafka"))
        request.device = query.get("device", "")
        device = request.device = await self._device(scope, headers, query)
        wait = self._rates.wait(device or (scope.get("client") or ("",))[0], self._clock())
        if wait:
            raise later(429, "rate_limited", "more requests than this device may send a second", wait)
        form = form_of(headers.get("content-type", ""))
        raws = split(form, await body.read(), self._limits.records)
        rejected: list[Rejected] = []
        values: list[tuple[int, str, bytes]] = []
        converter = Converter(device, text=form != "msgpack")
        for index, raw in enumerate(raws):
            made = converter.convert(index, raw)
            if isinstance(made, Rejected):
                rejected.append(made)
            else:
                values.append((index, *made))
            if index % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
        rejected += await self._outlet.publish(values, stored=stored, uids=request.uids)
        response = self._told(len(raws), rejected, stored=stored)
        self._say(request, rejected, len(raws) - len(rejected), self._clock() - began)
        return response

    def _say(
        self, request: spoken.HttpRequest, rejected: list[Rejected], accepted: int, seconds: float
    ) -> None:
        codes = {one.code for one in rejected}
        if not rejected or accepted:
            spoken.http_ended(request, "partial" if rejected else "ok", seconds)
        elif "unknown_outcome" in codes:
            spoken.http_ended(request, "unknown", seconds)
        elif request.uids:
            spoken.http_ended(request, "rejected", seconds)
        else:
            spoken.http_refused(request, rejected[0].code)

    def _stored(self, ack: str) -> bool:
        if ack not in ("kafka", "stored"):
            raise Problem(400, "bad_request", "ack is `kafka` or `stored`")
        if ack == "stored" and not self._outlet.answers_stored:
            raise Problem(400, "bad_request", "this gateway hears no workers: ack can only be `kafka`")
        return ack == "stored"

    async def _device(self, scope: Scope, headers: Headers, query: QueryParams) -> str:
        certificate = scope.get("state", {}).get("peer_certificate")
        try:
            device = await device_of(self._authenticator, query.get("device", ""), headers, certificate)
        except Problem as problem:
            self._metrics.count("auth", problem.code)
            raise
        self._metrics.count("auth", "ok")
        return device

    def _told(self, total: int, rejected: list[Rejected], *, stored: bool) -> Response:
        rejected.sort(key=lambda one: one.index)
        accepted = total - len(rejected)
        if accepted:
            self._metrics.count("records", "stored" if stored else "accepted", accepted)
        for one in rejected:
            self._metrics.count("records", one.code)
        status = overall(rejected, accepted)
        content = {
            "accepted": accepted,
            "ack": "stored" if stored else "kafka",
            "rejected": [one.told() for one in rejected],
        }
        if status in (202, 207):
            return answer(status, content)
        # All of them share it: what a client that looks at errors alone needs stands beside the list.
        first = rejected[0]
        headers = {"retry-after": str(_RETRY_S)} if status == 503 else None
        return answer(status, {"errorCode": first.code, "errorMessage": first.text, **content}, headers)
