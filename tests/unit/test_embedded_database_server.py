"""The embedded database over HTTP: the adapter's manners, many connections, start and stop."""

import base64
import gzip
import http.client
import json
import os
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from taosink.embedded.database.server import CannotServeError, DatabaseServer, running

T = 1_700_000_000_000
BASIC = {"Authorization": "Basic " + base64.b64encode(b"root:taosdata").decode()}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running() as where:
        yield where


@contextmanager
def connected(url: str) -> Iterator[http.client.HTTPConnection]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=10)
    try:
        yield connection
    finally:
        connection.close()


def ask(
    connection: http.client.HTTPConnection,
    statement: str,
    database: str = "",
    headers: dict[str, str] | None = None,
) -> dict[str, Any]:
    path = f"/rest/sql/{database}" if database else "/rest/sql"
    connection.request("POST", path, statement.encode(), BASIC if headers is None else headers)
    answer: dict[str, Any] = json.loads(connection.getresponse().read())
    return answer


def get(url: str, path: str) -> tuple[int, bytes]:
    with connected(url) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()


def test_ping_and_what_is_not_there(url: str) -> None:
    """/-/ping needs no login; other methods and paths are a plain 404."""
    assert get(url, "/-/ping") == (200, b"")
    assert get(url, "/rest/sql") == (404, b"404 page not found")
    assert get(url, "/rest/sql/d") == (404, b"404 page not found")
    assert get(url, "/nosuch") == (404, b"404 page not found")


def test_the_token_of_a_login_is_a_login(url: str) -> None:
    """GET /rest/login gives a token that `Taosd` and `Bearer` take; a wrong password gives TDengine's number."""
    status, body = get(url, "/rest/login/root/taosdata")
    token = json.loads(body)["desc"]
    assert (status, json.loads(body)["code"]) == (200, 0)
    with connected(url) as connection:
        for scheme in ("Taosd", "Bearer"):
            assert ask(connection, "select 1", headers={"Authorization": f"{scheme} {token}"})["data"] == [
                [1]
            ]
        assert ask(connection, "select 1", headers={"Authorization": "Bearer !"})["code"] == 0x1124
        assert ask(connection, "select 1", headers={"Authorization": "Digest x"})["code"] == 0x1122
    assert json.loads(get(url, "/rest/login/root/wrong")[1])["code"] == 0x0357


def test_other_users() -> None:
    """The users are the caller's; the default login is then none."""
    with running(users={"me": "secret"}) as own, connected(own) as connection:
        mine = {"Authorization": "Basic " + base64.b64encode(b"me:secret").decode()}
        assert ask(connection, "select 1", headers=mine)["code"] == 0
        assert ask(connection, "select 1")["code"] == 0x0351


def test_bad_gzip_is_the_adapters_error(url: str) -> None:
    """A body that is not what its header says is refused, and the connection goes on."""
    with connected(url) as connection:
        headers = BASIC | {"Content-Encoding": "gzip"}
        connection.request("POST", "/rest/sql", b"select 1", headers)
        response = connection.getresponse()
        assert response.status == 400
        response.read()
        connection.request("POST", "/rest/sql", gzip.compress(b"select 1"), headers)
        assert json.loads(connection.getresponse().read())["data"] == [[1]]


def test_many_connections_write_at_once(url: str) -> None:
    """Twelve writers into one supertable, creating subtables as they go: every row is there once."""
    with connected(url) as connection:
        ask(connection, "create database many keep 36500")
        ask(connection, "create stable s (ts timestamp, v int) tags (w int)", "many")

    def write(worker: int) -> int:
        affected = 0
        with connected(url) as own:
            for batch in range(10):
                rows = "".join(f"({T + batch * 20 + i},{i})" for i in range(20))
                mine = f"`w{worker}_{batch % 3}` using s tags ({worker}) values {rows}"
                shared = f"`all` using s tags (0) values ({T + worker * 1000 + batch},1)"
                affected += ask(own, f"insert into {mine} {shared}", "many")["data"][0][0]
        return affected

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(write, range(12))) == 12 * 10 * 21
    with connected(url) as connection:
        assert ask(connection, "select count(*) from s", "many")["data"] == [[12 * 10 * 21]]
    counted = json.loads(get(url, "/-/stats")[1])
    assert counted["databases"]["many"] == {"rows_written": 2520, "rows_overwritten": 0}
    assert counted["rows_written"] >= 2520


def test_a_client_that_dies_in_mid_request_hurts_nobody(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Half a body and an end: nothing of it is stored, nothing is logged, the next request is served."""
    with connected(url) as connection:
        ask(connection, "create database half keep 36500")
        ask(connection, "create table t (ts timestamp, v int)", "half")
        parts = urlsplit(url)
        with socket.create_connection((str(parts.hostname), parts.port)) as dying:
            head = f"POST /rest/sql/half HTTP/1.1\r\nHost: x\r\nAuthorization: {BASIC['Authorization']}\r\n"
            dying.sendall(f"{head}Content-Length: 1000\r\n\r\ninsert into t values ({T},1)".encode())
        for _ in range(3):
            assert ask(connection, "select count(*) from t", "half")["data"] == [[0]]
    assert not caplog.records


def test_a_client_of_another_protocol_is_one_line(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """A Kafka client on this port tries again for ever; the log says so once."""
    metadata = struct.pack(">IHHIH", 10, 3, 1, 7, 0)
    parts = urlsplit(url)
    with capture_logs() as logs:
        for _ in range(20):
            with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=10) as client:
                client.sendall(metadata + b"\r\n\r\n")
                while client.recv(4096):
                    pass
    assert get(url, "/-/ping")[0] == 200
    assert [entry["event"] for entry in logs] == ["embedded.database.not_http"]
    assert not caplog.records


def test_a_stop_with_an_idle_connection_open_is_quick() -> None:
    """Keep-alive connections of pooled clients do not hold a stop up."""
    server = DatabaseServer("127.0.0.1:0", None, users={"root": "taosdata"})
    ready = threading.Event()
    thread = threading.Thread(target=server.run, args=(lambda _url: ready.set(),))
    thread.start()
    assert ready.wait(10)
    with connected(server.url) as connection:
        assert ask(connection, "select 1")["code"] == 0
        server.stop()
        thread.join(4)
        assert not thread.is_alive()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_ends_by_signal_with_0(number: signal.Signals) -> None:
    """`python -m taosink.embedded.database` prints its URL first, serves, and ends at SIGTERM or SIGINT."""
    command = [sys.executable, "-m", "taosink.embedded.database"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert get(url, "/-/ping")[0] == 200
            process.send_signal(number)
            assert process.wait(10) == 0
            assert process.stderr is not None
            assert process.stderr.read() == ""
        finally:
            process.kill()


def test_acknowledged_rows_survive_a_kill(tmp_path: Path) -> None:
    """With a data file, SIGKILL costs nothing that was answered."""
    path = tmp_path / "kill.db"
    program = (
        "import sys; from pathlib import Path; from taosink.embedded.database.server import serve; "
        "serve('127.0.0.1:0', Path(sys.argv[1]), on_ready=lambda url: print(url, flush=True))"
    )
    command = [sys.executable, "-c", program, os.fspath(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            with connected(process.stdout.readline().strip()) as connection:
                ask(connection, "create database d keep 36500")
                ask(connection, "create table t (ts timestamp, v int)", "d")
                assert ask(connection, f"insert into t values ({T},1)", "d")["data"] == [[1]]
        finally:
            process.kill()
    with running(data=path) as again, connected(again) as connection:
        assert ask(connection, "select v from t", "d")["data"] == [[1]]


def test_a_second_server_on_the_same_port_says_what_to_do(url: str) -> None:
    """One line that names the address, the reason and the way out."""
    address = url.removeprefix("http://")
    with pytest.raises(CannotServeError, match=rf"{address} \(it is in use\).*--listen") as raised:
        DatabaseServer(address, None, users={})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("listen", ["127.0.0.1:99999", "6041", "127.0.0.1:x", "127.0.0.1:"])
def test_an_address_that_is_none(listen: str) -> None:
    """The message shows the form."""
    with pytest.raises(CannotServeError, match="HOST:PORT"):
        DatabaseServer(listen, None, users={})


def test_a_data_file_that_cannot_be_used(tmp_path: Path) -> None:
    """Missing folder, foreign file, or another server's file: one line about --data."""
    foreign = tmp_path / "foreign"
    foreign.write_text("no database, but long enough to be read as one" * 20)
    stranger = tmp_path / "stranger.db"
    with closing(sqlite3.connect(stranger)) as other:
        other.executescript("create table databases(x); insert into databases values(1);")
    for path in (tmp_path / "no" / "such.db", foreign, stranger, tmp_path):
        with pytest.raises(CannotServeError, match="--data") as raised:
            DatabaseServer("127.0.0.1:0", path, users={})
        assert "\n" not in str(raised.value)
    mine = tmp_path / "mine.db"
    with running(data=mine), pytest.raises(CannotServeError, match=r"locked.*--data"):
        DatabaseServer("127.0.0.1:0", mine, users={})
