"""The REST driver against a server that says anything."""

import gzip
import json
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from support.proxy import Proxy
from support.taos_server_http import HttpServer, Request, affected, answer

from taosink.ports import Driver
from taosink.taos import rest
from taosink.taos.address import parse
from taosink.taos.drivers import DriverOptions, connect
from taosink.taos.errors import ErrorClass, Local, TaosError


def driver_of(port: int, options: DriverOptions | None = None, database: str = "db") -> Driver:
    return connect(parse(f"http://user:Secret1%C3%BC@127.0.0.1:{port}/{database}"), options)


def failure(said: bytes, options: DriverOptions | None = None) -> TaosError:
    with HttpServer(lambda _request: said) as server:
        driver = driver_of(server.port, options)
        with pytest.raises(TaosError) as caught:
            driver.execute("select 1")
        driver.close()
    return caught.value


def test_one_connection_serves_all_statements() -> None:
    """Keep-alive: ten statements, one connection, the bytes as they were given."""
    with HttpServer(lambda _request: affected(3)) as server:
        driver = driver_of(server.port)
        assert [driver.execute(b"insert \xc3\xbc") for _ in range(10)] == [3] * 10
        driver.close()
        driver.close()
        assert server.connections == 1
        assert server.requests[0].body == b"insert \xc3\xbc"
        assert server.requests[0].line == "POST /rest/sql/db HTTP/1.1"


def test_a_connection_that_the_server_closed_is_made_anew() -> None:
    """An idle connection that was closed costs no statement."""
    last_words = affected(1).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
    with HttpServer(lambda _request: last_words) as server:
        driver = driver_of(server.port)
        assert driver.execute("a") + driver.execute("b") == 2
        driver.close()
        assert server.connections == 2


def test_basic_and_token_authorization() -> None:
    """UTF-8 logins; a token is Taosd's unless it names its own scheme."""
    with HttpServer(lambda _request: affected(1)) as server:
        for options in (
            None,
            DriverOptions(token="tok1"),
            DriverOptions(token="Bearer tok2"),
        ):
            driver = driver_of(server.port, options)
            driver.execute("x")
            driver.close()
        sent = [request.headers["authorization"] for request in server.requests]
    assert sent == ["Basic dXNlcjpTZWNyZXQxw7w=", "Taosd tok1", "Bearer tok2"]


def test_gzip_goes_both_ways() -> None:
    """The body is compressed, and a compressed answer is read."""

    def handler(request: Request) -> bytes:
        assert gzip.decompress(request.body) == b"select 1"
        assert request.headers["content-encoding"] == "gzip"
        body = gzip.compress(
            json.dumps({"code": 0, "column_meta": [["a", "INT", 4]], "data": [[7]]}).encode()
        )
        return answer(body, extra="Content-Encoding: gzip\r\n")

    with HttpServer(handler) as server:
        driver = driver_of(server.port, DriverOptions(gzip=True))
        result = driver.query("select 1")
        driver.close()
    assert (result.columns, result.rows) == (["a"], [[7]])


@pytest.mark.parametrize(
    ("said", "code", "kind"),
    [
        (answer({"code": 855, "desc": "Authentication failure"}), 0x0357, ErrorClass.FATAL),
        (answer({"code": 4357, "desc": "no auth"}, "401 Unauthorized"), 0x1105, ErrorClass.FATAL),
        (answer(b"denied", "401 Unauthorized"), Local.REFUSED, ErrorClass.FATAL),
        (answer(b"denied", "403 Forbidden"), Local.REFUSED, ErrorClass.FATAL),
        (answer("too many connections", "503 Service Unavailable"), Local.BUSY, ErrorClass.UNAVAILABLE),
        (answer({"code": 65535, "desc": "timeout"}, "503 x"), Local.BUSY, ErrorClass.UNAVAILABLE),
        (answer({"code": 0, "data": [[1]]}, "500 x"), Local.BUSY, ErrorClass.UNAVAILABLE),
        (answer(b"<html>", "502 Bad Gateway"), Local.BUSY, ErrorClass.UNAVAILABLE),
        (answer(b"<html>", "413 Too Large"), Local.TOO_LARGE, ErrorClass.TOO_LONG),
        (answer(b"404 page not found", "404 Not Found"), Local.PROTOCOL, ErrorClass.UNAVAILABLE),
        (answer(b"moved", "302 Found", "Location: http://x/\r\n"), Local.PROTOCOL, ErrorClass.UNAVAILABLE),
        (answer(b"<html>it works</html>"), Local.PROTOCOL, ErrorClass.UNAVAILABLE),
        (answer(b'{"code":0,"data":[[1]'), Local.PROTOCOL, ErrorClass.UNAVAILABLE),
        (answer([1, 2]), Local.PROTOCOL, ErrorClass.UNAVAILABLE),
        (answer({"code": "0"}), Local.PROTOCOL, ErrorClass.UNAVAILABLE),
        (answer(b"\xff\xfe"), Local.PROTOCOL, ErrorClass.UNAVAILABLE),
        (b"SSH-2.0-OpenSSH_9.0\r\n", Local.BROKEN, ErrorClass.UNAVAILABLE),
        (b"", Local.BROKEN, ErrorClass.UNAVAILABLE),
        (answer(b"x" * 100)[:-60] + b"Connection: close", Local.BROKEN, ErrorClass.UNAVAILABLE),
        (answer({"code": 534, "desc": "syntax error"}), 0x0216, ErrorClass.POISON),
        (answer({"code": 31337, "desc": "?"}), 31337, ErrorClass.UNKNOWN),
    ],
)
def test_every_answer_becomes_a_number_with_a_class(said: bytes, code: int, kind: ErrorClass) -> None:
    """TDengine's number where there is one, else the status; never an exception of the HTTP client."""
    error = failure(said)
    assert (error.code, error.kind) == (code, kind)
    assert "Secret1" not in f"{error}{error!r}{error.__cause__}"
    assert "http://user@127.0.0.1" in str(error)


def test_a_refused_connection_is_unavailable() -> None:
    """A closed port answers at once, and waits for nothing."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    driver = driver_of(port)
    with pytest.raises(TaosError) as caught:
        driver.execute("x")
    assert (caught.value.code, caught.value.kind) == (Local.CONNECT, ErrorClass.UNAVAILABLE)
    driver.close()


def test_a_name_that_does_not_resolve_is_unavailable() -> None:
    """DNS may come back."""
    driver = connect(parse("http://no-such-host.invalid:6041/db"))
    with pytest.raises(TaosError) as caught:
        driver.execute("x")
    assert caught.value.code == Local.CONNECT
    driver.close()


def test_a_silent_server_ends_in_a_timeout_and_the_next_call_connects_anew() -> None:
    """The read timeout bounds a call; the half-used connection is never used again."""
    release = threading.Event()
    calls = []

    def handler(_request: Request) -> bytes:
        calls.append(1)
        if len(calls) == 1:
            release.wait(10)
            return affected(99)
        return affected(2)

    with HttpServer(handler) as server:
        driver = driver_of(server.port, DriverOptions(read_timeout=0.2))
        with pytest.raises(TaosError) as caught:
            driver.execute("slow")
        assert (caught.value.code, caught.value.kind) == (Local.TIMEOUT, ErrorClass.UNAVAILABLE)
        release.set()
        assert driver.execute("fast") == 2
        assert server.connections == 2
        driver.close()


def test_a_reset_in_mid_answer_is_broken_and_the_driver_goes_on() -> None:
    """The statement may have been stored: the caller is told so, and the next call works."""
    with HttpServer(lambda _request: affected(1)) as server, Proxy("127.0.0.1", server.port) as proxy:
        driver = driver_of(proxy.port)
        driver.execute("one")
        proxy.reset_answer_after(40)
        for _ in range(2):
            with pytest.raises(TaosError) as caught:
                driver.execute("two")
            assert (caught.value.code, caught.value.kind) == (Local.BROKEN, ErrorClass.UNAVAILABLE)
            assert "may have been stored" in str(caught.value)
        proxy.restore()
        assert driver.execute("three") == 1
        proxy.cut()
        with pytest.raises(TaosError):
            driver.execute("four")
        proxy.restore()
        assert driver.execute("five") == 1
        driver.close()


def test_an_answer_beyond_the_bound_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded whatever the server sends."""
    monkeypatch.setattr(rest, "MAX_ANSWER_BYTES", 1000)
    assert failure(answer(b'"' + b"x" * 5000 + b'"')).code == Local.ANSWER_SIZE


def test_tls_without_trust_is_fatal_and_says_what_to_check() -> None:
    """A wrong scheme is an operator's mistake, not an outage."""
    with HttpServer(lambda _request: affected(1)) as server:
        driver = connect(parse(f"https://127.0.0.1:{server.port}/db"), DriverOptions(connect_timeout=5))
        with pytest.raises(TaosError) as caught:
            driver.execute("x")
        driver.close()
    assert caught.value.kind is ErrorClass.FATAL
    assert "TLS" in caught.value.message
    assert isinstance(caught.value.__cause__, Exception)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of its own for 127.0.0.1, with its key in the same file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command to make a certificate")
    where = tmp_path_factory.mktemp("tls")
    made = where / "both.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(where / "key.pem"), "-out", str(where / "ca.pem")),
        ],
        check=True,
        capture_output=True,
    )
    made.write_text((where / "key.pem").read_text() + (where / "ca.pem").read_text())
    return made


def test_tls_is_trusted_by_its_ca_or_not_at_all(certificate: Path) -> None:
    """With the CA a call works, without it is fatal, and unverified works and is warned of once at start."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with HttpServer(lambda _request: affected(1), context) as server:
        address = parse(f"https://127.0.0.1:{server.port}/db")
        trusted = connect(address, DriverOptions(ca=str(certificate.with_name("ca.pem"))))
        assert trusted.execute("x") + trusted.execute("y") == 2
        trusted.close()
        untrusted = connect(address)
        with pytest.raises(TaosError) as caught:
            untrusted.execute("x")
        assert caught.value.kind is ErrorClass.FATAL
        untrusted.close()
        with capture_logs() as logs:
            careless = connect(address, DriverOptions(verify=False))
        assert careless.execute("x") == 1
        careless.close()
    assert [entry["event"] for entry in logs] == ["taos.tls_unverified"]


def test_a_ca_file_that_cannot_be_read_is_fatal() -> None:
    """The set-up is wrong, and waiting would not mend it."""
    with HttpServer(lambda _request: affected(1)) as server:
        driver = connect(parse(f"https://127.0.0.1:{server.port}/db"), DriverOptions(ca="/no/such/ca.pem"))
        with pytest.raises(TaosError) as caught:
            driver.execute("x")
        driver.close()
    assert caught.value.kind is ErrorClass.FATAL


def test_options_show_no_token_and_take_no_line_break() -> None:
    """A token never reaches a log, nor a header line of its own."""
    assert "tok" not in repr(DriverOptions(token="tok1")).replace("token", "")
    with pytest.raises(ValueError, match="control character"):
        DriverOptions(token="a\r\nX: y")
    with pytest.raises(ValueError, match="above zero"):
        DriverOptions(read_timeout=0)


def test_repr_shows_where_and_no_password() -> None:
    """A driver in a log line is harmless."""
    driver = driver_of(1)
    assert repr(driver) == "<RestDriver http://user@127.0.0.1:1/db>"
    driver.close()
    assert "closed" in repr(driver)
