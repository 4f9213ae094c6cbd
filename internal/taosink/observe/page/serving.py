"""Serves the page's files out of the package, with headers that let nothing foreign in."""

from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Literal, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Page = Literal["consumer", "gateway"]

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    # Texts of devices stand on the page: a script that puts one in as markup fails, whoever wrote it.
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    # Asked for again each time, and answered 304: after an upgrade no old script reads a new document.
    "cache-control": "private, no-cache",
}


class Asset(NamedTuple):
    body: bytes
    content_type: str
    etag: str


@cache
def names() -> frozenset[str]:
    """The files that there are."""
    return frozenset(one.name for one in files(__package__).joinpath("assets").iterdir() if one.is_file())


@cache
def asset(name: str) -> Asset:
    """Read once. Raises KeyError for what is no file of the page; a path is none."""
    if name not in names():
        raise KeyError(name)
    body = files(__package__).joinpath("assets", name).read_bytes()
    kind = name.rpartition(".")[2]
    return Asset(body, _TYPES[kind], f'"{sha256(body).hexdigest()[:20]}"')


def page_routes(page: Page) -> list[Route]:
    """`/`, and what it needs under `/page/`. Nothing is read before it is asked for."""

    async def start(request: Request) -> Response:
        return _answer(request, f"{page}.html")

    async def part(request: Request) -> Response:
        return _answer(request, request.path_params["name"])

    return [Route("/", start, methods=["GET"]), Route("/page/{name}", part, methods=["GET"])]


def _answer(request: Request, name: str) -> Response:
    try:
        found = asset(name)
    except KeyError:
        raise HTTPException(404) from None
    headers = {**HEADERS, "etag": found.etag}
    if found.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(found.body, headers={**headers, "content-type": found.content_type})
