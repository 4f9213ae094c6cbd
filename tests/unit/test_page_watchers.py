"""Who follows a page's stream is counted, whoever it is and however many come at once."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from starlette.types import ASGIApp
from support.http_rig import Listener, Well, metrics, serving
from support.status_rig import StatusRig

from taosink.ingress.http.live import Live, LiveDeps
from taosink.ingress.http.live_document import Facts
from taosink.ingress.http.routing import application
from taosink.observe.page.watchers import MOST
from taosink.observe.status.guard import Guard
from taosink.observe.status.routes import StatusCalls, make_app


def consumer() -> ASGIApp:
    return make_app(StatusCalls(StatusRig().looker), Guard("", loopback=True))


def gateway() -> ASGIApp:
    counted: Any = metrics()
    live = Live(
        LiveDeps(
            facts=Facts("s0", "1.2.3", "readings"),
            health=Well(),
            metrics=counted,
            reasons=lambda: (),
            fault=lambda: "",
        )
    )
    return application("admin", live.routes(), counted)


@pytest.fixture(params=[consumer, gateway])
def listener(request: pytest.FixtureRequest) -> Iterator[Listener]:
    make: Callable[[], ASGIApp] = request.param
    with serving(make) as found:
        yield found


def ask(listener: Listener, stack: ExitStack, method: str = "GET") -> tuple[bytes, socket.socket]:
    sock = stack.enter_context(listener.connect())
    sock.sendall(f"{method} /events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return sock.recv(15)[9:12], sock


def test_no_more_watch_than_may_however_many_come_at_once(listener: Listener) -> None:
    """They are asked for in one moment; a place is free again when somebody has gone."""
    with ExitStack() as stack, ThreadPoolExecutor(4 * MOST) as pool:
        found = list(pool.map(lambda _: ask(listener, stack), range(4 * MOST)))
        assert sorted(status for status, _ in found) == [b"200"] * MOST + [b"503"] * (3 * MOST)
        next(sock for status, sock in found if status == b"200").close()
        end = time.monotonic() + 10
        while ask(listener, stack)[0] != b"200":
            assert time.monotonic() < end
            time.sleep(0.02)


def test_who_asks_for_the_head_alone_watches_nothing(listener: Listener) -> None:
    """It is answered whole, and its connection takes the next request."""
    with ExitStack() as stack:
        for _ in range(MOST + 1):
            sock = stack.enter_context(listener.connect())
            sock.sendall(b"HEAD /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            head = sock.recv(4096)
            assert head.startswith(b"HTTP/1.1 200")
            assert b"text/event-stream" in head
            sock.sendall(b"HEAD /history.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert sock.recv(4096).startswith(b"HTTP/1.1 200")
        assert ask(listener, stack)[0] == b"200"


def test_who_watches_a_consumer_is_told_of_its_stop() -> None:
    """However quick it is: a page that hears nothing more could not tell a stop from a crash."""
    rig = StatusRig()
    made: list[StatusCalls] = []

    def make() -> ASGIApp:
        made.append(StatusCalls(rig.looker))
        return make_app(made[0], Guard("", loopback=True))

    with serving(make) as listener:
        stream = listener.http.request("GET", "/events", preload_content=False)
        lines = (line for line in stream if line.startswith(b"data: "))
        assert json.loads(next(lines)[6:])["state"] == "running"
        rig.stopping = True
        listener.do(made[0].end())
        assert json.loads(next(lines)[6:])["headline"]["code"] == "stopping"
        assert next(lines, None) is None
