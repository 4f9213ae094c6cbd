"""Who may speak to the admin listener: its token, its own names, and no web page on an operator's behalf."""

import ipaddress
from urllib.parse import unquote

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from taosink.ingress.http.bearer import check_operator
from taosink.ingress.http.errors import Problem
from taosink.observe.status.guard import OPEN_PATHS, is_foreign

_LOGIN = 'Basic realm="taosink", charset="UTF-8"'


class Guard:
    """An ASGI application in front of another's routes. Probes and metrics are for everybody, as they are with the
    consumer's status listener; the rest is for who has the token. It also routes by the path as it was sent: in
    `/devices/a%2Fb` the slash is the device's."""

    def __init__(self, app: ASGIApp, *, token: str, loopback: bool) -> None:
        self._app, self._token, self._loopback = app, token, loopback

    def __repr__(self) -> str:
        return f"<Guard token={bool(self._token)} loopback={self._loopback}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            if not _is_open(scope):
                self._check(scope["method"], Headers(scope=scope))
        except Problem as problem:
            response = problem.response()
            if problem.status == 401:
                # A line of its own: browsers read the first scheme of a line, and ask for a login by this one alone.
                response.headers.append("www-authenticate", _LOGIN)
            response.headers["connection"] = "close"  # its body is not read
            await response(scope, receive, send)
            return
        if raw := scope.get("raw_path"):
            scope["path"] = raw.decode("latin-1")
        await self._app(scope, receive, send)

    def _check(self, method: str, headers: Headers) -> None:
        if self._loopback and not is_loopback_name(headers.get("host", "")):
            # A web page can have its own name resolve to 127.0.0.1; the browser then lets it read the answers.
            raise Problem(421, "wrong_host", "Host names no loopback address: ask for 127.0.0.1 or localhost")
        if is_foreign(headers.get("origin"), headers.get("host", "")):
            raise Problem(403, "wrong_origin", "requests of pages of other sites are refused")
        check_operator(headers, self._token)
        if method in ("GET", "HEAD", "OPTIONS"):
            return
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            # Any page may post a form to loopback without asking; for this type the browser asks first.
            raise Problem(415, "unsupported_media_type", "Content-Type is application/json")


def _is_open(scope: Scope) -> bool:
    return scope["method"] in ("GET", "HEAD") and scope["path"] in OPEN_PATHS


def is_loopback_name(host: str) -> bool:
    """Whether a Host header can only mean this machine."""
    name = host.strip().lower()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    name = name.removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def part_of_path(request: Request, name: str) -> str:
    """A path parameter, decoded. Raises Problem 400 where it is no UTF-8."""
    try:
        return unquote(request.path_params[name], errors="strict")
    except UnicodeDecodeError:
        raise Problem(400, "bad_request", f"the {name} in the path is no percent-encoded UTF-8") from None
