"""What the doctor finds at an address: real listeners, right ones and wrong ones."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.kafka_broker import free_ports
from support.mock_cluster import MockKafka
from support.taos_server_http import HttpServer, answer

from taosink.doctor import brokers, database
from taosink.doctor.brokers import why_no_broker
from taosink.doctor.findings import Finding, Status
from taosink.doctor.spoken import CONSUMER_HEARTBEAT, Spoken, listen, reach
from taosink.settings.connection import KafkaSettings, TaosSettings

HOST = "127.0.0.1"


class Silent:
    """Takes connections; says nothing, or hangs up at once."""

    def __init__(self, *, hangs_up: bool) -> None:
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._hangs_up = hangs_up
        self._kept: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> "Silent":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        for each in self._kept:
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            if self._hangs_up:
                peer.close()
            else:
                self._kept.append(peer)


@pytest.fixture(scope="module")
def mock() -> Iterator[tuple[str, int]]:
    broker = MockKafka()
    try:
        host, _, number = broker.bootstrap.partition(":")
        yield host, int(number)
    finally:
        broker.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command to make a certificate")
    where = tmp_path_factory.mktemp("tls")
    certificate, key = where / "cert.pem", where / "key.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


@pytest.fixture
def https(certificate: tuple[Path, Path]) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with HttpServer(lambda _: answer({}), context) as server:
        yield server.port


@pytest.fixture
def http() -> Iterator[int]:
    with HttpServer(lambda _: answer({})) as server:
        yield server.port


def test_a_broker_tells_what_it_serves(mock: tuple[str, int]) -> None:
    """By the requests that it offers."""
    heard = listen(*mock, 4)
    assert heard.spoken is Spoken.KAFKA
    assert CONSUMER_HEARTBEAT in heard.requests


@pytest.mark.parametrize("first", [Spoken.KAFKA, Spoken.HTTP])
def test_each_is_known_whatever_was_expected(
    first: Spoken, mock: tuple[str, int], http: int, https: int
) -> None:
    """A broker, an HTTP server, and something that speaks TLS."""
    assert listen(*mock, 4, first=first).spoken is Spoken.KAFKA
    assert listen(HOST, http, 4, first=first).spoken is Spoken.HTTP
    assert listen(HOST, https, 4, first=first).spoken is Spoken.TLS


@pytest.mark.parametrize("hangs_up", [True, False])
def test_what_says_nothing_is_left_in_time(hangs_up: bool) -> None:
    """A peer that never answers costs no more than the time given."""
    began = time.monotonic()
    with Silent(hangs_up=hangs_up) as peer:
        assert listen(HOST, peer.port, 1).spoken is Spoken.SOMETHING
    assert time.monotonic() - began < 2


def test_nobody_there() -> None:
    """A closed port and an unknown name are told apart."""
    (closed,) = free_ports(1)
    assert listen(HOST, closed, 2).spoken is Spoken.REFUSED
    assert listen("no-such-host.invalid", 9092, 2).spoken is Spoken.UNRESOLVED
    gone = reach(HOST, closed, 2)
    assert gone is not None
    assert gone.spoken is Spoken.REFUSED


def knocked(kafka: KafkaSettings) -> Finding:
    (found,) = brokers.knock(kafka, 4)
    assert "\n" not in found.line
    return found


def test_wrong_addresses_of_kafka_are_named(mock: tuple[str, int], http: int, https: int) -> None:
    """Each in one line, with what to do."""
    (closed,) = free_ports(1)
    for number, words in (
        (closed, "nothing listens at"),
        (http, "is an HTTP server (HTTP/1.1"),
        (https, "speaks TLS; set kafka.tls"),
    ):
        found = knocked(KafkaSettings(brokers=(f"{HOST}:{number}",)))
        assert found.status is Status.FAILED
        assert words in found.line
    with Silent(hangs_up=False) as peer:
        found = knocked(KafkaSettings(brokers=(f"{HOST}:{peer.port}",)))
    assert "does not speak Kafka" in found.line
    assert knocked(KafkaSettings(brokers=(f"{mock[0]}:{mock[1]}",))).status is Status.OK


def test_tls_that_is_not_there_or_not_trusted(mock: tuple[str, int], http: int, https: int) -> None:
    """The settings ask for TLS: a plain broker, a plain HTTP server, and a certificate of nobody's."""
    for number, words in (
        (mock[1], "speaks Kafka without TLS; leave out kafka.tls"),
        (http, "is an HTTP server"),
        (https, "is not trusted: self"),
    ):
        found = knocked(KafkaSettings(brokers=(f"{HOST}:{number}",), tls=True))
        assert found.status is Status.FAILED
        assert words in found.line


def test_tls_that_is_trusted_is_looked_into(https: int, certificate: tuple[Path, Path]) -> None:
    """With its authority given, what speaks inside is what counts."""
    found = knocked(KafkaSettings(brokers=(f"{HOST}:{https}",), tls=True, tls_ca=certificate[0]))
    assert "is an HTTP server" in found.line


def test_a_failure_is_explained_only_where_no_address_is_right(mock: tuple[str, int], http: int) -> None:
    """One wrong address beside a right one is not why nothing works."""
    good, bad = f"{mock[0]}:{mock[1]}", f"{HOST}:{http}"
    assert why_no_broker(KafkaSettings(brokers=(good, bad))) is None
    assert "is an HTTP server" in str(why_no_broker(KafkaSettings(brokers=(bad,))))


def at(uri: str, **more: object) -> Finding:
    found = database.knock(TaosSettings(uri=uri, **more), 4)  # type: ignore[arg-type]  # settings read texts
    assert "\n" not in found.line
    return found


def test_wrong_addresses_of_the_database_are_named(mock: tuple[str, int], http: int, https: int) -> None:
    """REST where native is, native where REST is, a broker, TLS on one side alone."""
    (closed,) = free_ports(1)
    with Silent(hangs_up=True) as native:
        for uri, words in (
            (f"http://{HOST}:{closed}/db", "nothing listens at"),
            (f"http://{HOST}:{native.port}/db", "is it the native port?; REST is taosAdapter's"),
            (f"http://{HOST}:{mock[1]}/db", "is a Kafka broker"),
            (f"http://{HOST}:{https}/db", "speaks TLS; write taosuri as https://"),
            (f"https://{HOST}:{http}/db", "speaks HTTP without TLS; write taosuri as http://"),
            (f"https://{HOST}:{https}/db", "is not trusted: self"),
            (f"taos://{HOST}:{http}/db", f"taosuri is a native address; write it as http://{HOST}:{http}/db"),
            (f"taos://{HOST}:{closed}/db", "nothing listens at"),
        ):
            found = at(uri)
            assert found.status is Status.FAILED
            assert words in found.line
        assert at(f"taos://{HOST}:{native.port}/db").status is Status.OK
    assert at(f"http://{HOST}:{http}/db").status is Status.OK
    assert at(f"https://{HOST}:{https}/db", tls_verify=False).status is Status.OK
