"""What a connection may cost before any route has seen it, and how a listener starts and stops."""

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import trustme
from starlette.types import Receive, Scope, Send
from support.http_rig import Listener, read_all, serving

from taosink.observe.listen_rule import Address, parse_address
from taosink.serving.serve import CannotListenError, HttpServer, WireLimits, bind

LIMITS = WireLimits(
    connections=8, head_bytes=4096, head_seconds=0.4, keep_alive_seconds=0.5, write_seconds=0.4
)
GET = b"GET / HTTP/1.1\r\nhost: x\r\n"


class App:
    """Answers `size` bytes once `go` is set."""

    def __init__(self) -> None:
        self.size, self.piece = 2, 100_000_000
        self.go = threading.Event()
        self.go.set()
        self.asked = 0

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        self.asked += 1
        while not self.go.is_set():
            await asyncio.sleep(0.005)
        if scope["path"] == "/boom":
            raise ZeroDivisionError
        head = {"status": 200, "headers": [(b"content-length", str(self.size).encode())]}
        await send({"type": "http.response.start", **head})
        left = self.size
        while left:
            piece = b"k" * min(left, self.piece)
            left -= len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": bool(left)})


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def listener(app: App) -> Iterator[Listener]:
    with serving(lambda: app, limits=LIMITS) as found:
        yield found


def code_of(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["errorCode"]


@pytest.mark.parametrize(
    "pieces",
    [
        [GET + b"a: " + b"x" * 1_000_000 + b"\r\n\r\n"],
        [GET + b"a: ", *[b"x" * 1000] * 50],
        [GET, *[b"a%d: b\r\n" % i for i in range(2000)]],
        [b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n"],
    ],
)
def test_a_head_is_bounded_while_it_is_read(app: App, listener: Listener, pieces: list[bytes]) -> None:
    """431, whether it is one header of a megabyte, one without an end, or thousands; no route sees it."""
    answer = listener.raw(*pieces)
    # A client that goes on sending may be cut before it reads why.
    assert answer == b"" or code_of(answer) == (431, "head_too_large")
    assert listener.refused == ["head_too_large"]
    assert app.asked == 0


def test_a_head_has_a_time(listener: Listener) -> None:
    """408 for half a head; a connection that says nothing, or only line ends, is closed without a word."""
    assert code_of(listener.raw(GET)) == (408, "timeout")
    assert listener.raw() == b""
    assert listener.raw(b"\r\n") == b""
    assert listener.refused == ["slow_head", "silent", "silent"]


@pytest.mark.parametrize(
    "bytes_", [b"\x16\x03\x01\x02\x00\x01\x00", b'{"action":"ping"}\n', b"\0\0\0\5abcde", b"GET\r\n\r\n"]
)
def test_what_is_no_http_is_told_so(
    app: App, listener: Listener, caplog: pytest.LogCaptureFixture, bytes_: bytes
) -> None:
    """TLS on a plain listener, a device's JSON, a frame: 400, counted, and no route sees it."""
    assert code_of(listener.raw(bytes_)) == (400, "bad_request")
    assert listener.refused == ["not_http"]
    assert app.asked == 0
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


def test_a_large_body_is_no_large_head(listener: Listener) -> None:
    """What comes behind the head does not count as head, nor does the next request of the connection."""
    body = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n" + bytes(100_000)
    answer = listener.raw(body, body, GET + b"connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert listener.refused == []


def test_a_slow_answer_is_no_slow_head(app: App, listener: Listener) -> None:
    """While a request is answered no timer of heads or of idling ends its connection."""
    app.go.clear()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(listener.raw, GET + b"connection: close\r\n\r\n")
        end = time.monotonic() + 3 * LIMITS.head_seconds
        while time.monotonic() < end:
            assert not asked.done()
            time.sleep(0.02)
        app.go.set()
        assert asked.result(10).endswith(b"kk")


def test_idle_connections_are_closed(listener: Listener) -> None:
    """Kept alive between requests, and no longer than it may be."""
    with listener.connect() as sock:
        for _ in range(2):
            sock.sendall(GET + b"\r\n")
            answer = b""
            while not answer.endswith(b"kk"):
                answer += sock.recv(1000)
            assert answer.startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        assert read_all(sock) == b""
        assert 0.2 < time.monotonic() - began < 5


def test_one_connection_too_many_is_told_when_to_come_again(listener: Listener) -> None:
    """503 with Retry-After; the others are served."""
    held = [listener.connect() for _ in range(LIMITS.connections)]
    try:
        for sock in held:
            sock.sendall(GET[:10])
        answer = listener.raw()
        assert code_of(answer) == (503, "too_many_connections")
        assert b"retry-after: 5" in answer
        held[0].sendall(GET[10:] + b"connection: close\r\n\r\n")
        assert read_all(held[0]).startswith(b"HTTP/1.1 200")
    finally:
        for sock in held:
            sock.close()


@pytest.mark.parametrize("piece", [100_000_000, 500_000])
@pytest.mark.parametrize("then", [b"connection: close\r\n", b""])
def test_a_client_that_never_reads_is_cut(app: App, listener: Listener, piece: int, then: bytes) -> None:
    """Its answers do not stay in memory: the connection ends, at once or piece by piece, kept alive or not."""
    app.size, app.piece = 30_000_000, piece
    with listener.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(GET + then + b"\r\n")
        end = time.monotonic() + 10
        while listener.refused != ["slow_reader"]:
            assert time.monotonic() < end
            time.sleep(0.01)


def test_a_defect_ends_one_request(listener: Listener) -> None:
    """An application that raises is a 500; the next request is served."""
    assert listener.get("/boom")[0] == 500
    assert listener.get("/")[0] == 200


def test_a_stop_lets_requests_end_within_its_time(app: App) -> None:
    """Requests under way are answered, one that takes too long is cut, and nobody new is let in."""
    app.go.clear()
    with serving(lambda: app, limits=LIMITS) as found, ThreadPoolExecutor(2) as pool:
        asked = pool.submit(found.raw, GET + b"\r\n")
        while not app.asked:
            time.sleep(0.005)
        stopping = asyncio.run_coroutine_threadsafe(found.server.stop(10), found.loop)
        while found.server._server.servers and found.server._server.servers[0].is_serving():
            time.sleep(0.005)
        with pytest.raises(ConnectionRefusedError):
            found.connect()
        app.go.set()
        answer = asked.result(10)
        assert answer.startswith(b"HTTP/1.1 200")
        stopping.result(10)
    app.go.clear()
    app.asked = 0
    with serving(lambda: app, limits=LIMITS) as found, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(found.raw, GET + b"\r\n")
        while not app.asked:
            time.sleep(0.005)
        began = time.monotonic()
        found.do(found.server.stop(0.2))
        assert time.monotonic() - began < 5
        assert b"200 OK" not in asked.result(10)
        assert found.server.connections == 0


def test_a_stop_cuts_those_who_do_not_read(app: App) -> None:
    """An answer that nobody takes does not outlive the stop."""
    app.size = 30_000_000
    slow = replace(LIMITS, write_seconds=60, keep_alive_seconds=60)
    with serving(lambda: app, limits=slow) as found, found.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(GET + b"\r\n")
        while not app.asked:
            time.sleep(0.005)
        found.do(found.server.stop(0.1))
        assert found.server.connections == 0


def test_a_listener_that_was_never_started_gives_its_sockets_back(app: App) -> None:
    """Stop without start closes them."""
    sockets = bind(parse_address("127.0.0.1:0"))
    server = HttpServer(app, sockets, name="x")
    assert server.addresses[0].number
    asyncio.run(server.stop(1))
    assert sockets[0].fileno() == -1


def test_an_address_that_is_taken_is_told() -> None:
    """One line with what to do; nothing is left open."""
    with bind(parse_address("127.0.0.1:0"))[0] as taken:
        number = taken.getsockname()[1]
        with pytest.raises(CannotListenError, match="it is in use"):
            bind(Address("127.0.0.1", number))
    with pytest.raises(CannotListenError, match="cannot listen"):
        bind(Address("no.such.host.invalid", 1))


def test_an_empty_host_is_every_interface() -> None:
    """IPv4, and IPv6 where there is one, on one number."""
    sockets = bind(Address("", 0))
    try:
        assert len({sock.getsockname()[1] for sock in sockets}) == 1
        assert socket.AF_INET in {sock.family for sock in sockets}
    finally:
        for sock in sockets:
            sock.close()


def test_tls_gives_the_clients_certificate_to_the_application() -> None:
    """Over TLS a route sees who calls; without a certificate, and without TLS, nobody."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    seen: list[object] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        seen.append((scope["scheme"], scope["state"]["peer_certificate"]))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    client = ssl.create_default_context()
    authority.configure_trust(client)
    with serving(lambda: app, context=context) as found:
        for certificate in (None, authority.issue_cert("device-7@example.org", common_name="device-7")):
            if certificate is not None:
                certificate.configure_cert(client)
            with found.connect() as sock, client.wrap_socket(sock, server_hostname="127.0.0.1") as secure:
                secure.sendall(GET + b"connection: close\r\n\r\n")
                assert secure.recv(1000).startswith(b"HTTP/1.1 204")
    assert seen[0] == ("https", None)
    assert "device-7" in str(seen[1])
