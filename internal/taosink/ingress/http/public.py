"""The public listener: what devices that speak HTTP may ask for."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from taosink.ingress.http.errors import answer
from taosink.ingress.http.openapi import description
from taosink.ingress.http.publish import Outlet
from taosink.ingress.http.records import RecordLimits, Records
from taosink.ingress.http.routing import HttpCounting, application
from taosink.ingress.ports import Authenticator, Health, Owed, Publishing
from taosink.observe.ingress_metrics import Figures

LISTENER = "public"
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>taosink ingress</title>
<h1>taosink ingress is alive</h1>
<p>New readings are {state}.</p>
<p>Devices send them to <code>POST /records</code>; <a href="openapi.json">openapi.json</a> says how.</p>
</html>
"""
_PAGE_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicDeps:
    """What the public listener is built from. `owed`: None where workers' answers are not heard. `client`: how
    it is called in reply headers; of this process alone, or a late answer to an earlier one's records would count.
    `extra`: routes of others, such as the segments'."""

    publishing: Publishing
    authenticator: Authenticator
    metrics: HttpCounting
    health: Health
    limits: RecordLimits = field(default_factory=RecordLimits)
    owed: Owed | None = None
    client: str = field(default_factory=lambda: f"http-{secrets.token_hex(6)}")
    extra: Sequence[BaseRoute] = ()


class Public:
    """The application, and what can be told of it. To be made on the loop that serves it."""

    def __init__(self, deps: PublicDeps) -> None:
        self._health = deps.health
        outlet = Outlet(deps.publishing, deps.limits.waits, owed=deps.owed, client=deps.client)
        self._records = Records(outlet, deps.authenticator, deps.metrics, deps.limits)
        routes = [
            Route("/", self._alive, methods=["GET"]),
            Route("/records", self._records, methods=["POST"]),
            Route("/openapi.json", self._openapi, methods=["GET"]),
            *deps.extra,
        ]
        self._description = description([route.path for route in routes if isinstance(route, Route)])
        self.app: ASGIApp = application(LISTENER, routes, deps.metrics)

    def __repr__(self) -> str:
        return f"<Public {self._records!r}>"

    @property
    def figures(self) -> Figures:
        """For `IngressMetrics.gauges`."""
        return self._records.figures

    async def _alive(self, _request: Request) -> Response:
        state = "welcome" if self._health.ready else "not taken at the moment"
        return HTMLResponse(_PAGE.format(state=state), headers=_PAGE_HEADERS)

    async def _openapi(self, _request: Request) -> Response:
        return answer(200, self._description)


def make_public(deps: PublicDeps) -> Public:
    """The public listener; `.app` is served by `serve.HttpServer`."""
    return Public(deps)
