"""The HTTP side: starlette and uvicorn in front of one database thread."""

import asyncio
import errno
import gzip
import re
import signal
import socket
import sqlite3
import threading
import traceback
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from . import protocol
from .engine import Engine
from .errors import TaosError
from .strangers import few_warnings

log = structlog.get_logger()


class CannotServeError(Exception):
    """The server cannot start; the text is one line that says what to do."""


class DatabaseServer:
    """One embedded database on one socket. `run` blocks; `stop` may be called from any thread."""

    def __init__(self, listen: str, data: Path | None, *, users: Mapping[str, str]) -> None:
        """Binds and opens at once. Raises CannotServeError."""
        self._users = dict(users)
        self._engine = _open_engine(data)
        try:
            self._socket = _bind(listen)
        except BaseException:
            self._engine.close()
            raise
        host, port = self._socket.getsockname()[:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="embedded-database")
        routes = [
            Route("/rest/sql", self._sql, methods=["POST"]),
            Route("/rest/sql/{db}", self._sql, methods=["POST"]),
            Route("/rest/login/{user}/{password}", self._login, methods=["GET"]),
            Route("/-/ping", self._ping, methods=["GET"]),
            Route("/-/stats", self._stats, methods=["GET"]),
        ]
        not_found = {404: self._not_found, 405: self._not_found}
        config = uvicorn.Config(
            Starlette(routes=routes, exception_handlers=not_found),
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_keep_alive=300,
            timeout_graceful_shutdown=5,
            server_header=False,
        )
        self._server = uvicorn.Server(config)

    def __repr__(self) -> str:
        return f"DatabaseServer({self.url!r})"

    def run(self, on_ready: Callable[[str], None]) -> None:
        """Serves until `stop`, SIGTERM or SIGINT; calls `on_ready` with the URL once requests are taken."""
        try:
            with few_warnings():
                asyncio.run(self._serve(on_ready))
        finally:
            self._worker.shutdown()
            self._engine.close()
            self._socket.close()

    def stop(self) -> None:
        self._server.should_exit = True

    async def _serve(self, on_ready: Callable[[str], None]) -> None:
        loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():
            # uvicorn stops on these by itself and then raises them again: unhandled, they would end the process.
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self.stop)
        serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started and not serving.done():
            await asyncio.sleep(0.005)
        if self._server.started:
            on_ready(self.url)
        await serving

    async def _not_found(self, _request: Request, _error: Exception) -> Response:
        return PlainTextResponse(
            "404 page not found", status_code=404, headers={"content-type": "text/plain"}
        )

    async def _ping(self, _request: Request) -> Response:
        return Response(status_code=200)

    async def _stats(self, request: Request) -> Response:
        loop = asyncio.get_running_loop()
        stats = await loop.run_in_executor(self._worker, self._engine.stats)
        return _json(request, 200, msgspec.json.encode(stats))

    async def _login(self, request: Request) -> Response:
        user, password = request.path_params["user"], request.path_params["password"]
        token = protocol.login_token(user, password)
        try:
            protocol.authorize(f"Taosd {token}", self._users)
        except TaosError as error:
            return _json(request, 200, protocol.error_body(error.code, error.desc))
        return _json(request, 200, msgspec.json.encode({"code": 0, "desc": token}))

    async def _sql(self, request: Request) -> Response:
        try:
            raw = await request.body()
        except ClientDisconnect:
            return Response(status_code=400)
        try:
            protocol.authorize(request.headers.get("authorization"), self._users)
            raw, zone = _statement(request, raw)
        except protocol.HttpError as error:
            return _json(request, error.status, protocol.error_body(error.code, error.desc))
        except TaosError as error:
            return _json(request, 200, protocol.error_body(error.code, error.desc))
        database = request.path_params.get("db")
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(self._worker, self._execute, raw, database, zone)
        return _json(request, 200, answer)

    def _execute(self, raw: bytes, database: str | None, zone: ZoneInfo | None) -> bytes:
        try:
            answer = self._engine.execute(raw.decode(errors="replace"), database, size=len(raw))
            return protocol.body(answer, zone)
        except TaosError as error:
            return protocol.error_body(error.code, error.desc)
        except Exception as error:  # noqa: BLE001 - a defect must answer as an error, never as a dead connection
            # The statement and the exception's own text may hold a device's values.
            log.error(
                "embedded.database.defect",
                error=type(error).__name__,
                bytes=len(raw),
                where=traceback.format_tb(error.__traceback__)[-1],
            )
            return protocol.error_body(0x0002, "embedded database: internal error")


def _statement(request: Request, raw: bytes) -> tuple[bytes, ZoneInfo | None]:
    """The statement's bytes and the time zone of its answer. Raises HttpError, as the adapter has it."""
    if request.headers.get("content-encoding", "").lower() == "gzip":
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error):
            raise protocol.HttpError(400, protocol.BAD_REQUEST, "invalid gzip body") from None
    if not raw:
        raise protocol.HttpError(400, protocol.EMPTY_BODY, "request is empty")
    if not raw.strip():
        raise protocol.HttpError(400, protocol.NO_SQL, "no sql input")
    request_id = request.query_params.get("req_id", "")
    if request_id and not re.fullmatch("[+-]?[0-9]{1,19}", request_id):
        raise protocol.HttpError(
            400, protocol.BAD_REQUEST, f"illegal param, req_id must be numeric {request_id}"
        )
    name = request.query_params.get("tz")
    try:
        return raw, ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise protocol.HttpError(400, protocol.BAD_REQUEST, f"unknown time zone {name}") from None


def _json(request: Request, status: int, content: bytes) -> Response:
    headers = {"content-type": "application/json; charset=utf-8"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        content = gzip.compress(content, 1)
        headers["content-encoding"] = "gzip"
    return Response(content, status, headers)


def _open_engine(data: Path | None) -> Engine:
    try:
        return Engine(data)
    except (sqlite3.Error, OSError, ValueError, KeyError, TypeError) as error:
        # The last three: a SQLite file, but not one of this server's.
        raise CannotServeError(
            f"cannot use the data file {data} ({error}): give --data a writable path, or leave it out to keep "
            "everything in memory"
        ) from error


def _bind(listen: str) -> socket.socket:
    host, colon, port = listen.rpartition(":")
    try:
        if not colon or not 0 <= int(port) <= 65_535:
            raise ValueError("no address with a port up to 65535")
        infos = socket.getaddrinfo(
            host.strip("[]") or "127.0.0.1", int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (ValueError, OSError) as error:
        raise CannotServeError(
            f"cannot listen on {listen!r} ({error}): write HOST:PORT, such as 127.0.0.1:6041"
        ) from error
    family, kind, proto, _, address = infos[0]
    listener = socket.socket(family, kind, proto)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(256)
    except OSError as error:
        listener.close()
        why = "it is in use" if error.errno == errno.EADDRINUSE else str(error)
        raise CannotServeError(
            f"cannot listen on {listen} ({why}): stop what uses it, or choose another --listen (port 0 picks one)"
        ) from error
    return listener


def serve(
    listen: str,
    data: Path | None,
    *,
    on_ready: Callable[[str], None],
    user: str = "root",
    password: str = "taosdata",  # noqa: S107 - TDengine's own published default
) -> None:
    """Serves until SIGTERM or SIGINT (main thread only). `data` is a SQLite file, None keeps all in memory.

    Raises CannotServeError before `on_ready` is called; its text is one line for an operator.
    """
    DatabaseServer(listen, data, users={user: password}).run(on_ready)


@contextmanager
def running(
    listen: str = "127.0.0.1:0", data: Path | None = None, *, users: Mapping[str, str] | None = None
) -> Iterator[str]:
    """A server on a thread of this process, for tests; gives its URL and stops it on leaving."""
    server = DatabaseServer(listen, data, users=users or {"root": "taosdata"})
    ready = threading.Event()
    thread = threading.Thread(
        target=server.run, args=(lambda _url: ready.set(),), name="embedded-database-http"
    )
    thread.start()
    try:
        if not ready.wait(30):
            raise RuntimeError("the embedded database did not start within 30 seconds")
        yield server.url
    finally:
        server.stop()
        with suppress(RuntimeError):
            thread.join(15)
