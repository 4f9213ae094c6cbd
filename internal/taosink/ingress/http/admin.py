"""The admin listener: commands to devices, who is connected, health, metrics."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from taosdevice.protocol import device_problem
from taosink.ingress.http.body import Body, BodyLimits, Memory
from taosink.ingress.http.command_body import new_command
from taosink.ingress.http.desk import CommandDesk, CommandRefusedError, Holder, PresenceView
from taosink.ingress.http.errors import Problem, answer, later
from taosink.ingress.http.guard import Guard, part_of_path
from taosink.ingress.http.routing import HttpCounting, application
from taosink.ingress.ports import Directory, Health

LISTENER = "admin"
MOST_LISTED = 1000
_LISTED = 100
_REFUSALS = {"conflict": 409, "too_many": 429, "not_ready": 503, "busy": 503}
Exposition = Callable[[str], tuple[bytes, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminDeps:
    """What the admin listener is built from. `token` empty: none is asked for, which `observe.listen_rule` allows
    on loopback alone. `reasons`: why the gateway is not ready, empty where it is. `fault`: why it never will be
    again. `exposition`: metrics for an Accept header. `extra`: routes of others, such as the live page's."""

    server_id: str
    desk: CommandDesk
    presence: PresenceView
    directory: Directory
    health: Health
    reasons: Callable[[], Sequence[str]]
    fault: Callable[[], str]
    exposition: Exposition
    metrics: HttpCounting
    token: str = field(default="", repr=False)
    loopback: bool = True
    body: BodyLimits = field(default_factory=lambda: BodyLimits(bytes=65_536, seconds=15.0))
    extra: Sequence[BaseRoute] = ()


class _Admin:
    def __init__(self, deps: AdminDeps) -> None:
        self._deps = deps
        self._memory = Memory(deps.body.all_bytes)

    def __repr__(self) -> str:
        return f"<Admin {self._deps.server_id}>"

    def routes(self) -> list[BaseRoute]:
        return [
            *self._deps.extra,
            Route("/devices", self._devices, methods=["GET"]),
            Route("/devices/{id}", self._device, methods=["GET"]),
            Route("/devices/{id}/commands", self._commands, methods=["GET", "POST"]),
            Route("/clients/{id}/commands", self._client_commands, methods=["POST"]),
            Route("/commands/{id}", self._command, methods=["GET"]),
            Route("/livez", self._live, methods=["GET"]),
            Route("/readyz", self._ready, methods=["GET"]),
            Route("/healthz", self._health, methods=["GET"]),
            Route("/metrics", self._metrics, methods=["GET"]),
        ]

    # Commands

    async def _commands(self, request: Request) -> Response:
        device = _device_in(request)
        if request.method == "POST":
            return await self._put(request, device=device)
        return answer(200, {"deviceUid": device, "commands": list(self._deps.desk.views_of(device))})

    async def _client_commands(self, request: Request) -> Response:
        client = part_of_path(request, "id")
        if len(client.encode(errors="surrogatepass")) > 128 or not client.isprintable():
            raise Problem(400, "bad_request", "this can be no client id")
        return await self._put(request, client=client)

    async def _put(
        self, request: Request, *, device: str | None = None, client: str | None = None
    ) -> Response:
        async with Body(request.headers, request.receive, self._deps.body, self._memory) as body:
            try:
                command = new_command(await body.read(), device=device, client=client)
            except Problem as problem:
                if not await body.drain():
                    problem.headers["connection"] = "close"
                raise
        try:
            view = await self._deps.desk.put(command)
        except CommandRefusedError as refused:
            status = _REFUSALS[refused.reason]
            if status in (429, 503):
                raise later(status, refused.reason, refused.text, 5) from None
            raise Problem(status, refused.reason, refused.text) from None
        return answer(202, {"id": view["id"], "state": view["state"]})

    async def _command(self, request: Request) -> Response:
        view = self._deps.desk.view(part_of_path(request, "id"))
        if view is None:
            text = "no such command, or it ended over an hour ago and is forgotten"
            raise Problem(404, "not_found", text)
        return answer(200, view)

    # Devices

    async def _devices(self, request: Request) -> Response:
        limit = request.query_params.get("limit", str(_LISTED))
        if not (limit.isascii() and limit.isdecimal() and 1 <= int(limit[:9]) <= MOST_LISTED):
            raise Problem(400, "bad_request", f"limit is a number from 1 to {MOST_LISTED}")
        after = request.query_params.get("after", "")
        found = self._deps.presence.holders(after, int(limit) + 1)
        page = found[: int(limit)]
        content: dict[str, Any] = {"devices": [self._told(holder) for holder in page]}
        if len(found) > len(page):
            content["after"] = page[-1].device
        return answer(200, content)

    async def _device(self, request: Request) -> Response:
        device = _device_in(request)
        holder = self._deps.presence.holder(device)
        if holder is None:
            raise Problem(404, "not_found", "the device is not connected to any gateway")
        return answer(200, self._told(holder))

    def _told(self, holder: Holder) -> Mapping[str, Any]:
        here = holder.server == self._deps.server_id
        told: dict[str, Any] = {
            "deviceUid": holder.device,
            "serverId": holder.server,
            "clientId": holder.client,
            "since": holder.at,
            "here": here,
        }
        if holder.url:
            told["url"] = holder.url
        session = self._deps.directory.view_of(holder.device) if here else None
        if session is not None:
            told |= {"address": session.address, "tls": session.tls, "framing": session.framing}
        return told

    # Health

    async def _live(self, _request: Request) -> Response:
        fault = self._deps.fault()
        return answer(503 if fault else 200, {"live": not fault, **({"fault": fault} if fault else {})})

    async def _ready(self, _request: Request) -> Response:
        reasons = self._not_ready()
        return answer(503 if reasons else 200, {"ready": not reasons, "reasons": reasons})

    async def _health(self, _request: Request) -> Response:
        reasons, fault = self._not_ready(), self._deps.fault()
        content = {
            "serverId": self._deps.server_id,
            "live": not fault,
            "ready": not reasons,
            "reasons": reasons,
            "figures": dict(self._deps.health.figures()),
        }
        return answer(503 if reasons or fault else 200, content)

    def _not_ready(self) -> list[str]:
        reasons = list(self._deps.reasons())
        return reasons if reasons or self._deps.health.ready else ["the gateway is starting or stopping"]

    async def _metrics(self, request: Request) -> Response:
        body, content_type = self._deps.exposition(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type, "cache-control": "no-store"})


def _device_in(request: Request) -> str:
    device = part_of_path(request, "id")
    if problem := device_problem(device):
        raise Problem(400, "bad_request", f"this can be no device id: {problem}")
    return device


def make_admin(deps: AdminDeps) -> ASGIApp:
    """The application of the admin listener, to be served by `serve.HttpServer`."""
    guard = partial(Guard, token=deps.token, loopback=deps.loopback)
    return application(LISTENER, _Admin(deps).routes(), deps.metrics, guard)
