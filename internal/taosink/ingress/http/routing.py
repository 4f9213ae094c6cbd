"""A starlette application whose every answer is JSON, counted by route and status, and whose defects are told."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taosink.ingress.http.errors import Problem, on_defect, on_disconnect, on_http_exception, on_problem

UNKNOWN = "unknown"
"""The route of a path that there is not."""


class HttpCounting(Protocol):
    """What is counted of HTTP requests. `route` is one of the routes' paths, or `unknown`."""

    def count(self, kind: str, reason: str, n: int = 1) -> None: ...

    def http(self, listener: str, route: str, status: int, seconds: float) -> None: ...


def application(
    listener: str,
    routes: Sequence[BaseRoute],
    metrics: HttpCounting,
    guard: Callable[[ASGIApp], ASGIApp] = lambda app: app,
) -> ASGIApp:
    """The routes with the house's answers for what goes wrong, behind a guard whose refusals are counted too.
    Slashes are not put right: a path is or is not."""
    app = Starlette(
        routes=routes,
        exception_handlers={
            Problem: on_problem,
            HTTPException: on_http_exception,
            ClientDisconnect: on_disconnect,
            Exception: on_defect,
        },
    )
    app.router.redirect_slashes = False
    paths = {route.endpoint: route.path for route in routes if isinstance(route, Route)}
    return Counted(guard(app), listener, paths, metrics)


class Counted:
    """Counts each request by its route and the status of its answer."""

    def __init__(
        self,
        app: ASGIApp,
        listener: str,
        paths: "dict[Callable[..., object], str]",
        metrics: HttpCounting,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app, self._listener, self._paths = app, listener, paths
        self._metrics, self._clock = metrics, clock

    def __repr__(self) -> str:
        return f"<Counted {self._listener}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        began, status = self._clock(), 0

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, told)
        finally:
            route = self._paths.get(scope.get("endpoint"), UNKNOWN)  # type: ignore[arg-type]  # None is no key of it
            # 499, nginx's number for a client that went away: no answer was begun.
            self._metrics.http(self._listener, route, status or 499, self._clock() - began)
